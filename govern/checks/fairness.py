"""Fairness by group, by intersection and pairwise, with intervals and tests.

Everything comes from one table of confusion counts per group, which adds up over shards.
The bootstrap draws whole tables from the multinomial distribution: the same as drawing
rows with replacement, thousands of times faster. Fairlearn's ``MetricFrame`` is computed
beside it in every run and the largest difference is part of the evidence.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from govern.checks import intervals
from govern.checks.registry import CheckData, Model, Outcome
from govern.domain.check import Finding

BOOTSTRAPS = 2000
RATIO_MIN = 0.8
TPR_DIFFERENCE_MAX = 0.05
SMALL_SHARE = 0.02
Z_LIMIT = 1.96
UNKNOWN = "unknown"


def run(model: Model, data: CheckData, seed: int, parameters: dict[str, Any]) -> Outcome:
    """Measure every sensitive feature and the intersections of two."""
    predicted, _ = model.predict(data.rows, data.protected_of(model))
    features = {name: data.sensitive[name] for name in data.sensitive}
    for one, two in combinations(list(data.sensitive), 2):
        features[f"{one} and {two}"] = _intersect(data.sensitive[one], data.sensitive[two])
    measured = {
        name: measure(data.labels, predicted, groups, seed) for name, groups in features.items()
    }
    findings = [item for name in measured for item in _findings(name, measured[name])]
    worst = min(data.sensitive, key=lambda name: measured[name]["ratio"]["value"])
    metrics = {
        "rows": len(data.labels),
        "positive": data.positive,
        "features": measured,
        "worst": {"feature": worst, **measured[worst]["ratio"]},
        "oracle": {"library": "fairlearn", **_oracle(data, predicted, measured)},
    }
    return findings, metrics


def _intersect(one: pd.Series, two: pd.Series) -> pd.Series:
    joined = one.str.cat(two, sep=", ")
    return joined.mask((one == UNKNOWN) | (two == UNKNOWN), UNKNOWN)


def count_table(labels: np.ndarray, predicted: np.ndarray, groups: pd.Series) -> pd.DataFrame:
    """Return counts per group: columns tn, fp, fn, tp. Tables of shards add up."""
    cell = 2 * labels.astype(int) + predicted.astype(int)
    counts = pd.crosstab(groups.to_numpy(), cell).reindex(columns=range(4), fill_value=0)
    return counts.set_axis(["tn", "fp", "fn", "tp"], axis=1)


def measure(
    labels: np.ndarray, predicted: np.ndarray, groups: pd.Series, seed: int
) -> dict[str, Any]:
    """Return every figure about one sensitive feature.

    Args:
        labels: int [n], 1 positive.
        predicted: int [n].
        groups: group name per row; ``unknown`` rows are counted, not guessed.
        seed: of the bootstrap.
    """
    counts = count_table(labels, predicted, groups)
    unknown = counts.loc[UNKNOWN] if UNKNOWN in counts.index else None
    known = counts.drop(index=UNKNOWN, errors="ignore")
    sizes = known.sum(axis=1)
    small = sizes < SMALL_SHARE * sizes.sum()
    kept = known[~small]
    table = kept.to_numpy()
    samples = _bootstrap(table, seed)
    rates, tprs, fprs = _rates(table), _true_positive(table), _false_positive(table)
    names = list(kept.index)
    return {
        "groups": [_group(name, known.loc[name], bool(small[name])) for name in known.index],
        "ratio": _ratio(names, rates, samples),
        "difference": _spread(names, rates, _rates(samples)),
        "tpr_difference": _spread(names, tprs, _true_positive(samples)),
        "fpr_difference": _spread(names, fprs, _false_positive(samples)),
        "equalized_odds_difference": {
            "value": float(max(np.ptp(_finite(tprs)), np.ptp(_finite(fprs))))
        },
        "comparisons": _comparisons(names, table),
        "unknown": _unknown(unknown, names, table),
        "excluded": [
            {
                "group": name,
                "n": int(sizes[name]),
                "share": float(sizes[name] / sizes.sum()),
                "reason": f"under {SMALL_SHARE:.0%} of the rows with a known group",
            }
            for name in known.index[small]
        ],
    }


def _bootstrap(table: np.ndarray, seed: int) -> np.ndarray:
    flat = table.reshape(-1)
    drawn = np.random.default_rng(seed).multinomial(flat.sum(), flat / flat.sum(), BOOTSTRAPS)
    return drawn.reshape(BOOTSTRAPS, *table.shape)


def _rates(table: np.ndarray) -> np.ndarray:
    return _share(table[..., 1] + table[..., 3], table.sum(-1))


def _true_positive(table: np.ndarray) -> np.ndarray:
    return _share(table[..., 3], table[..., 2] + table[..., 3])


def _false_positive(table: np.ndarray) -> np.ndarray:
    return _share(table[..., 1], table[..., 0] + table[..., 1])


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(whole > 0, part / whole, np.nan)


def _finite(values: np.ndarray) -> np.ndarray:
    finite = values[np.isfinite(values)]
    return finite if finite.size else np.array([np.nan])


def _group(name: str, row: pd.Series, excluded: bool) -> dict[str, Any]:
    count, selected = float(row.sum()), float(row.fp + row.tp)
    low, high = intervals.wilson(selected, count)
    positives, negatives = float(row.fn + row.tp), float(row.tn + row.fp)
    return {
        "group": name,
        "n": count,
        "selected": selected,
        "rate": selected / count,
        "rate_low": low,
        "rate_high": high,
        "tpr": row.tp / positives if positives else None,
        "fpr": row.fp / negatives if negatives else None,
        "precision": row.tp / selected if selected else None,
        "accuracy": (row.tp + row.tn) / count,
        "positives": positives,
        "negatives": negatives,
        "excluded": excluded,
    }


def _ratio(names: list[str], rates: np.ndarray, samples: np.ndarray) -> dict[str, Any]:
    drawn = _rates(samples)
    with np.errstate(invalid="ignore", divide="ignore"):
        low, high = intervals.percentile_interval(
            np.nanmin(drawn, axis=1) / np.nanmax(drawn, axis=1)
        )
    best, worst = int(np.nanargmax(rates)), int(np.nanargmin(rates))
    value = rates[worst] / rates[best] if rates[best] > 0 else None
    return {
        "value": value,
        "low": low,
        "high": high,
        "group": names[worst],
        "reference": names[best],
        "method": f"multinomial bootstrap, {BOOTSTRAPS} draws, percentile",
    }


def _spread(names: list[str], values: np.ndarray, drawn: np.ndarray) -> dict[str, Any]:
    spread = np.nanmax(drawn, axis=1) - np.nanmin(drawn, axis=1)
    low, high = intervals.percentile_interval(spread)
    best, worst = int(np.nanargmax(values)), int(np.nanargmin(values))
    return {
        "value": float(values[best] - values[worst]),
        "low": low,
        "high": high,
        "group": names[worst],
        "reference": names[best],
    }


def _comparisons(names: list[str], table: np.ndarray) -> list[dict[str, Any]]:
    """Compare every group with the one that has the highest rate."""
    rates = _rates(table)
    reference = int(np.nanargmax(rates))
    return [
        _compare(names, table, place, reference)
        for place in range(len(names))
        if place != reference
    ]


def _compare(names: list[str], table: np.ndarray, place: int, reference: int) -> dict[str, Any]:
    from scipy import stats

    (k1, n1), (k2, n2) = (
        (float(table[at][1] + table[at][3]), float(table[at].sum())) for at in (place, reference)
    )
    z = intervals.pooled_z(k1, n1, k2, n2)
    ratio_low, ratio_high = intervals.log_ratio(k1, n1, k2, n2)
    low, high = intervals.difference(k1, n1, k2, n2)
    fisher = stats.fisher_exact([[k1, n1 - k1], [k2, n2 - k2]])
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
        "z_p": float(2 * stats.norm.sf(abs(z))),
        "fisher_p": float(fisher[1]),
        "significant": abs(z) >= Z_LIMIT,
        "flips_to_reverse": intervals.flips_to_reach(k1, n1, k2 / n2, RATIO_MIN),
        "shortfall": max(0.0, n1 * k2 / n2 - k1),
    }


def _unknown(unknown: pd.Series | None, names: list[str], table: np.ndarray) -> dict[str, Any]:
    """Count unknowns; worst and best ratio were they all of the worst-off group."""
    if unknown is None:
        return {"count": 0, "ratio_worst": None, "ratio_best": None}
    count, selected = float(unknown.sum()), float(unknown.fp + unknown.tp)
    rates = _rates(table)
    worst, best = int(np.nanargmin(rates)), int(np.nanargmax(rates))
    k, n = float(table[worst][1] + table[worst][3]), float(table[worst].sum())
    return {
        "count": count,
        "selected": selected,
        "ratio_worst": (k / (n + count)) / rates[best],
        "ratio_best": min(1.0, ((k + count) / (n + count)) / rates[best]),
    }


def _findings(name: str, measured: dict[str, Any]) -> list[Finding]:
    ratio, tpr = measured["ratio"], measured["tpr_difference"]
    found = [
        Finding(
            "demographic-parity-ratio",
            f"Demographic parity ratio by {name}",
            _verdict(ratio["value"], ratio["low"], RATIO_MIN),
            f"{ratio['group']} are approved at {ratio['value']:.3f} of the rate of "
            f"{ratio['reference']} (95 % interval {ratio['low']:.3f} to {ratio['high']:.3f}).",
            value=float(ratio["value"]),
            low=ratio["low"],
            high=ratio["high"],
            threshold=RATIO_MIN,
            unit="ratio",
            subject=f"{name}: {ratio['group']} vs {ratio['reference']}",
        ),
        Finding(
            "true-positive-rate-difference",
            f"True positive rate difference by {name}",
            "pass" if tpr["value"] <= TPR_DIFFERENCE_MAX else "fail",
            f"The rates differ by {tpr['value']:.3f}.",
            value=tpr["value"],
            low=tpr["low"],
            high=tpr["high"],
            threshold=TPR_DIFFERENCE_MAX,
            unit="difference",
            subject=name,
        ),
    ]
    found += [_significance(name, item) for item in measured["comparisons"]]
    return found


def _verdict(value: float, low: float, threshold: float) -> str:
    if value < threshold:
        return "fail"
    return "uncertain" if low < threshold else "pass"


def _significance(name: str, item: dict[str, Any]) -> Finding:
    return Finding(
        "significance",
        f"Difference in approval by {name}",
        "uncertain" if item["significant"] else "pass",
        f"z = {item['z']:.2f}, Fisher p = {item['fisher_p']:.2g}; "
        f"{item['flips_to_reverse']} more approvals would reach four fifths.",
        value=item["difference"],
        low=item["difference_low"],
        high=item["difference_high"],
        unit="difference",
        subject=f"{name}: {item['group']} vs {item['reference']}",
        n=int(item["n"]),
    )


def _oracle(data: CheckData, predicted: np.ndarray, measured: dict[str, Any]) -> dict[str, Any]:
    """Compute selection rates with fairlearn and return the largest difference from ours."""
    from fairlearn.metrics import (
        MetricFrame,
        false_positive_rate,
        selection_rate,
        true_positive_rate,
    )

    gaps = []
    metrics = {"rate": selection_rate, "tpr": true_positive_rate, "fpr": false_positive_rate}
    for name in data.sensitive:
        frame = MetricFrame(
            metrics=metrics,
            y_true=data.labels,
            y_pred=predicted,
            sensitive_features=data.sensitive[name],
        )
        for row in measured[name]["groups"]:
            theirs = frame.by_group.loc[row["group"]]
            gaps += [
                abs(float(theirs[key]) - float(row[key])) for key in metrics if row[key] is not None
            ]
    return {"max_abs_difference": max(gaps), "figures": len(gaps)}
