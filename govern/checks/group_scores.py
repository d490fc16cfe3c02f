"""Scores by group: shares above the median, discrimination and calibration.

The scoring rate is New York's: the share of a category strictly above the median score of
the full sample (6 RCNY 5-300). Areas under the ROC curve carry DeLong intervals (DeLong et
al., 1988) by midranks (Sun and Xu, 2014).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from govern.checks import intervals
from govern.checks.counts import Groups

BINS = 10


def above_median(scores: np.ndarray, groups: Groups) -> dict[str, Any]:
    """Return scoring rates and impact ratios per group.

    Args:
        scores: float [n], of everybody, people of unknown group included.
        groups: who belongs where.
    """
    median = float(np.median(scores))
    above = scores > median
    rows: list[dict[str, Any]] = []
    for name in groups.names:
        member = groups.member(name)
        count, passed = int(member.sum()), int(above[member].sum())
        low, high = intervals.wilson(passed, count)
        rows.append(
            {
                "group": name,
                "n": count,
                "above": passed,
                "rate": passed / count if count else None,
                "rate_low": low,
                "rate_high": high,
            }
        )
    best = max((row["rate"] for row in rows if row["rate"] is not None), default=0.0)
    for row in rows:
        usable = row["rate"] is not None and best
        row["impact_ratio"] = row["rate"] / best if usable else None
    unknown = groups.unknown
    return {
        "median": median,
        "groups": rows,
        "unknown": {"n": int(unknown.sum()), "above": int(above[unknown].sum())},
    }


def midranks(values: np.ndarray) -> np.ndarray:
    """Return average ranks from 1, ties sharing their mean."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(values), float)


def auc(labels: np.ndarray, scores: np.ndarray) -> dict[str, float | None]:
    """Return the area under the ROC curve with its DeLong interval.

    Args:
        labels: int [n], 0 or 1.
        scores: float [n].

    Returns:
        value, low, high; None each where one class is absent, bounds None under two of each.
    """
    positive, negative = scores[labels == 1], scores[labels == 0]
    m, n = len(positive), len(negative)
    if not m or not n:
        return {"value": None, "low": None, "high": None}
    both = midranks(np.concatenate([positive, negative]))
    value = (both[:m].sum() - m * (m + 1) / 2) / (m * n)
    if m < 2 or n < 2:
        return {"value": float(value), "low": None, "high": None}
    ours = (both[:m] - midranks(positive)) / n
    theirs = 1.0 - (both[m:] - midranks(negative)) / m
    spread = intervals.Z95 * math.sqrt(ours.var(ddof=1) / m + theirs.var(ddof=1) / n)
    return {
        "value": float(value),
        "low": float(max(0.0, value - spread)),
        "high": float(min(1.0, value + spread)),
    }


def calibration(labels: np.ndarray, scores: np.ndarray) -> dict[str, float | None]:
    """Return mean score, observed rate, their gap with interval, and the expected error.

    The expected calibration error is the mean gap over ten equally filled bins, weighted by
    their size (Naeini et al., 2015).
    """
    if not len(labels):
        return dict.fromkeys(("mean_score", "rate", "gap", "gap_low", "gap_high", "ece"))
    gap, low, high = intervals.wald_mean(scores - labels)
    order = np.argsort(scores, kind="stable")
    parts = [part for part in np.array_split(order, BINS) if len(part)]
    errors = [abs(scores[part].mean() - labels[part].mean()) * len(part) for part in parts]
    return {
        "mean_score": float(scores.mean()),
        "rate": float(labels.mean()),
        "gap": gap,
        "gap_low": low,
        "gap_high": high,
        "ece": float(sum(errors) / len(labels)),
    }


def by_group(labels: np.ndarray, scores: np.ndarray, groups: Groups) -> dict[str, Any]:
    """Return discrimination, calibration and scoring rates of one feature's groups."""
    rows = []
    for name in groups.names:
        member = groups.member(name)
        rows.append(
            {
                "group": name,
                "n": int(member.sum()),
                "auc": auc(labels[member], scores[member]),
                "calibration": calibration(labels[member], scores[member]),
                "distance": _distance(scores[member], scores[~member & ~groups.unknown]),
            }
        )
    return {"groups": rows, "above_median": above_median(scores, groups)}


def _distance(one: np.ndarray, other: np.ndarray) -> float | None:
    """Kolmogorov-Smirnov distance between the scores of a group and of all others."""
    if not len(one) or not len(other):
        return None
    edges = np.concatenate([one, other])
    first = np.searchsorted(np.sort(one), edges, side="right") / len(one)
    second = np.searchsorted(np.sort(other), edges, side="right") / len(other)
    return float(np.abs(first - second).max())
