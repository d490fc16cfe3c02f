"""What a candidate gave back, judged before a check believes it: numbers of the right shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from govern.adapters.candidates.frames import Frame
from govern.checks.inner_values import ORACLE_ROWS, InnerValues, Interactions
from govern.checks.shapley import Attributions
from govern.checks.tasks import BINARY, Task
from govern.errors import CandidateError


def judged(
    labels: Any, scores: Any, count: int, task: Task = BINARY
) -> tuple[np.ndarray, np.ndarray]:
    """Return an answer that checks may believe.

    Args:
        labels: what should be 0 or 1, or a class's place, [n].
        scores: what should be shares from 0 to 1, or numbers where the task is one, [n].
        count: n.
        task: what the card declares.

    Raises:
        CandidateError: it is no answer; the sentence says what it is.
    """
    for name, array in (("labels", labels), ("scores", scores)):
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
            raise CandidateError(f"the candidate gave no numbers as {name}")
        if array.shape != (count,):
            raise CandidateError(
                f"the candidate gave {name} of shape {array.shape} for {count} rows; "
                f"one number a row is expected"
            )
        missing = int(np.isnan(array).sum()) if array.dtype.kind == "f" else 0
        if missing:
            raise CandidateError(
                f"the candidate gave no number (NaN) as {name} for {missing} of {count} rows"
            )
    if task.is_number:
        return _numbers(scores)
    if not np.isin(labels, np.arange(max(2, len(task.classes)))).all():
        known = f"places of its {len(task.classes)} classes" if task.classes else "0 and 1"
        raise CandidateError(f"the candidate gave labels other than {known}")
    if count and not ((scores >= 0) & (scores <= 1.00001)).all():
        raise CandidateError(
            f"the candidate gave scores from {scores.min():.3g} to {scores.max():.3g}, which are "
            "not shares from 0 to 1; if they are logits, export the model with its sigmoid"
        )
    return labels.astype(np.int64), scores.astype(np.float32)


def inner_values(answer: Frame, shape: tuple[int, ...]) -> InnerValues:
    """Return an explanation that checks may believe.

    Args:
        answer: the process's answer.
        shape: of the rows that were asked.

    Raises:
        CandidateError: an array of it has another shape, or holds no numbers.
    """
    given = answer.arrays.get("values")
    told = len(given) if given is not None and given.ndim else 0
    few = (min(shape[0], ORACLE_ROWS), shape[1])
    rows = told if few[0] <= told <= shape[0] else shape[0]
    expected = {
        "values": (rows, shape[1]), "output": (rows,), "ours": few, "oracle": few,
        "oracle_errors": few,
    }  # fmt: skip
    if "pairs" in answer.header:
        expected["pairs"] = (shape[1], shape[1])
    found = _arrays(answer, expected)
    method, scale, library = (
        str(answer.header.get(name, ""))[:80] for name in ("method", "scale", "library")
    )
    base = float(answer.header.get("base", np.nan))
    pairs = found.pop("pairs", None)
    interactions = None if pairs is None else _pairs(answer.header["pairs"], pairs)
    return InnerValues(method, scale, library, base, **found, interactions=interactions)


def _pairs(told: Any, mean_abs: np.ndarray) -> Interactions:
    try:
        rows, gap, compared = int(told[0]), float(told[1]), int(told[2])
    except (TypeError, ValueError, IndexError, OverflowError):
        raise CandidateError("the candidate gave interactions without their rows") from None
    return Interactions(rows, np.abs(mean_abs), gap, compared)


def attributions(answer: Frame, shape: tuple[int, ...]) -> Attributions:
    """Return values by paths that checks may believe: they add up, which the check judges.

    Args:
        answer: the process's answer.
        shape: of the rows that were asked.

    Raises:
        CandidateError: an array of it has another shape, or holds no numbers.
    """
    found = _arrays(answer, {"values": shape, "errors": shape, "output": shape[:1]})
    try:
        base, evaluations = float(answer.header["base"]), int(answer.header["evaluations"])
    except (KeyError, TypeError, ValueError, OverflowError):
        raise CandidateError("the candidate gave values without their base") from None
    return Attributions(found["values"], found["errors"], base, found["output"], evaluations)


def _arrays(answer: Frame, expected: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Return an explanation's arrays as float64, each of its shape and of numbers."""
    found = {}
    for name, wanted in expected.items():
        array = answer.arrays.get(name)
        if array is None or array.shape != wanted or array.dtype.kind != "f":
            raise CandidateError(f"the candidate gave no {name} of shape {wanted} to explain with")
        if not np.isfinite(array).all():
            raise CandidateError(f"the candidate gave {name} that are no numbers")
        found[name] = array.astype(np.float64)
    return found


def _numbers(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    endless = int((~np.isfinite(scores)).sum())
    if endless:
        raise CandidateError(f"the candidate gave infinite scores for {endless} rows")
    return np.zeros(len(scores), np.int64), scores.astype(np.float64)
