"""ONNX candidates through onnxruntime: self-contained graphs, the CUDA provider where it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from govern.adapters.candidates.scores import answer
from govern.checks.tasks import BINARY, Task
from govern.errors import CandidateError

_CUDA = {"device_id": 0, "use_tf32": 0, "cudnn_conv_algo_search": "DEFAULT"}
_PROVIDERS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("CUDAExecutionProvider", _CUDA),
    ("CPUExecutionProvider", {}),
)
DRAWS = 0  # what operators that draw at random start from, so that a check is the same again


class OnnxModel:
    """One ONNX graph, ready to answer.

    A graph that draws at random still answers anew each time it is asked; but a session opened
    again draws the same row of numbers, so that the same check gives the same findings.

    Args:
        data: the graph, with its weights inside.
        threads: threads per operator.
        card: the candidate's card.
        gpu: whether CUDA may be used where it is.
        gpu_memory_bytes: what the provider may take of the device, 0 for no limit.
    """

    def __init__(
        self,
        data: bytes,
        threads: int,
        card: Mapping[str, Any],
        *,
        gpu: bool = True,
        gpu_memory_bytes: int = 0,
    ) -> None:
        import onnxruntime

        self._card, self._task = card, Task.read(card)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.use_deterministic_compute = True
        options.log_severity_level = 3
        onnxruntime.set_seed(DRAWS)
        available = onnxruntime.get_available_providers()
        wanted, settings = next(
            row for row in _PROVIDERS if row[0] in available and (gpu or row[0] != _PROVIDERS[0][0])
        )
        if wanted == _PROVIDERS[0][0] and gpu_memory_bytes:
            settings = {**settings, "gpu_mem_limit": gpu_memory_bytes}
        try:
            self._session = onnxruntime.InferenceSession(
                data, options, providers=[(wanted, settings)]
            )
        except Exception as error:
            raise CandidateError(f"model.onnx does not load: {str(error)[:160]}") from None
        used = self._session.get_providers()[0]
        if used != wanted:  # onnxruntime falls back without a word
            raise CandidateError(f"{wanted} was asked for, {used} was used")
        self.device: dict[str, Any] = {
            "kind": "cuda" if wanted.startswith("CUDA") else "cpu",
            "provider": used,
            "runtime": f"onnxruntime {onnxruntime.__version__}",
            "precision": "float32",
            "deterministic": True,
        }

    def predict(
        self, rows: np.ndarray, protected: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the graph's outputs ``label`` and ``score``; other tasks need ``score`` alone."""
        feed = {"x": np.asarray(rows, np.float32), **protected}
        if self._task == BINARY:
            label, score = self._session.run(["label", "score"], feed)
            return label, score
        return answer(self._session.run(["score"], feed)[0], self._card)


def load(files: Mapping[str, bytes], options: Mapping[str, Any]) -> OnnxModel:
    """Load ``model.onnx``."""
    gpu = options.get("device") != "cpu"
    room = int(options.get("gpu_memory_bytes", 0))
    return OnnxModel(
        files["model.onnx"],
        int(options["threads"]),
        options["card"],
        gpu=gpu,
        gpu_memory_bytes=room,
    )
