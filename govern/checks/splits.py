"""What lies between tables: the same rows twice, drift, base rates, and what leaks.

Limits are conventions, not law: a population stability index of 0.1 asks for a look and 0.25
means another population (Siddiqi, 2006), a Kolmogorov-Smirnov distance of 0.1 is one tenth of
the people elsewhere. One feature that alone orders the outcome almost perfectly (area 0.99) is
more often a leak than a discovery.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from govern.checks import group_scores, intervals

PSI_LOOK, PSI_OTHER = 0.1, 0.25
KS_MAX = 0.1
BINS = 10
LEAK_AREA = 0.99
SENTINEL_SHARE = 0.002
SENTINEL_ROWS = 5
SENTINEL_DISTANCE = 2.0
FLOOR_SHARE = 1e-4


@dataclass(frozen=True)
class Part:
    """Another table of the same kind: training, validation, recent traffic.

    Args:
        features: rows [n, features].
        labels: as in the test table [n]; None where nobody knows them yet.
        subjects: subject id by row, text; None where there is none.
    """

    features: pd.DataFrame
    labels: np.ndarray | None = None
    subjects: pd.Series | None = None


def overlap(part: Part, features: pd.DataFrame, subjects: pd.Series | None) -> dict[str, Any]:
    """Count test rows whose inputs, and test subjects whose ids, are in the part as well.

    A row that is all missing is nobody's double.
    """
    names = [name for name in features.columns if name in part.features]
    known = features[names].notna().any(axis=1).to_numpy()
    theirs = set(pd.util.hash_pandas_object(part.features[names], index=False).to_numpy().tolist())
    ours = pd.util.hash_pandas_object(features[names], index=False).to_numpy()
    found = np.array([value in theirs for value in ours.tolist()], bool) & known
    shared = None
    if subjects is not None and part.subjects is not None:
        shared = len(set(subjects.astype(str)) & set(part.subjects.astype(str)))
    return {"rows": int(found.sum()), "share": float(found.mean()), "subjects": shared}


def drift(reference: pd.DataFrame, current: pd.DataFrame) -> list[dict[str, Any]]:
    """Return PSI and KS distance of each common feature, the widest first; missing is a bin."""
    rows = []
    for name in current.columns:
        if name in reference:
            one, two = (table[name].to_numpy(dtype=float) for table in (reference, current))
            rows.append({"feature": str(name), "psi": psi(one, two), "ks": ks(one, two)})
    return sorted(rows, key=lambda row: -row["psi"])


def psi(reference: np.ndarray, current: np.ndarray) -> float:
    """Return the population stability index over tenths of the reference and missing.

    Args:
        reference: float [n], NaN is missing.
        current: float [m].
    """
    known = reference[np.isfinite(reference)]
    edges = np.empty(0)
    if len(known):
        edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1]))
    shares = []
    for values in (reference, current):
        missing = ~np.isfinite(values)
        place = np.where(missing, len(edges) + 1, np.digitize(np.where(missing, 0, values), edges))
        counts = np.bincount(place, minlength=len(edges) + 2)
        shares.append(np.maximum(counts / max(1, len(values)), FLOOR_SHARE))
    return float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())


def ks(one: np.ndarray, two: np.ndarray) -> float | None:
    """Return the Kolmogorov-Smirnov distance of the known values; None where there are none."""
    first, second = (np.sort(values[np.isfinite(values)]) for values in (one, two))
    if not len(first) or not len(second):
        return None
    both = np.concatenate([first, second])
    return float(
        np.abs(
            np.searchsorted(first, both, side="right") / len(first)
            - np.searchsorted(second, both, side="right") / len(second)
        ).max()
    )


def base_rates(parts: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """Return n and the mean label of each table, with Wilson's interval where it is a share."""
    rows = []
    for name, labels in parts.items():
        share = bool(np.isin(labels, (0, 1)).all())
        row: dict[str, Any] = {"table": name, "n": len(labels), "mean": float(labels.mean())}
        if share:
            row["low"], row["high"] = intervals.wilson(float(labels.sum()), len(labels))
        rows.append(row)
    return rows


def leaks(features: pd.DataFrame, labels: np.ndarray) -> list[dict[str, Any]]:
    """Return features that alone order the outcome: area, or rank correlation, over the limit."""
    binary = bool(np.isin(labels, (0, 1)).all())
    found = []
    for name in features.columns:
        values = features[name].to_numpy(dtype=float)
        known = np.isfinite(values)
        strength = _strength(values[known], labels[known], binary)
        if strength is not None and strength >= LEAK_AREA:
            found.append({"feature": str(name), "strength": strength})
    return found


def _strength(values: np.ndarray, labels: np.ndarray, binary: bool) -> float | None:
    if len(values) < 2 or values.min() == values.max() or labels.min() == labels.max():
        return None
    if binary:
        area = group_scores.auc(labels, values)["value"]
        return None if area is None else max(area, 1 - area)
    ranks = (group_scores.midranks(values), group_scores.midranks(labels))
    return float(abs(np.corrcoef(*ranks)[0, 1]))


def sentinels(features: pd.DataFrame) -> list[dict[str, Any]]:
    """Return extreme values that many rows share, far from all others: such as 999 or -1.

    Far is twice the spread of the other values' middle 98 %; many is 0.2 % and five rows.
    """
    found = []
    for name in features.columns:
        values = features[name].to_numpy(dtype=float)
        values = values[np.isfinite(values)]
        for extreme in {values.min(), values.max()} if len(values) else ():
            count, rest = int((values == extreme).sum()), values[values != extreme]
            if count < max(SENTINEL_ROWS, SENTINEL_SHARE * len(values)) or len(np.unique(rest)) < 3:
                continue
            low, high = np.quantile(rest, [0.01, 0.99])
            if np.abs(rest - extreme).min() > SENTINEL_DISTANCE * (high - low):
                found.append({"column": str(name), "value": float(extreme), "count": count})
    return found


def constant(features: pd.DataFrame) -> list[str]:
    """Return features that have one value, or none, in all rows."""
    return [str(name) for name in features.columns if features[name].nunique(dropna=False) < 2]
