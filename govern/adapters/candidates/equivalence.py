"""What the CPU answers in float32 to the rows that a candidate answered elsewhere, or rounded.

The same comparison serves both: another device, and another precision on the same one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from govern.adapters.candidates.opening import open_candidate
from govern.errors import GovernError

SAMPLE_ROWS = 256


def with_equivalence(
    model: Any,
    files: Callable[[], Mapping[str, bytes]],
    rows: np.ndarray,
    protected: Mapping[str, Any],
) -> None:
    """Add to a candidate's device evidence what the CPU answers to a sample in float32.

    Args:
        model: an open candidate; nothing is done where it runs on the CPU unrounded, or was
            compared before.
        files: returns its folder, by file name.
        rows: float64 [n, features].
        protected: attributes by name [n].
    """
    rounded = model.device.get("precision") == "bfloat16"
    elsewhere = model.device.get("kind") == "cuda"
    if not (rounded or elsewhere) or "cpu_equivalence" in model.device:
        return
    few = rows[:SAMPLE_ROWS]
    given = {name: values[:SAMPLE_ROWS] for name, values in protected.items()}
    try:
        with open_candidate(files(), device="cpu", precision="float32") as other:
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
        "rms_score_difference": float(np.sqrt(np.mean(gap**2))) if len(gap) else 0.0,
    }
