"""MLflow model folders that hold a model in one of our formats.

``MLmodel`` is YAML and names flavours; the one with native bytes is taken, and ``python_function``
is never: it unpickles. Format: MLflow documentation, "MLflow Model Format". mlflow itself is
not needed and not imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import yaml

from govern.adapters.candidates.card import Card
from govern.adapters.candidates.formats import FORMATS
from govern.errors import InvalidRequestError

MLMODEL = "MLmodel"
MLMODEL_BYTES_MAX = 1 << 20
_FLAVOURS = {"onnx": "onnx", "xgboost": "xgboost", "lightgbm": "lightgbm", "sklearn": "skops"}
_KEYS = ("data", "pickled_model")  # sklearn names a skops file by the second
_ENDINGS = {"xgboost": ".ubj", "skops": ".skops"}


def unfolded(card: Card, files: Mapping[str, bytes]) -> tuple[Card, dict[str, bytes]]:
    """Return the card and the files of the model inside an MLflow folder.

    Args:
        card: the candidate's card, of the format ``mlflow``.
        files: the folder, by file name.

    Raises:
        InvalidRequestError: it holds no model in a format that runs no code.
    """
    flavours = _flavours(files)
    for flavour, chosen in _FLAVOURS.items():
        described = flavours.get(flavour)
        if not isinstance(described, Mapping):
            continue
        named = next((str(described[key]) for key in _KEYS if key in described), "")
        if named in files and named.endswith(_ENDINGS.get(chosen, "")):
            inside = replace(card, format=chosen, value={**card.value, "format": chosen})
            return inside, {FORMATS[chosen].files[0]: files[named]}
    raise InvalidRequestError(
        f"the MLflow folder's flavours are {', '.join(sorted(flavours)) or 'none'}; one of onnx, "
        "xgboost (ubj), lightgbm or sklearn (skops) with its file is needed, for python_function "
        "unpickles: log the model with mlflow.onnx"
    )


def _flavours(files: Mapping[str, bytes]) -> Mapping[str, object]:
    data = files.get(MLMODEL, b"")
    try:
        value = yaml.safe_load(data) if 0 < len(data) <= MLMODEL_BYTES_MAX else None
    except (yaml.YAMLError, RecursionError, UnicodeDecodeError):
        value = None
    if not isinstance(value, Mapping) or not isinstance(value.get("flavors"), Mapping):
        raise InvalidRequestError(f"{MLMODEL} is not YAML with `flavors`")
    return {str(name): described for name, described in value["flavors"].items()}
