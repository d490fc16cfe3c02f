"""What a model's live answers say, beside what was approved. Pure: arrays in, figures out.

Every share carries an interval that holds at every look at once (``sequential.py``), alpha
divided evenly among all that are looked at (Bonferroni), so that the chance that any of them
ever misses is alpha. What was approved was measured once, so it has a fixed-sample interval.

Scores are compared at the tenths of the approved scores: the largest gap between the two
distribution functions there (Kolmogorov-Smirnov), with an interval from those of its shares.
Population stability indices come without an interval, for people who are used to them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from govern.checks import intervals
from govern.checks.sequential import Share, share_sequence
from govern.checks.splits import psi

TENTHS = np.linspace(0, 1, 11)[1:-1]
GROUP_ROWS_MIN = 30


@dataclass(frozen=True, slots=True)
class Answers:
    """Rows and what was answered to them.

    Args:
        rows: float64 [n, features], missing values as NaN.
        labels: int64 [n], 1 is the favourable outcome.
        scores: float64 [n].
    """

    rows: np.ndarray
    labels: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True, slots=True)
class Known:
    """What came to be known later of the same rows.

    Args:
        outcomes: int64 [n], 1 or 0, and -1 where it is not known.
        groups: attribute to group name by row, text [n]; empty where it is not known.
    """

    outcomes: np.ndarray
    groups: Mapping[str, np.ndarray] = field(default_factory=dict)


def measure(
    approved: Answers, live: Answers, columns: Sequence[str], known: Known, alpha: float
) -> dict[str, Any]:
    """Return every figure of a deployment's answers since it was admitted.

    Args:
        approved: the evaluation's rows, and what the model answers to them.
        live: what callers asked and were answered, oldest first.
        columns: names of the features.
        known: outcomes and groups of the live rows, as far as they are known.
        alpha: the chance that any interval here ever misses.
    """
    groups = {name: np.unique(values[values != ""]) for name, values in known.groups.items()}
    looked_at = 3 + len(TENTHS) + len(columns) + 2 * sum(map(len, groups.values()))
    part = alpha / looked_at
    return {
        "rows": len(live.labels),
        "alpha": alpha,
        "intervals": looked_at,
        "selection": _selection(approved, live, part),
        "scores": _scores(approved.scores, live.scores, part),
        "inputs": _inputs(approved.rows, live.rows, columns, part),
        "performance": _performance(live, known.outcomes, part),
        "fairness": [
            _fairness(live, known, name, groups[name].tolist(), part) for name in sorted(groups)
        ],
    }


def _share(values: np.ndarray, alpha: float) -> Share:
    return share_sequence(int(values.sum()), len(values), alpha)


def _selection(approved: Answers, live: Answers, alpha: float) -> dict[str, Any]:
    """Return the selection rate, the approved one, and how far they are apart at least."""
    rate, before = _share(live.labels == 1, alpha), (approved.labels == 1)
    low, high = intervals.wilson(float(before.sum()), len(before))
    return {
        **rate.to_json(),
        "approved": {"value": float(before.mean()), "low": low, "high": high, "n": len(before)},
        "change_at_least": _apart(rate.low, rate.high, low, high),
    }


def _apart(low: float, high: float, other_low: float, other_high: float) -> float:
    return max(0.0, low - other_high, other_low - high)


def _scores(approved: np.ndarray, live: np.ndarray, alpha: float) -> dict[str, Any]:
    edges = np.unique(np.quantile(approved, TENTHS))
    slack = float(np.sqrt(np.log(2 / alpha) / (2 * len(approved))))  # Massart 1990
    values, lows, highs = [0.0], [0.0], [0.0]
    for edge in edges:
        share, before = _share(live <= edge, alpha), float((approved <= edge).mean())
        values.append(abs((share.value or before) - before) if share.n else 0.0)
        lows.append(_apart(share.low, share.high, before - slack, before + slack))
        highs.append(max(share.high - before, before - share.low) + slack)
    return {
        "ks": {"value": max(values), "low": max(lows), "high": min(1.0, max(highs))},
        "psi": psi(approved, live) if len(live) else 0.0,
    }


def _inputs(
    approved: np.ndarray, live: np.ndarray, columns: Sequence[str], alpha: float
) -> dict[str, Any]:
    rows = [
        _input(name, approved[:, place], live[:, place], alpha)
        for place, name in enumerate(columns)
    ]
    return {
        "features": rows,
        "psi_max": max((row["psi"] for row in rows), default=0.0),
        "missing_more_by_at_least": max(
            (row["missing_more_by_at_least"] for row in rows), default=0.0
        ),
    }


def _input(name: str, approved: np.ndarray, live: np.ndarray, alpha: float) -> dict[str, Any]:
    share, before = _share(np.isnan(live), alpha), np.isnan(approved)
    most = intervals.wilson(float(before.sum()), len(before))[1]
    return {
        "feature": name,
        "psi": psi(approved, live) if len(live) else 0.0,
        "missing": {**share.to_json(), "approved": float(before.mean())},
        "missing_more_by_at_least": max(0.0, share.low - most),
    }


def _performance(live: Answers, outcomes: np.ndarray, alpha: float) -> dict[str, Any]:
    told = outcomes >= 0
    return {"accuracy": _share(live.labels[told] == outcomes[told], alpha).to_json()}


def _fairness(
    live: Answers, known: Known, name: str, groups: Sequence[str], alpha: float
) -> dict[str, Any]:
    values = known.groups[name]
    rows = [_group(live, known.outcomes, values == group, group, alpha) for group in groups]
    judged = [row for row in rows if not row["excluded"]]
    return {
        "attribute": name,
        "unknown": int((values == "").sum()),
        "groups": rows,
        "ratio": ratio([row["selection"] for row in judged]),
        "true_positive_ratio": ratio([row["true_positive"] for row in judged]),
    }


def _group(
    live: Answers, outcomes: np.ndarray, mine: np.ndarray, group: str, alpha: float
) -> dict[str, Any]:
    selected, positive = live.labels[mine] == 1, live.labels[mine & (outcomes == 1)] == 1
    return {
        "group": group,
        "n": int(mine.sum()),
        "excluded": int(mine.sum()) < GROUP_ROWS_MIN,
        "selection": _share(selected, alpha).to_json(),
        "true_positive": _share(positive, alpha).to_json(),
    }


def ratio(shares: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Return the lowest share over the highest, with the interval that theirs give.

    All intervals hold at once, so the ratio of the lowest lower end and the highest upper end
    bounds it from below, and that of the lowest upper and the highest lower end from above.
    """
    known = [share for share in shares if share["n"]]
    if len(known) < 2:
        return {"value": None, "low": 0.0, "high": 1.0}
    values, lows, highs = (
        [float(share[end]) for share in known] for end in ("value", "low", "high")
    )
    return {
        "value": min(values) / max(values) if max(values) else None,
        "low": min(lows) / max(highs),
        "high": min(1.0, min(highs) / max(lows)) if max(lows) else 1.0,
    }
