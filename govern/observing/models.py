"""Write a trained model as a folder that ``govern candidate register`` takes, with its parameters.

One format a library, each without code that runs on loading: scikit-learn as skops, XGBoost as
UBJSON, LightGBM as text, PyTorch as safetensors (where the card's architecture can say it) or
as an exported program. Pickle is never written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from govern.errors import InvalidRequestError
from govern.observing.tables import plain
from govern.transparency.canonical import canonical_json


@dataclass(frozen=True, slots=True)
class Written:
    """A model's files by name, and what its library says that it was made with."""

    files: Mapping[str, bytes]
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """What the caller adds: columns in the model's order, further card fields, an example."""

    columns: Sequence[str]
    card: Mapping[str, Any] = field(default_factory=dict)
    example: Any = None


def write_model(model: Any, told: Told) -> Written:
    """Return a model's files and parameters.

    Raises:
        InvalidRequestError: its library is none of those known; the sentence names them.
    """
    library = next(
        (kind.__module__.partition(".")[0] for kind in type(model).__mro__
         if kind.__module__.partition(".")[0] in _WRITERS),
        None,
    )  # fmt: skip
    if library is None:
        known = ", ".join(sorted(_WRITERS))
        raise InvalidRequestError(
            f"a {type(model).__module__}.{type(model).__qualname__} is not a model of {known}; "
            "write its files yourself and give their folder"
        )
    return _WRITERS[library](model, told)


def _card(told: Told, model_format: str, **more: Any) -> bytes:
    inputs = [{"name": "x", "dtype": "float32", "columns": [str(name) for name in told.columns]}]
    return canonical_json(
        {"format": model_format, "inputs": inputs, "protected_inputs": [], "randomised": False}
        | more | dict(told.card)
    )  # fmt: skip


def _sklearn(model: Any, told: Told) -> Written:
    import skops.io

    files = {"model.skops": skops.io.dumps(model), "model.json": _card(told, "skops")}
    return Written(files, {"estimator": _name(model), **plain(model.get_params(deep=True))})


def _xgboost(model: Any, told: Told) -> Written:
    import json

    booster = model.get_booster() if hasattr(model, "get_booster") else model
    files = {"model.ubj": bytes(booster.save_raw("ubj")), "model.json": _card(told, "xgboost")}
    learner = json.loads(booster.save_config())["learner"]
    said = {"estimator": _name(model), "rounds": booster.num_boosted_rounds()}
    if hasattr(model, "get_params"):
        return Written(files, said | plain(model.get_params()))
    trees = learner.get("gradient_booster", {}).get("tree_train_param", {})
    return Written(files, said | {"objective": learner["objective"]["name"], **trees})


def _lightgbm(model: Any, told: Told) -> Written:
    booster = model.booster_ if hasattr(model, "booster_") else model
    files = {
        "model.txt": booster.model_to_string().encode(),
        "model.json": _card(told, "lightgbm"),
    }
    chosen = model.get_params() if hasattr(model, "get_params") else booster.params
    return Written(files, {"estimator": _name(model), **plain(chosen)})


def _torch(model: Any, told: Told) -> Written:
    shapes = {name: list(value.shape) for name, value in model.state_dict().items()}
    count = sum(value.numel() for value in model.parameters())
    said = {"module": _name(model), "parameters": count, "shapes": plain(shapes)}
    if "architecture" in told.card:
        from safetensors.torch import save

        state = {name: value.contiguous() for name, value in model.state_dict().items()}
        card = _card(told, "safetensors")
        return Written({"model.safetensors": save(state), "model.json": card}, said)
    return Written(_exported(model, told), said)


def _exported(model: Any, told: Told) -> dict[str, bytes]:
    import io

    import torch

    example = torch.zeros(4, len(told.columns)) if told.example is None else told.example
    training, buffer = model.training, io.BytesIO()
    model.eval()
    try:
        shapes = ({0: torch.export.Dim("batch")},)
        torch.export.save(torch.export.export(model, (example,), dynamic_shapes=shapes), buffer)
    finally:
        model.train(training)
    return {"model.pt2": buffer.getvalue(), "model.json": _card(told, "torch-export")}


def _name(model: Any) -> str:
    return f"{type(model).__module__}.{type(model).__qualname__}"


_WRITERS: dict[str, Callable[[Any, Told], Written]] = {
    "sklearn": _sklearn,
    "xgboost": _xgboost,
    "lightgbm": _lightgbm,
    "torch": _torch,
}
