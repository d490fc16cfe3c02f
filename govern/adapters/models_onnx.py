"""Load an ONNX candidate from bytes and ask it.

Only self-contained ONNX: no external data, no custom operators. Anything that could run
code on loading is refused with a sentence that says how to convert.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from govern.errors import InvalidRequestError
from govern.transparency.canonical import parse_json

MODEL_BYTES_MAX = 2 << 30
_REFUSED = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".bin", ".h5", ".npy")


class OnnxModel:
    """One candidate, ready to answer.

    Args:
        files: the candidate folder, by file name.
        threads: threads per operator.
    """

    def __init__(self, files: Mapping[str, bytes], *, threads: int = 1) -> None:
        import onnxruntime

        refuse_unsafe(files)
        self.card = parse_json(files["model.json"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.use_deterministic_compute = True
        options.log_severity_level = 3
        available = onnxruntime.get_available_providers()
        wanted = next(name for name in _PROVIDERS if name in available)
        try:
            self._session = onnxruntime.InferenceSession(
                files["model.onnx"], options, providers=[wanted]
            )
        except Exception as error:
            raise InvalidRequestError(f"model.onnx does not load: {str(error)[:160]}") from None
        if self._session.get_providers()[0] != wanted:
            raise InvalidRequestError(f"{wanted} was asked for, another provider was used")
        self.device = {
            "provider": wanted,
            "runtime": f"onnxruntime {onnxruntime.__version__}",
            "precision": "float32",
            "deterministic": True,
            "threads": threads,
        }
        self.columns: list[str] = self.card["inputs"][0]["columns"]
        self.protected: list[str] = list(self.card["protected_inputs"])

    def predict(
        self, rows: np.ndarray, protected: Mapping[str, Any] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Answer a batch.

        Args:
            rows: float array [n, features] in the card's column order.
            protected: for models that need them, attribute name to n category names.

        Returns:
            labels int64 [n] and scores float32 [n].
        """
        feed: dict[str, Any] = {"x": np.ascontiguousarray(rows, np.float32)}
        for attribute in self.protected:
            order = self.card["categories"][attribute]
            values = list((protected or {})[attribute])
            feed[attribute] = np.asarray([order.index(value) for value in values], np.int64)
        label, score = self._session.run(["label", "score"], feed)
        if label.shape != (len(rows),) or score.shape != (len(rows),):
            raise InvalidRequestError("the model gave another number of answers than rows")
        if not np.isin(label, (0, 1)).all():
            raise InvalidRequestError("the model gave labels other than 0 and 1")
        if not ((score >= 0) & (score <= 1.00001)).all():
            raise InvalidRequestError("the model gave scores that are not shares from 0 to 1")
        return label, score


_PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")


def refuse_unsafe(files: Mapping[str, bytes]) -> None:
    """Refuse a candidate folder that is not ONNX and a card.

    Raises:
        InvalidRequestError: with what to do instead.
    """
    for name in files:
        if name.lower().endswith(_REFUSED):
            raise InvalidRequestError(
                f"{name} can run code when it is loaded; export the model to ONNX "
                "(skl2onnx, torch.onnx.export) or skops and register that"
            )
    if set(files) != {"model.onnx", "model.json"}:
        raise InvalidRequestError("a candidate folder holds model.onnx and model.json")
    if len(files["model.onnx"]) > MODEL_BYTES_MAX:
        raise InvalidRequestError(f"model.onnx is over {MODEL_BYTES_MAX} bytes")
