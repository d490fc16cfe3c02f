"""What the machine adds to a run: packages, platform, seeds, determinism, devices, ranks.

Libraries are asked only where the run has imported them already: observing imports nothing
heavy, draws no random number and changes no setting.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from govern.transparency.canonical import canonical_json
from govern.transparency.digest import digest_of

FLAGS = ("PYTHONHASHSEED", "CUBLAS_WORKSPACE_CONFIG", "OMP_NUM_THREADS", "TF_DETERMINISTIC_OPS")
# What launchers tell each process: torchrun, then Horovod (docs/summary of ``horovodrun``).
RANKS = {
    "torchrun": ("RANK", "WORLD_SIZE", "LOCAL_RANK", "TORCHELASTIC_RUN_ID"),
    "horovod": ("HOROVOD_RANK", "HOROVOD_SIZE", "HOROVOD_LOCAL_RANK", "HOROVOD_CONTROLLER"),
}


def packages() -> dict[str, str]:
    """Return name and version of every installed distribution: the environment's lock."""
    found = {}
    for item in metadata.distributions():
        name = item.metadata["Name"]
        if name:
            found[name.lower().replace("_", "-")] = item.version
    return dict(sorted(found.items()))


def environment_lock() -> dict[str, Any]:
    """Return the interpreter, the platform, and the digest of the sorted package list."""
    lock = packages()
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": len(lock),
        "packages_digest": digest_of(canonical_json(lock)),
        "versions": {name: lock[name] for name in _WATCHED if name in lock},
    }


_WATCHED = (
    "numpy", "pandas", "pyarrow", "scikit-learn", "xgboost", "xgboost-cpu", "lightgbm", "torch",
    "safetensors", "skops",
)  # fmt: skip


def randomness() -> dict[str, Any]:
    """Return seeds and determinism flags as they stand; nothing is drawn or set."""
    found: dict[str, Any] = {name: os.environ[name] for name in FLAGS if name in os.environ}
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "initial_seed"):
        found["torch_seed"] = str(torch.initial_seed())
        found["torch_deterministic"] = bool(torch.are_deterministic_algorithms_enabled())
        found["cudnn_benchmark"] = bool(torch.backends.cudnn.benchmark)
    return found


def device() -> dict[str, Any]:
    """Return what the run could compute on, as far as an imported library tells."""
    found: dict[str, Any] = {"machine": platform.machine(), "cores": os.cpu_count()}
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "cuda"):
        found["cuda"] = str(torch.version.cuda) if torch.version.cuda else None
        if torch.cuda.is_available():
            found["gpus"] = [
                torch.cuda.get_device_name(at) for at in range(torch.cuda.device_count())
            ]
    return found


def launched(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the launcher, this process's rank and the size; empty where it runs alone."""
    for launcher, (rank, size, local, run) in RANKS.items():
        try:
            found = {"rank": int(environment[rank]), "size": int(environment[size])}
        except (KeyError, ValueError):
            continue
        told = {"launcher": launcher, **found}
        if environment.get(local, "").isdecimal():
            told["local_rank"] = int(environment[local])
        if run in environment:
            told["group"] = environment[run][:200]
        return told
    return {}
