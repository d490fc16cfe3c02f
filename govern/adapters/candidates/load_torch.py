"""PyTorch candidates: an exported program, or safetensors with an architecture in the card.

No class of the candidate's is imported: the card names one of the architectures below.
Runs on the first CUDA device where there is one, in float32 without TF32, deterministic; in
bfloat16 (autocast: weights stay float32, products are rounded) where the card says so.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from govern.adapters.candidates import paths_torch
from govern.adapters.candidates.scores import answer, with_codes
from govern.checks.shapley import Attributions
from govern.checks.tasks import Task
from govern.errors import CandidateError

LAYERS_MAX = 64
WIDTH_MAX = 65_536
_ACTIVATIONS = {"relu": "ReLU", "gelu": "GELU", "tanh": "Tanh", "sigmoid": "Sigmoid"}


class TorchModel:
    """A module that gives one probability a row.

    Args:
        module: a module for float32 [n, features].
        torch: the library.
        options: the ``card``, and ``threads``.
    """

    def __init__(self, module: Any, torch: Any, options: Mapping[str, Any]) -> None:
        self._torch, self._card = torch, options["card"]
        self._place = torch.device(
            "cuda:0" if options.get("device") != "cpu" and torch.cuda.is_available() else "cpu"
        )
        if self._place.type == "cuda":
            total = int(torch.cuda.get_device_properties(0).total_memory)
            torch.cuda.set_per_process_memory_fraction(
                memory_share(int(options.get("gpu_memory_bytes", 0)), total)
            )
        self._module = module.to(self._place)
        self._precision = str(options.get("precision") or "float32")
        self.device: dict[str, Any] = {
            "kind": self._place.type,
            "provider": str(self._place),
            "runtime": f"torch {torch.__version__}",
            "precision": self._precision,
            "deterministic": True,
            **(_cuda_evidence(torch) if self._place.type == "cuda" else {}),
        }

    def predict(
        self, rows: np.ndarray, protected: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return labels and probabilities."""
        values = self._torch.from_numpy(with_codes(rows, protected).astype(np.float32))
        return answer(self._asked(values.to(self._place)).cpu().numpy(), self._card)

    def explain_paths(
        self, rows: np.ndarray, background: np.ndarray, paths: int, seed: int, batch: int
    ) -> Attributions:
        """Return Shapley values of the score by permutation paths on the device itself."""
        classes = Task.read(self._card)
        place = classes.positive if classes.classes else 0

        def score(values: Any) -> Any:
            found = self._asked(values)
            return found[:, place] if found.ndim == 2 else found

        return paths_torch.explain(
            score, rows, background, paths=paths, seed=seed, batch=batch, torch=self._torch,
            device=self._place,
        )  # fmt: skip

    def _asked(self, values: Any) -> Any:
        """Return what the module gives, float32, for a tensor that is where it is."""
        rounded = self._torch.autocast(
            self._place.type, self._torch.bfloat16, enabled=self._precision == "bfloat16"
        )
        with self._torch.inference_mode(), rounded:
            return self._module(values).float()


def load(files: Mapping[str, bytes], options: Mapping[str, Any]) -> TorchModel:
    """Load ``model.pt2`` or ``model.safetensors``."""
    import torch

    torch.set_num_threads(int(options["threads"]))
    torch.use_deterministic_algorithms(True)
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.benchmark = False
    if "model.pt2" in files:
        return TorchModel(_exported(files["model.pt2"], torch), torch, options)
    return TorchModel(_declared(files["model.safetensors"], torch, options["card"]), torch, options)


def memory_share(limit_bytes: int, total_bytes: int) -> float:
    """Return the share of a device's memory that a candidate may take; all of it without limit."""
    return min(1.0, limit_bytes / total_bytes) if limit_bytes and total_bytes else 1.0


def _exported(data: bytes, torch: Any) -> Any:
    try:
        return torch.export.load(io.BytesIO(data)).module()
    except Exception as error:
        raise CandidateError(f"model.pt2 does not load: {str(error)[:160]}") from None


def _declared(data: bytes, torch: Any, card: Mapping[str, Any]) -> Any:
    from safetensors.torch import load as load_tensors

    features = len(card["inputs"][0]["columns"]) + len(card.get("protected_inputs", ()))
    module = _mlp(torch.nn, card.get("architecture"), features, Task.read(card))
    try:
        module.load_state_dict(load_tensors(data), strict=True)
    except Exception as error:
        raise CandidateError(
            f"the weights are not those of the card's architecture: {str(error)[:200]}"
        ) from None
    return module.eval()


def _mlp(nn: Any, architecture: Any, features: int, task: Task) -> Any:
    """Return linear layers with activations between, and at the end what the task asks for."""
    if not isinstance(architecture, Mapping) or architecture.get("kind") != "mlp":
        raise CandidateError('the card\'s `architecture` must have "kind": "mlp"')
    given, chosen = architecture.get("hidden"), architecture.get("activation", "relu")
    hidden: list[Any] = given if isinstance(given, list) else [None]
    sized = all(type(width) is int and 0 < width <= WIDTH_MAX for width in hidden)
    if not sized or len(hidden) > LAYERS_MAX or chosen not in _ACTIVATIONS:
        raise CandidateError(
            f"an mlp has `hidden`, up to {LAYERS_MAX} widths up to {WIDTH_MAX}, and an "
            f"`activation` of {', '.join(_ACTIVATIONS)}"
        )
    layers: list[Any] = []
    for width in hidden:
        layers += [nn.Linear(features, width), getattr(nn, _ACTIVATIONS[chosen])()]
        features = width
    last = nn.Linear(features, max(1, len(task.classes)))
    if task.is_number:
        return nn.Sequential(*layers, last)
    return nn.Sequential(*layers, last, nn.Softmax(1) if task.classes else nn.Sigmoid())


def _cuda_evidence(torch: Any) -> dict[str, Any]:
    """Return which device this is, as the driver tells it."""
    found = torch.cuda.get_device_properties(0)
    return {
        "device": found.name,
        "uuid": str(getattr(found, "uuid", "")),
        "compute_capability": f"{found.major}.{found.minor}",
        "memory_bytes": int(found.total_memory),
        "cuda": str(torch.version.cuda),
        "cudnn": torch.backends.cudnn.version(),
        "tf32": bool(torch.backends.cuda.matmul.allow_tf32),
    }
