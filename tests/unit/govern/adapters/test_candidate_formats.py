"""One model in each format gives what its own library gives, through the real sandbox."""

from __future__ import annotations

import importlib.util
import io
import json
import pickle
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from govern.adapters.candidates.opening import FailedModel, WarmCandidates, open_candidate
from govern.adapters.candidates.process import Limits
from govern.errors import CandidateError, InvalidRequestError

LIMITS = Limits(memory_bytes=2 << 30, load_seconds=90, predict_seconds=20)
COLUMNS = ["a", "b", "c"]
RANDOM = np.random.default_rng(5)
ROWS = RANDOM.normal(size=(200, 3))
LABELS = (ROWS @ [1.0, -2.0, 0.5] + RANDOM.normal(size=200) * 0.3 > 0).astype(int)


def card(chosen: str, **more: Any) -> bytes:
    value = {"format": chosen, "inputs": [{"columns": COLUMNS}], "threshold": 0.4, **more}
    return json.dumps(value).encode()


def xgboost_model() -> tuple[dict[str, bytes], np.ndarray]:
    import xgboost

    model = xgboost.train({"objective": "binary:logistic", "nthread": 1}, xgboost.DMatrix(ROWS, LABELS), 10)
    return {"model.ubj": bytes(model.save_raw("ubj")), "model.json": card("xgboost")}, model.predict(xgboost.DMatrix(ROWS))


def lightgbm_model() -> tuple[dict[str, bytes], np.ndarray]:
    import lightgbm

    settings = {"objective": "binary", "verbose": -1, "num_threads": 1}
    model = lightgbm.train(settings, lightgbm.Dataset(ROWS, LABELS), 10)
    return {"model.txt": model.model_to_string().encode(), "model.json": card("lightgbm")}, model.predict(ROWS)


def skops_model() -> tuple[dict[str, bytes], np.ndarray]:
    import skops.io
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), RandomForestClassifier(10, random_state=0)).fit(ROWS, LABELS)
    return {"model.skops": skops.io.dumps(model), "model.json": card("skops")}, model.predict_proba(ROWS)[:, 1]


def network() -> Any:
    import torch

    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1), torch.nn.Sigmoid())


def asked(module: Any) -> np.ndarray:
    import torch

    return module(torch.from_numpy(ROWS.astype(np.float32))).detach().numpy()[:, 0]


def safetensors_model() -> tuple[dict[str, bytes], np.ndarray]:
    from safetensors.torch import save

    module = network()
    described = card("safetensors", architecture={"kind": "mlp", "hidden": [8]})
    return {"model.safetensors": save(module.state_dict()), "model.json": described}, asked(module)


def exported_model() -> tuple[dict[str, bytes], np.ndarray]:
    import torch

    module, buffer = network(), io.BytesIO()
    batch = torch.export.Dim("batch")
    program = torch.export.export(module, (torch.zeros(4, 3),), dynamic_shapes=({0: batch},))
    torch.export.save(program, buffer)
    return {"model.pt2": buffer.getvalue(), "model.json": card("torch-export")}, asked(module)


@pytest.mark.parametrize("library", ["xgboost", "lightgbm", "torch", "safetensors"])
def test_the_libraries_of_all_formats_are_installed(library: str) -> None:
    assert importlib.util.find_spec(library), (
        f"{library} is not installed, so its format cannot be tested; `scripts/setup.sh test` installs it"
    )


@pytest.mark.parametrize(
    "make", [xgboost_model, lightgbm_model, skops_model, safetensors_model, exported_model]
)
def test_a_format_answers_as_its_own_library(make: Any) -> None:
    files, expected = make()
    with open_candidate(files, limits=LIMITS) as model:
        labels, scores = model.predict(ROWS)
        assert scores == pytest.approx(expected, abs=1e-6)
        assert (labels == (expected.astype(np.float32) >= 0.4)).mean() > 0.99
        assert model.device["kind"] in ("cpu", "cuda")
        assert model.device["sandbox"]["lacks"] == [] or model.device["sandbox"]["level"] != "full"


def linear_model() -> tuple[dict[str, bytes], np.ndarray]:
    import skops.io
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(ROWS, LABELS)
    return {"model.skops": skops.io.dumps(model), "model.json": card("skops")}, model.decision_function(ROWS)


@pytest.mark.parametrize("make", [xgboost_model, lightgbm_model, linear_model])
def test_values_read_from_inside_add_up_and_agree_with_shap(make: Any) -> None:
    files, expected = make()
    with open_candidate(files, limits=LIMITS) as model:
        found = model.explain(ROWS, ROWS[:50])  # type: ignore[union-attr]
    assert found.values.sum(axis=1) + found.base == pytest.approx(found.output, abs=1e-4)
    assert found.ours == pytest.approx(found.oracle, abs=1e-5)
    assert (found.interactions is None) == (make is linear_model)
    told = expected if make is linear_model else np.log(expected / (1 - expected))
    assert found.output == pytest.approx(told, abs=1e-4)


def test_a_forest_behind_a_scaler_is_not_read_from_inside() -> None:
    files, _ = skops_model()
    with open_candidate(files, limits=LIMITS) as model:
        assert model.explain(ROWS, ROWS[:50]) is None  # type: ignore[union-attr]


def test_values_that_do_not_add_up_to_the_output_are_refused() -> None:
    import xgboost

    from govern.adapters.candidates import inner

    model = xgboost.train({"max_depth": 3, "nthread": 1}, xgboost.DMatrix(ROWS, LABELS), 5)
    with pytest.raises(CandidateError, match="it was not read as it computes"):
        inner.explain_trees(model, lambda rows: rows[:, 0] * 9, "margin", ROWS, ROWS[:9])


def test_an_mlflow_folder_is_opened_by_its_native_flavour() -> None:
    files, expected = lightgbm_model()
    about = b"flavors:\n  lightgbm: {data: model.lgb}\n  python_function: {data: model.lgb}\n"
    folder = {"MLmodel": about, "model.lgb": files["model.txt"], "conda.yaml": b"", "model.json": card("mlflow")}
    with open_candidate(folder, limits=LIMITS) as model:
        assert model.predict(ROWS)[1] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("about", "sentence"),
    [
        (b"flavors:\n  python_function: {loader_module: mlflow.sklearn}\n", "python_function unpickles"),
        (b"flavors:\n  sklearn: {pickled_model: model.bytes}\n", "python_function unpickles"),
        (b"flavors: [1]", "is not YAML"),
        (b"{", "is not YAML"),
    ],
)
def test_an_mlflow_folder_that_would_run_code_is_refused(about: bytes, sentence: str) -> None:
    folder = {"MLmodel": about, "model.bytes": pickle.dumps(Payload()), "model.json": card("mlflow")}
    with pytest.raises(InvalidRequestError, match=sentence):
        open_candidate(folder)


class Payload:
    def __reduce__(self) -> tuple[Any, Any]:
        return (print, ("ran",))


@pytest.mark.parametrize(
    ("name", "advice"),
    [("model.pkl", "skops"), ("model.joblib", "ONNX"), ("weights.pt", "torch.export.save"), ("code.py", "ONNX")],
)
def test_formats_that_run_code_are_refused_with_how_to_convert(name: str, advice: str) -> None:
    files = {name: pickle.dumps(Payload()), "model.json": card("skops")}
    with pytest.raises(InvalidRequestError, match=f"can run code when it is loaded.*{advice}"):
        open_candidate(files)


def test_a_pickle_under_another_name_is_never_unpickled() -> None:
    for chosen, name in (("skops", "model.skops"), ("onnx", "model.onnx")):
        with pytest.raises(CandidateError, match="does not load"):
            open_candidate({name: pickle.dumps(Payload()), "model.json": card(chosen)}, limits=LIMITS)


def test_a_skops_file_with_a_type_off_the_list_is_refused() -> None:
    import skops.io
    from sklearn.preprocessing import FunctionTransformer

    data = skops.io.dumps(FunctionTransformer(np.linalg.norm))
    with pytest.raises(CandidateError, match=r"not on the list|does not load|no classifier"):
        open_candidate({"model.skops": data, "model.json": card("skops")}, limits=LIMITS)


def test_logits_from_a_booster_are_named_as_such() -> None:
    import xgboost

    settings = {"objective": "binary:logitraw", "nthread": 1}
    raw = xgboost.train(settings, xgboost.DMatrix(ROWS, LABELS), 10).save_raw("ubj")
    files = {"model.ubj": bytes(raw), "model.json": card("xgboost")}
    with open_candidate(files, limits=LIMITS) as model, pytest.raises(CandidateError, match="if they are logits"):
        model.predict(ROWS)


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({}, "has a card"),
        ({"model.json": b"{}"}, "needs `inputs`"),
        ({"model.json": card("hdf5")}, "the format 'hdf5' is not known"),
        ({"model.json": card("onnx")}, "model.onnx is missing"),
        ({"model.json": card("onnx"), "model.onnx": b"", "more.txt": b""}, "more.txt is not one of them"),
    ],
)
def test_a_folder_that_is_no_candidate_is_refused(files: Mapping[str, bytes], sentence: str) -> None:
    with pytest.raises(InvalidRequestError, match=sentence):
        open_candidate(files)


def test_one_process_serves_all_checks_of_a_candidate_and_a_broken_one_is_said() -> None:
    files, _ = skops_model()
    warm = WarmCandidates(LIMITS)
    first = warm.open("sha256:a", lambda: files)
    assert warm.open("sha256:a", lambda: files) is first
    broken = warm.open("sha256:b", lambda: {"model.skops": b"x", "model.json": card("skops")})
    assert isinstance(broken, FailedModel)
    assert not first.alive  # type: ignore[union-attr]
    with pytest.raises(CandidateError, match="does not load"):
        broken.predict(ROWS)
    warm.close()
