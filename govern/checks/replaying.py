"""Is a repeated answer the one that was given? Pure: arrays in, verdicts out.

``exact`` means the same label and the same bits of the score; ``close`` the same labels and
scores within the tolerance, as another batch size or device gives them; ``divergent`` anything
else. A record's verdict is its worst row's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

VERDICTS = ("exact", "close", "divergent")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer, read as rows.

    Args:
        rows: float64 [n, features], missing values as NaN.
        protected: attribute name to n category names, where the model is given them.
        labels: int64 [n].
        scores: float64 [n].
    """

    rows: np.ndarray
    protected: Mapping[str, list[str]]
    labels: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True, slots=True)
class Repeated:
    """How one record's answer came out the second time.

    Args:
        verdict: one of ``VERDICTS``.
        gap: the largest difference of a score; infinite where one is no number.
        labels_changed: rows whose label is another one.
    """

    verdict: str
    gap: float
    labels_changed: int


def compare(
    exchanges: Sequence[Exchange], labels: np.ndarray, scores: np.ndarray, tolerance: float
) -> list[Repeated]:
    """Compare answers, exchange by exchange.

    Args:
        exchanges: what was asked and answered; n rows together.
        labels: int [n], what was answered again.
        scores: float [n] of the model's own type.
        tolerance: the largest difference of a score that is ``close``.
    """
    given = joined([one.labels for one in exchanges]), joined([one.scores for one in exchanges])
    changed = given[0] != labels
    with np.errstate(invalid="ignore", over="ignore"):
        same = given[1].astype(scores.dtype) == scores
        gaps = np.abs(given[1] - scores.astype(float))
    gaps = np.where(same, 0.0, np.where(np.isfinite(gaps), gaps, np.inf))
    found, start = [], 0
    for one in exchanges:
        part = slice(start, start + len(one.rows))
        start += len(one.rows)
        found.append(_one(changed[part], same[part], gaps[part], tolerance))
    return found


def joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Return arrays one after another; one alone as it is."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _one(changed: np.ndarray, same: np.ndarray, gaps: np.ndarray, tolerance: float) -> Repeated:
    labels, gap = int(changed.sum()), float(gaps.max(initial=0.0))
    if not labels and bool(same.all()):
        return Repeated("exact", gap, 0)
    close = not labels and gap <= tolerance
    return Repeated("close" if close else "divergent", gap, labels)
