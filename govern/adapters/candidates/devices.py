"""Where a candidate runs: CUDA where it is, and what the CPU answers to the same rows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from govern.errors import GovernError

DRIVER = Path("/proc/driver/nvidia/version")
SAMPLE_ROWS = 256
DRIVER_CHARS_MAX = 120


def cuda_here() -> bool:
    """Say whether this machine has a CUDA device; asks no library, so nothing is initialised."""
    return os.path.exists("/dev/nvidia0")


def driver() -> str | None:
    """Return what the NVIDIA driver calls itself; None where there is none."""
    try:
        return DRIVER.read_text("utf-8").splitlines()[0][:DRIVER_CHARS_MAX]
    except (OSError, IndexError, UnicodeDecodeError):
        return None


def with_equivalence(
    model: Any, files: Mapping[str, bytes], rows: np.ndarray, protected: Mapping[str, Any]
) -> None:
    """Add to a CUDA candidate's device evidence what the CPU answers to a sample.

    Args:
        model: an open candidate; nothing is done where it runs elsewhere, or was compared before.
        files: its folder.
        rows: float64 [n, features].
        protected: attributes by name [n].
    """
    if model.device.get("kind") != "cuda" or "cpu_equivalence" in model.device:
        return
    from govern.adapters.candidates.opening import open_candidate

    few = rows[:SAMPLE_ROWS]
    given = {name: values[:SAMPLE_ROWS] for name, values in protected.items()}
    try:
        with open_candidate(files, device="cpu") as other:
            found: dict[str, Any] = compared(model.predict(few, given), other.predict(few, given))
    except GovernError as why:
        found = {"rows": 0, "why": str(why)}
    model.device["cpu_equivalence"] = found


def compared(
    one: tuple[np.ndarray, np.ndarray], two: tuple[np.ndarray, np.ndarray]
) -> dict[str, Any]:
    """Return how far two devices' labels and scores [n] lie apart."""
    gap = np.abs(one[1].astype(float) - two[1].astype(float))
    return {
        "rows": len(gap),
        "labels_changed": int((one[0] != two[0]).sum()),
        "max_abs_score_difference": float(gap.max(initial=0.0)),
    }
