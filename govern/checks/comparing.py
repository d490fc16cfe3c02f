"""Compare the rates of groups: ratios and differences with intervals, tests, and flips.

An interval belongs to two groups named before it is drawn. The smallest of many ratios is
smaller than any of them by chance, and the percentile interval of min over max covers only
84 % at sixty people; so the pair is fixed, its interval is the bootstrap's, log-Wald (Katz
et al., 1978) or Newcombe's (1998), and what chance alone does to the worst of several groups is stated
beside it (``false_alarm``).
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np

from govern.checks import intervals
from govern.checks.counts import SELECTION, Rate

Z_LIMIT = 1.96
PAIRS_MAX = 60
FALSE_ALARM_DRAWS = 4000


def extremes(rates: np.ndarray) -> tuple[int, int] | None:
    """Return places of the lowest and the highest rate, or None where two cannot be named."""
    known = np.flatnonzero(np.isfinite(rates))
    if len(known) < 2:
        return None
    ordered = known[np.argsort(rates[known], kind="stable")]
    return int(ordered[0]), int(ordered[-1])


def ratio(names: tuple[str, ...], table: np.ndarray, drawn: np.ndarray) -> dict[str, Any]:
    """Return lowest over highest selection rate, with two intervals for that fixed pair.

    Args:
        names: groups.
        table: int64 [groups, 4].
        drawn: resampled tables [draws, groups, 4].
    """
    found = extremes(SELECTION.of(table))
    if found is None:
        return _nothing("ratio")
    worst, best = found
    k, n = SELECTION.counts(table)
    wald = intervals.log_ratio(k[worst], n[worst], k[best], n[best])
    rates = SELECTION.of(drawn)
    with np.errstate(invalid="ignore", divide="ignore"):
        resampled = intervals.percentile_interval(rates[:, worst] / rates[:, best])
    varies = 0 < k[worst] < n[worst] or 0 < k[best] < n[best]
    low, high = resampled if varies and k[worst] else wald
    return {
        "value": (k[worst] / n[worst]) / (k[best] / n[best]) if k[best] else None,
        "low": low,
        "high": high,
        "group": names[worst],
        "reference": names[best],
        "method": f"multinomial bootstrap, {len(drawn)} draws, percentile, pair fixed"
        if varies and k[worst]
        else "log-Wald + 0.5, pair fixed (Katz et al., 1978)",
        "wald_low": wald[0],
        "wald_high": wald[1],
    }


def spread(names: tuple[str, ...], table: np.ndarray, rate: Rate = SELECTION) -> dict[str, Any]:
    """Return highest minus lowest rate with Newcombe's interval for that fixed pair."""
    found = extremes(rate.of(table))
    if found is None:
        return _nothing("difference")
    worst, best = found
    k, n = rate.counts(table)
    low, high = intervals.difference(k[best], n[best], k[worst], n[worst])
    return {
        "value": float(k[best] / n[best] - k[worst] / n[worst]),
        "low": low,
        "high": high,
        "group": names[worst],
        "reference": names[best],
        "n": int(n[worst]),
        "n_reference": int(n[best]),
        "method": "Newcombe hybrid score, pair fixed (1998, method 10)",
    }


def _nothing(form: str) -> dict[str, Any]:
    return {
        "value": None,
        "low": None,
        "high": None,
        "group": None,
        "reference": None,
        "method": f"no {form}: fewer than two groups have anybody in the denominator",
    }


def against_best(
    names: tuple[str, ...], table: np.ndarray, ratio_min: float
) -> list[dict[str, Any]]:
    """Compare every group with the one that is selected most often, Holm-adjusted."""
    found = extremes(SELECTION.of(table))
    if found is None:
        return []
    best = found[1]
    others = [at for at in range(len(names)) if at != best and table[at].sum()]
    rows = [pair(names, table, at, best, ratio_min) for at in others]
    return [_with_fisher(row) for row in _adjusted(rows)]


def pairwise(names: tuple[str, ...], table: np.ndarray, ratio_min: float) -> dict[str, Any]:
    """Compare every two groups; of many pairs the ``PAIRS_MAX`` least equal are kept."""
    known = [at for at in range(len(names)) if table[at].sum()]
    rates = SELECTION.of(table)
    rows = []
    for one, two in combinations(known, 2):
        low, high = (one, two) if rates[one] <= rates[two] else (two, one)
        rows.append(pair(names, table, low, high, ratio_min))
    rows = _adjusted(rows)
    rows.sort(key=lambda row: (row["ratio"] is None, row["ratio"] or 0.0))
    return {"pairs": len(rows), "least_equal": [_with_fisher(row) for row in rows[:PAIRS_MAX]]}


def _adjusted(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    chances = intervals.holm(np.array([row["z_p"] for row in rows]))
    return [
        {**row, "holm_p": float(p), "significant_holm": bool(p < 0.05)}
        for row, p in zip(rows, chances, strict=True)
    ]


def pair(
    names: tuple[str, ...], table: np.ndarray, place: int, reference: int, ratio_min: float
) -> dict[str, Any]:
    """Compare the selection of two groups in every form but Fisher's test, which is slow."""
    selected, sizes = SELECTION.counts(table[[place, reference]])
    (k1, k2), (n1, n2) = selected, sizes
    z = intervals.pooled_z(k1, n1, k2, n2)
    ratio_low, ratio_high = intervals.log_ratio(k1, n1, k2, n2)
    low, high = intervals.difference(k1, n1, k2, n2)
    return {
        "group": names[place],
        "reference": names[reference],
        "n": n1,
        "n_reference": n2,
        "selected": k1,
        "selected_reference": k2,
        "ratio": (k1 / n1) / (k2 / n2) if k2 else None,
        "ratio_low": ratio_low,
        "ratio_high": ratio_high,
        "difference": k1 / n1 - k2 / n2,
        "difference_low": low,
        "difference_high": high,
        "z": z,
        "z_p": math.erfc(abs(z) / math.sqrt(2)),
        "significant": abs(z) >= Z_LIMIT,
        "flips_to_reach": intervals.flips_to_reach(k1, n1, k2 / n2, ratio_min),
        "flips_to_reverse": intervals.flips_to_reverse(k1, n1, k2 / n2, ratio_min),
        "shortfall": max(0.0, n1 * k2 / n2 - k1),
    }


def _with_fisher(row: dict[str, Any]) -> dict[str, Any]:
    """Return a comparison with the p value of Fisher's exact test."""
    from scipy.stats import fisher_exact

    table = [
        [row["selected"], row["n"] - row["selected"]],
        [row["selected_reference"], row["n_reference"] - row["selected_reference"]],
    ]
    return {**row, "fisher_p": float(fisher_exact(table)[1])}


def to_overall(
    names: tuple[str, ...], table: np.ndarray, drawn: np.ndarray
) -> list[dict[str, Any]]:
    """Compare each group with everybody of a known group; bootstrap intervals."""
    rates, whole = SELECTION.of(table), SELECTION.of(table.sum(0))
    drawn_rates, drawn_whole = SELECTION.of(drawn), SELECTION.of(drawn.sum(1))
    rows = []
    for at, name in enumerate(names):
        with np.errstate(invalid="ignore", divide="ignore"):
            low, high = intervals.percentile_interval(drawn_rates[:, at] / drawn_whole)
        known = bool(np.isfinite(rates[at]) and whole > 0)
        rows.append(
            {
                "group": name,
                "overall": float(whole),
                "ratio": float(rates[at] / whole) if known else None,
                "ratio_low": low,
                "ratio_high": high,
                "difference": float(rates[at] - whole) if known else None,
            }
        )
    return rows


def false_alarm(table: np.ndarray, ratio_min: float, seed: int) -> dict[str, Any]:
    """Return how often the worst group would fall below ``ratio_min`` were all equal.

    Every group is given the pooled rate and its own size; the lowest over the highest of
    the drawn rates is compared with the threshold, as a rule about the worst group does.
    """
    k, n = SELECTION.counts(table)
    sizes = n[n > 0].astype(int)
    if len(sizes) < 2:
        return {"chance": None, "groups": len(sizes), "draws": 0}
    pooled = k.sum() / n.sum()
    generator = np.random.default_rng(seed)
    rates = generator.binomial(sizes, pooled, (FALSE_ALARM_DRAWS, len(sizes))) / sizes
    with np.errstate(invalid="ignore", divide="ignore"):
        worst = rates.min(1) / rates.max(1)
    return {
        "chance": float(np.mean(worst < ratio_min)),
        "groups": len(sizes),
        "draws": FALSE_ALARM_DRAWS,
        "says": "how often the lowest rate would be under the threshold times the highest, "
        "were all groups alike",
    }


def unknown_bounds(
    unknown: np.ndarray, names: tuple[str, ...], table: np.ndarray
) -> dict[str, Any]:
    """Bound the ratio of the worst-off pair by where the people of unknown group belong.

    Their answers are known, their group is not. Worst: the refused among them belong to
    the worst-off group and the selected to the best-off; best: the other way round.
    """
    count, selected = float(unknown.sum()), float(SELECTION.counts(unknown)[0])
    found = extremes(SELECTION.of(table))
    if not count or found is None:
        return {"count": count, "selected": selected, "ratio_worst": None, "ratio_best": None}
    worst, best = found
    (k, n), refused = SELECTION.counts(table), count - selected
    low = k[worst] / (n[worst] + refused)
    low /= (k[best] + selected) / (n[best] + selected)
    highest = k[best] / (n[best] + refused)
    high = (k[worst] + selected) / (n[worst] + selected) / highest if highest else None
    return {
        "count": count,
        "selected": selected,
        "group": names[worst],
        "reference": names[best],
        "ratio_worst": low,
        "ratio_best": None if high is None else min(high, 1.0),
    }
