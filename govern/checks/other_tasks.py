"""Fairness where the answer is a number, a place in a ranking, or one of several classes.

The rates of ``fairness`` belong to yes-or-no answers; these are their plain relatives:
means and errors for numbers, shares at the top and exposure for rankings (Singh and
Joachims, 2018), and one-against-the-rest for classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from govern.checks import intervals
from govern.checks.comparing import extremes
from govern.checks.counts import Groups
from govern.checks.tasks import CLASSES_MAX


def regression(truth: np.ndarray, answer: np.ndarray, groups: Groups) -> dict[str, Any]:
    """Return mean answer, mean error, mean absolute error and their spreads.

    Args:
        truth: float [n].
        answer: float [n].
        groups: who belongs where.
    """
    rows: list[dict[str, Any]] = []
    for name in groups.names:
        member = groups.member(name)
        error = answer[member] - truth[member]
        mean, low, high = intervals.wald_mean(answer[member])
        bias, bias_low, bias_high = intervals.wald_mean(error)
        rows.append(
            {
                "group": name,
                "n": int(member.sum()),
                "mean": mean,
                "mean_low": low,
                "mean_high": high,
                "error": bias,
                "error_low": bias_low,
                "error_high": bias_high,
                "mae": float(np.abs(error).mean()),
                "rmse": float(np.sqrt((error**2).mean())),
            }
        )
    names = tuple(groups.names)
    return {
        "groups": rows,
        "mean_difference": _gap(names, [row["mean"] for row in rows]),
        "error_difference": _error_gap(names, truth, answer, groups),
        "mae_difference": _gap(names, [row["mae"] for row in rows]),
    }


def _error_gap(
    names: tuple[str, ...], truth: np.ndarray, answer: np.ndarray, groups: Groups
) -> dict[str, Any]:
    """Return the widest gap of mean errors with Welch's normal interval for that fixed pair."""
    errors = {name: (answer - truth)[groups.member(name)] for name in names}
    gap = _gap(names, [float(errors[name].mean()) for name in names])
    if gap["value"] is None:
        return {**gap, "low": None, "high": None}
    spread = intervals.Z95 * np.sqrt(
        sum(errors[gap[key]].var(ddof=1) / len(errors[gap[key]]) for key in ("group", "reference"))
    )
    return {**gap, "low": float(gap["value"] - spread), "high": float(gap["value"] + spread)}


def _gap(names: tuple[str, ...], values: list[float]) -> dict[str, Any]:
    array = np.asarray(values, float)
    found = extremes(array)
    if found is None:
        return {"value": None, "group": None, "reference": None}
    low, high = found
    return {
        "value": float(array[high] - array[low]),
        "group": names[low],
        "reference": names[high],
    }


def ranking(scores: np.ndarray, groups: Groups, top: int) -> dict[str, Any]:
    """Return each group's share of the first ``top`` places and of exposure.

    Exposure of rank r is 1 / log2(1 + r). A group's share at the top over its share of
    everybody ranked is 1 where places follow numbers.
    """
    order = np.argsort(-scores, kind="stable")
    exposure = np.empty(len(scores))
    exposure[order] = 1.0 / np.log2(2.0 + np.arange(len(scores)))
    first = np.zeros(len(scores), bool)
    first[order[:top]] = True
    known = ~groups.unknown
    rows: list[dict[str, Any]] = []
    for name in groups.names:
        member = groups.member(name)
        pool = member.sum() / known.sum()
        at_top = int((first & member).sum())
        low, high = intervals.wilson(at_top, int(member.sum()))
        rows.append(
            {
                "group": name,
                "n": int(member.sum()),
                "top": at_top,
                "rate": at_top / member.sum(),
                "rate_low": low,
                "rate_high": high,
                "top_share_over_pool": at_top / max(1, int((first & known).sum())) / pool,
                "mean_exposure": float(exposure[member].mean()),
            }
        )
    names = tuple(groups.names)
    exposures = np.array([row["mean_exposure"] for row in rows])
    found = extremes(exposures)
    return {
        "top": top,
        "groups": rows,
        "exposure_ratio": None
        if found is None
        else float(exposures[found[0]] / exposures[found[1]]),
        "rate_difference": _gap(names, [row["rate"] for row in rows]),
    }


def multiclass(truth: np.ndarray, answer: np.ndarray, groups: Groups) -> dict[str, Any]:
    """Return, class by class against the rest, rates and hits per group and their ratios.

    Args:
        truth: text or int [n].
        answer: the same form [n].
        groups: who belongs where.

    Raises:
        ValueError: more than ``CLASSES_MAX`` classes.
    """
    classes = sorted({*truth.tolist(), *answer.tolist()}, key=str)
    if len(classes) > CLASSES_MAX:
        raise ValueError(f"{len(classes)} classes; at most {CLASSES_MAX} can be compared")
    members = [groups.member(name) for name in groups.names]
    rows: list[dict[str, Any]] = []
    for one in classes:
        given, true = answer == one, truth == one
        rates = np.array([given[member].mean() if member.any() else np.nan for member in members])
        hits = np.array(
            [given[member & true].mean() if (member & true).any() else np.nan for member in members]
        )
        found = extremes(rates)
        usable = found is not None and rates[found[1]] > 0
        rows.append(
            {
                "class": str(one),
                "rates": dict(zip(groups.names, rates.tolist(), strict=True)),
                "recalls": dict(zip(groups.names, hits.tolist(), strict=True)),
                "ratio": float(rates[found[0]] / rates[found[1]]) if found and usable else None,
                "rate_difference": _gap(groups.names, rates.tolist()),
                "recall_difference": _gap(groups.names, hits.tolist()),
            }
        )
    accuracies = [float((truth[m] == answer[m]).mean()) if m.any() else np.nan for m in members]
    return {
        "classes": rows,
        "accuracy": dict(zip(groups.names, accuracies, strict=True)),
        "accuracy_difference": _gap(groups.names, accuracies),
    }
