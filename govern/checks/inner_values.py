"""Shapley values read from inside a tree ensemble or a linear model, and what they say.

They are exact for the model's own scale and cover every test row, where permutation paths cover
a sample on the score's scale. The candidate's process computes them and shap's beside them; this
side judges both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from govern.checks.counts import Groups
from govern.domain.check import Finding

ROWS_MAX = 100_000
ORACLE_ROWS = 32
ORACLE_BACKGROUND = 100
ORACLE_MAX = 1e-3
ERRORS_ALLOWED = 4.0
PAIRS_SHOWN = 8
GROUP_ROWS_MIN = 2


@dataclass(frozen=True, slots=True)
class Interactions:
    """Shapley interactions of pairs of inputs, [features, features]; each half stands once.

    Args:
        rows: how many they were read over.
        mean_abs: mean absolute value by pair, the diagonal zero.
        oracle_gap: largest difference from the oracle's, on trees weighted by their own counts.
        oracle_rows: how many rows were compared.
    """

    rows: int
    mean_abs: np.ndarray
    oracle_gap: float
    oracle_rows: int


@dataclass(frozen=True, slots=True)
class InnerValues:
    """Values [rows, features] and outputs [rows] on the model's own scale; shap's for some rows.

    Where reading every row would take too long, ``values`` and ``output`` are of the first rows.

    Args:
        method: how they were read.
        scale: what the output is, such as ``margin``.
        library: the oracle and its version.
        base: mean output over the background.
        values: [rows, features].
        output: [rows].
        ours: the first ``ORACLE_ROWS`` rows over ``ORACLE_BACKGROUND`` background rows.
        oracle: the same by the oracle.
        oracle_errors: its standard errors, zero where it is exact.
        interactions: of pairs of inputs, where they are cheap.
    """

    method: str
    scale: str
    library: str
    base: float
    values: np.ndarray
    output: np.ndarray
    ours: np.ndarray
    oracle: np.ndarray
    oracle_errors: np.ndarray
    interactions: Interactions | None = None


def measured(
    columns: list[str], found: InnerValues, groups: list[Groups], background: dict[str, Any]
) -> dict[str, Any]:
    """Return the figures of the evidence.

    Args:
        columns: names of the inputs.
        found: the values.
        groups: who belongs where, of the same rows.
        background: rows and digest of the reference rows.
    """
    spread = float(found.output.std()) or 1.0
    gap = np.abs(found.ours - found.oracle)
    beyond = np.maximum(gap - ERRORS_ALLOWED * found.oracle_errors, 0)
    miss = np.abs(found.values.sum(axis=1) + found.base - found.output)
    size = np.abs(found.values).mean(axis=0)
    return {
        "method": found.method,
        "scale": found.scale,
        "rows": len(found.output),
        "background": background,
        "base": found.base,
        "additivity_error": float(miss.max()),
        "output_spread": spread,
        "global": [
            {
                "feature": columns[at],
                "mean_abs": float(size[at]),
                "mean": float(found.values[:, at].mean()),
            }
            for at in np.argsort(-size, kind="stable")
        ],
        "gaps": [one for one in (_gap(columns, found, each) for each in groups) if one],
        "oracle": {
            "library": found.library,
            "rows": len(gap),
            "max_abs_difference": float(gap.max()),
            "mean_standard_error": float(found.oracle_errors.mean()),
            "relative_to_spread": float(beyond.max()) / spread,
        },
        "interactions": _interactions(columns, found.interactions, spread),
    }


def _interactions(
    columns: list[str], found: Interactions | None, spread: float
) -> dict[str, Any] | None:
    """Return the strongest pairs; a pair's figure is both halves together."""
    if found is None:
        return None
    first, second = np.triu_indices(len(columns), 1)
    size = found.mean_abs[first, second] + found.mean_abs[second, first]
    strongest = np.argsort(-size, kind="stable")[:PAIRS_SHOWN]
    return {
        "rows": found.rows,
        "pairs": [
            {
                "features": [columns[first[at]], columns[second[at]]],
                "mean_abs": float(size[at]),
            }
            for at in strongest
            if size[at] > 0
        ],
        "oracle": {
            "rows": found.oracle_rows,
            "max_abs_difference": found.oracle_gap,
            "relative_to_spread": found.oracle_gap / spread,
        },
    }


def _gap(columns: list[str], found: InnerValues, groups: Groups) -> dict[str, Any] | None:
    """Decompose the widest gap of mean outputs between two groups; the parts add up to it."""
    members = {name: groups.member(name) for name in groups.names}
    means = {
        name: float(found.output[who].mean())
        for name, who in members.items()
        if who.sum() >= GROUP_ROWS_MIN
    }
    if len(means) < 2:
        return None
    high, low = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
    one, two = found.values[members[high]], found.values[members[low]]
    parts = one.mean(axis=0) - two.mean(axis=0)
    order = np.argsort(-np.abs(parts), kind="stable")
    return {
        "feature": groups.name,
        "groups": [high, low],
        "n": [len(one), len(two)],
        "total": means[high] - means[low],
        "by_feature": [{"feature": columns[at], "value": float(parts[at])} for at in order],
    }


def finding(metrics: dict[str, Any]) -> Finding:
    """Say whether the values agree with the oracle, in shares of the output's spread."""
    oracle = metrics["oracle"]
    pairs = (metrics["interactions"] or {}).get("oracle", {})
    far = max(oracle["relative_to_spread"], pairs.get("relative_to_spread", 0.0))
    return Finding(
        "inner-oracle",
        "Values read from inside the model agree with shap",
        "pass" if far <= ORACLE_MAX else "uncertain",
        f"The largest difference over {oracle['rows']} rows is {far:.1e} of the spread of the "
        f"{metrics['scale']}"
        + (", beyond four standard errors of the oracle." if oracle["mean_standard_error"] else ".")
        + (f" So are interactions over {pairs['rows']} rows." if pairs else ""),
        value=far,
        threshold=ORACLE_MAX,
        unit="share of spread",
    )
