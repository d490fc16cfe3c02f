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
GROUP_ROWS_MIN = 2


@dataclass(frozen=True, slots=True)
class InnerValues:
    """Values [rows, features] and outputs [rows] on the model's own scale; shap's for some rows.

    Args:
        method: how they were read.
        scale: what the output is, such as ``margin``.
        library: the oracle and its version.
        base: mean output over the background.
        values: [rows, features].
        output: [rows].
        ours: the first ``ORACLE_ROWS`` rows over ``ORACLE_BACKGROUND`` background rows.
        oracle: the same by the oracle.
    """

    method: str
    scale: str
    library: str
    base: float
    values: np.ndarray
    output: np.ndarray
    ours: np.ndarray
    oracle: np.ndarray


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
            "relative_to_spread": float(gap.max()) / spread,
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
    far = oracle["relative_to_spread"]
    return Finding(
        "inner-oracle",
        "Values read from inside the model agree with shap",
        "pass" if far <= ORACLE_MAX else "uncertain",
        f"The largest difference over {oracle['rows']} rows is {far:.1e} of the spread of the "
        f"{metrics['scale']}.",
        value=far,
        threshold=ORACLE_MAX,
        unit="share of spread",
    )
