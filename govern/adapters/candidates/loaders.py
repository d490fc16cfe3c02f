"""Load a candidate by its card's format; runs inside the sandbox only."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from govern.adapters.candidates.formats import FORMATS
from govern.adapters.candidates.server import Loaded
from govern.errors import MissingPartError

_MODULES = {
    "onnx": "load_onnx",
    "xgboost": "load_trees",
    "lightgbm": "load_trees",
    "skops": "load_sklearn",
    "torch-export": "load_torch",
    "safetensors": "load_torch",
}


def load(files: Mapping[str, bytes], options: Mapping[str, Any]) -> Loaded:
    """Load a candidate.

    Args:
        files: the candidate folder, by file name.
        options: the ``card``, and ``threads`` per operator.
    """
    chosen = str(options["card"].get("format", "onnx"))
    module = import_module(f"govern.adapters.candidates.{_MODULES[chosen]}")
    try:
        loaded: Loaded = module.load(files, options)
    except ModuleNotFoundError as error:
        extra = FORMATS[chosen].extra
        raise MissingPartError(
            f"{error.name} is not installed here; install govern[{extra}] on the worker"
        ) from None
    return loaded
