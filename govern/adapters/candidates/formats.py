"""Which candidate folders are taken, and which are refused and what to do instead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from govern.errors import InvalidRequestError

MODEL_BYTES_MAX = 2 << 30
FILES_MAX = 64


@dataclass(frozen=True, slots=True)
class Format:
    """One format.

    Args:
        title: its name for people.
        files: the folder's files besides the card.
        rows: what rows are sent as: the type that the model computes in.
        extra: what to install, as ``govern[EXTRA]``; empty where it comes with govern.
    """

    title: str
    files: tuple[str, ...]
    extra: str = ""
    rows: str = "float32"


FORMATS: Mapping[str, Format] = {
    "onnx": Format("ONNX", ("model.onnx",)),
    "xgboost": Format("XGBoost UBJSON", ("model.ubj",), "xgboost"),
    "lightgbm": Format("LightGBM text", ("model.txt",), "lightgbm", rows="float64"),
    "skops": Format("scikit-learn in skops", ("model.skops",), rows="float64"),
    "torch-export": Format("PyTorch exported program", ("model.pt2",), "torch"),
    "mlflow": Format("MLflow folder", ("MLmodel",)),
    "remote": Format("HTTP server", ()),
    "safetensors": Format("PyTorch weights", ("model.safetensors",), "torch"),
}
CARD = "model.json"
_CONVERT = {
    (".pkl", ".pickle", ".joblib", ".dill", ".cloudpickle"): (
        "export the model to ONNX (skl2onnx) or to skops (skops.io.dump)"
    ),
    (".pt", ".pth", ".bin", ".ckpt", ".torchscript"): (
        "export the model to ONNX (torch.onnx.export), to a .pt2 (torch.export.save) or its "
        "weights to safetensors"
    ),
    (".npy", ".npz", ".h5", ".keras", ".py", ".mlmodel", ".rds"): "export the model to ONNX",
}


def refuse_unsafe(names: Iterable[str]) -> None:
    """Refuse files that can run code when they are loaded.

    Raises:
        InvalidRequestError: with what to do instead.
    """
    for name in names:
        for endings, advice in _CONVERT.items():
            if name.lower().endswith(endings):
                raise InvalidRequestError(
                    f"{name} can run code when it is loaded; {advice} and register that"
                )


def require_files(chosen: str, files: Mapping[str, bytes]) -> None:
    """Refuse a folder that is not what its format says.

    Raises:
        InvalidRequestError: with what is expected.
    """
    expected = FORMATS[chosen].files
    missing = [name for name in (*expected, CARD) if name not in files]
    more = sorted(set(files) - {*expected, CARD}) if chosen != "mlflow" else []
    if missing or more:
        found = f"{missing[0]} is missing" if missing else f"{more[0]} is not one of them"
        raise InvalidRequestError(
            f"a candidate of the format {chosen} is a folder of "
            f"{', '.join((*expected, CARD))}; {found}"
        )
    if sum(map(len, files.values())) > MODEL_BYTES_MAX or len(files) > FILES_MAX:
        raise InvalidRequestError(
            f"a candidate has at most {FILES_MAX} files and {MODEL_BYTES_MAX} bytes"
        )
