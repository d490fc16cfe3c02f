"""What the CPU answers to the rows that a CUDA candidate answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from govern.adapters.candidates.opening import open_candidate
from govern.errors import GovernError

SAMPLE_ROWS = 256


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
