"""Fairness by group, by intersection and pairwise, with intervals and tests.

Everything about yes-or-no answers comes from one table of confusion counts per group
(``counts``), which adds up over shards. Fairlearn's ``MetricFrame`` is computed beside it
in every run and the largest difference is part of the evidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from govern.checks import comparing, group_scores, intervals, strata
from govern.checks.asking import ANSWERS, answers
from govern.checks.counts import (
    FPR,
    RATES,
    SELECTION,
    TPR,
    UNKNOWN,
    GroupCounts,
    Groups,
    bootstrap,
    count,
    encode,
    intersect,
)
from govern.checks.fairness_findings import Rules, findings_of
from govern.checks.pieces import Parts, Piece
from govern.checks.registry import CheckData, Model, Outcome

ORACLE_ROWS = 20_000


def pieces(model: Model, data: CheckData, seed: int, parameters: Mapping[str, Any]) -> list[Piece]:
    """Return the test table, asked once."""
    return [answers(model, data)]


def run(
    model: Model, data: CheckData, seed: int, parameters: dict[str, Any], parts: Parts
) -> Outcome:
    """Measure every sensitive feature and their intersections."""
    rules = Rules.read(parameters)
    predicted, scores = parts[ANSWERS]["labels"], parts[ANSWERS]["scores"]
    singles = [encode(name, data.sensitive[name]) for name in data.sensitive]
    measured = {
        groups.name: measure_groups(data.labels, predicted, groups, seed, rules)
        for groups in [*singles, *intersections(singles)]
    }
    for groups in singles:
        measured[groups.name]["scores"] = group_scores.by_group(data.labels, scores, groups)
        measured[groups.name]["strata"] = _strata(predicted, groups, measured[groups.name], data)
    findings = [item for name in measured for item in findings_of(name, measured[name], rules)]
    known = [name for name in data.sensitive if measured[name]["ratio"]["value"] is not None]
    worst = min(known, key=lambda name: measured[name]["ratio"]["value"], default=None)
    metrics = {
        "rows": len(data.labels),
        "positive": data.positive,
        "rules": asdict(rules),
        "features": measured,
        "worst": {"feature": worst, **measured[worst]["ratio"]} if worst else {"feature": None},
        "oracle": {"library": "fairlearn", **_oracle(data, predicted, seed)},
    }
    return findings, metrics


def intersections(singles: list[Groups]) -> list[Groups]:
    """Return every intersection of two features, and of all where there are more."""
    sets = [list(two) for two in combinations(singles, 2)]
    if len(singles) > 2:
        sets.append(singles)
    return [intersect(features) for features in sets]


def measure(
    labels: np.ndarray,
    predicted: np.ndarray,
    groups: pd.Series,
    seed: int,
    rules: Rules | None = None,
) -> dict[str, Any]:
    """Return every figure about one sensitive feature.

    Args:
        labels: int [n], 1 positive.
        predicted: int [n].
        groups: group name per row; ``unknown`` rows are counted, not guessed.
        seed: of the bootstrap.
        rules: declared thresholds and exclusions.
    """
    encoded = encode(str(groups.name or "group"), groups)
    return measure_groups(labels, predicted, encoded, seed, rules or Rules())


def measure_groups(
    labels: np.ndarray, predicted: np.ndarray, groups: Groups, seed: int, rules: Rules
) -> dict[str, Any]:
    """Return every figure about one feature or intersection that is encoded already."""
    return measure_counts(count(labels, predicted, groups), seed, rules)


def measure_counts(counts: GroupCounts, seed: int, rules: Rules) -> dict[str, Any]:
    """Return every figure that follows from one table of counts."""
    sizes = counts.table.sum(1)
    everybody = sizes.sum() + counts.unknown.sum()
    whole = int(sizes.sum() if rules.exclusion_denominator == "known" else everybody)
    small = (sizes < rules.exclusion_share * whole) | (sizes < rules.count_min)
    names = tuple(name for name, out in zip(counts.names, small, strict=True) if not out)
    table = counts.table[~small]
    drawn = bootstrap(table, rules.bootstraps, seed)
    return {
        "groups": _groups(counts, small),
        "ratio": comparing.ratio(names, table, drawn),
        "difference": comparing.spread(names, table),
        **{f"{r.name}_difference": comparing.spread(names, table, r) for r in RATES[1:]},
        "equalized_odds_difference": _equalized_odds(table, drawn),
        "comparisons": comparing.against_best(names, table, rules.ratio_min),
        "pairwise": comparing.pairwise(names, table, rules.ratio_min),
        "to_overall": comparing.to_overall(names, table, drawn),
        "false_alarm": comparing.false_alarm(table, rules.ratio_min, seed),
        "unknown": comparing.unknown_bounds(counts.unknown, names, table),
        "excluded": _excluded(counts, small, whole, rules),
    }


def _groups(counts: GroupCounts, small: np.ndarray) -> list[dict[str, Any]]:
    return [
        _group(name, row, bool(out))
        for name, row, out in zip(counts.names, counts.table, small, strict=True)
    ]


def _group(name: str, row: np.ndarray, excluded: bool) -> dict[str, Any]:
    size = float(row.sum())
    selected = float(SELECTION.counts(row)[0])
    positives, negatives = float(TPR.counts(row)[1]), float(FPR.counts(row)[1])
    found: dict[str, Any] = {"group": name, "n": size, "selected": selected}
    found["rate"] = selected / size if size else None
    found["rate_low"], found["rate_high"] = intervals.wilson(selected, size)
    for rate in RATES[1:]:
        part, whole = (float(value) for value in rate.counts(row))
        found[rate.name] = part / whole if whole else None
        found[f"{rate.name}_low"], found[f"{rate.name}_high"] = intervals.wilson(part, whole)
    return {**found, "positives": positives, "negatives": negatives, "excluded": excluded}


def _excluded(
    counts: GroupCounts, small: np.ndarray, whole: int, rules: Rules
) -> list[dict[str, Any]]:
    sizes = counts.table.sum(1)
    what = "rows with a known group" if rules.exclusion_denominator == "known" else "all rows"
    return [
        {
            "group": name,
            "n": int(size),
            "share": float(size / whole) if whole else None,
            "denominator": whole,
            "reason": f"under {rules.count_min} people"
            if size < rules.count_min
            else f"under {rules.exclusion_share:.0%} of {what}",
        }
        for name, size, out in zip(counts.names, sizes, small, strict=True)
        if out
    ]


def _equalized_odds(table: np.ndarray, drawn: np.ndarray) -> dict[str, Any]:
    """The larger of two spreads: of true positive rates and of false positive rates."""
    spreads = []
    for tables in (table[None], drawn):
        both = []
        for rate in (TPR, FPR):
            values = rate.of(tables)
            ok = np.isfinite(values)
            enough = ok.sum(1) > 1
            top = np.where(ok, values, -np.inf).max(1, initial=-np.inf)
            bottom = np.where(ok, values, np.inf).min(1, initial=np.inf)
            gap = np.full(len(values), np.nan)
            np.subtract(top, bottom, out=gap, where=enough)
            both.append(gap)
        spreads.append(np.fmax(*both))
    low, high = intervals.percentile_interval(spreads[1])
    value = float(spreads[0][0])
    return {
        "value": value if np.isfinite(value) else None,
        "low": low,
        "high": high,
        "method": "percentile of the worst spread; it cannot cover zero",
    }


def _strata(
    predicted: np.ndarray, groups: Groups, measured: dict[str, Any], data: CheckData
) -> list[dict[str, Any]]:
    """Look at the worst-off pair of a feature inside every declared stratum."""
    pair = measured["ratio"]
    if data.strata is None or pair["group"] is None:
        return []
    member, reference = groups.member(pair["group"]), groups.member(pair["reference"])
    return [
        {
            "variable": name,
            "group": pair["group"],
            "reference": pair["reference"],
            **strata.simpson(
                predicted.astype(bool), member, reference, data.strata[name].astype(str).to_numpy()
            ),
        }
        for name in data.strata
    ]


def _oracle(data: CheckData, predicted: np.ndarray, seed: int) -> dict[str, Any]:
    """Count up to ``ORACLE_ROWS`` rows with fairlearn; return the largest difference from ours."""
    from fairlearn.metrics import (
        MetricFrame,
        false_positive_rate,
        selection_rate,
        true_positive_rate,
    )

    size = len(predicted)
    drawn = np.random.default_rng(seed).choice(size, min(size, ORACLE_ROWS), replace=False)
    labels, answers = data.labels[drawn], predicted[drawn]
    theirs = {"rate": selection_rate, "tpr": true_positive_rate, "fpr": false_positive_rate}
    gaps = [0.0]
    for name in data.sensitive:
        groups = data.sensitive[name].iloc[drawn].fillna(UNKNOWN).astype(str).to_numpy()
        frame = MetricFrame(
            metrics=theirs, y_true=labels, y_pred=answers, sensitive_features=groups
        )
        counted = count(labels, answers, encode(name, pd.Series(groups)))
        for group, row in zip(counted.names, counted.table, strict=True):
            for key, rate in (("rate", SELECTION), ("tpr", TPR), ("fpr", FPR)):
                ours = float(rate.of(row))
                if np.isfinite(ours):
                    gaps.append(abs(float(frame.by_group.loc[group, key]) - ours))
    return {"max_abs_difference": max(gaps), "figures": len(gaps) - 1, "rows": len(drawn)}
