"""How far an explanation can be trusted: noise, stability, faithfulness, agreement with shap.

None of these clears bias; they say whether the attributions describe this model at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from govern.checks import shapley

ORACLE_ROWS = 16
ORACLE_BACKGROUND = 25
ORACLE_PERMUTATIONS = 60
ORACLE_ROUNDS = 32
EXACT_FEATURES_MAX = 10
DELETED_ROWS = 60
RANDOM_ORDERS = 3


def noise(found: shapley.Attributions) -> float:
    """Return mean standard error over mean absolute attribution; 0 where nothing matters."""
    size = float(np.abs(found.values).mean())
    return float(found.errors.mean()) / size if size else 0.0


def agreement(one: np.ndarray, two: np.ndarray) -> dict[str, float | None]:
    """Compare two explanations [rows, features] of the same rows.

    Returns:
        share of rows with the same strongest feature, rank correlation of mean absolute
        attributions (None where one of them is constant), and the relative L1 distance.
    """
    from scipy.stats import rankdata

    same = np.abs(one).argmax(axis=1) == np.abs(two).argmax(axis=1)
    first, second = (rankdata(np.abs(values).mean(axis=0)) for values in (one, two))
    varies = bool(first.std() and second.std())
    size = float(np.abs(one).sum())
    return {
        "top1_same": float(same.mean()),
        "rank_rho": float(np.corrcoef(first, second)[0, 1]) if varies else None,
        "relative_l1": float(np.abs(one - two).sum()) / size if size else 0.0,
    }


def halves(background: np.ndarray, seed: int) -> list[np.ndarray]:
    """Return two disjoint halves of the background, drawn by the seed; none if it is too small."""
    order = np.random.default_rng(seed).permutation(len(background))
    half = len(background) // 2
    return [background[order[:half]], background[order[half : 2 * half]]] if half >= 2 else []


def background_stability(background: int, explained: list[np.ndarray]) -> dict[str, Any]:
    """Compare explanations of the same rows against two disjoint halves of the background.

    Args:
        background: rows of the whole background.
        explained: values [rows, features] by half; none where the background is too small.
    """
    rows = background // 2
    if not explained:
        return {"rows": rows, "top1_same": None, "rank_rho": None, "relative_l1": None}
    return {"rows": rows, **agreement(*explained)}


def deletion(
    function: shapley.Function,
    rows: np.ndarray,
    found: shapley.Attributions,
    background: np.ndarray,
    seed: int,
) -> dict[str, float]:
    """Replace features by the background's mean, strongest first, and at random.

    Returns:
        the area between the score and its start while features go, for the explanation's
        order and for random orders, and their ratio; above 1 the order means something.
    """
    rows, values = rows[:DELETED_ROWS], found.values[:DELETED_ROWS]
    filler = background.mean(axis=0)
    ours = _area(function, rows, np.argsort(-np.abs(values), axis=1), filler)
    generator = np.random.default_rng(seed)
    orders = [generator.permuted(np.argsort(values, axis=1), axis=1) for _ in range(RANDOM_ORDERS)]
    chance = float(np.mean([_area(function, rows, order, filler) for order in orders]))
    return {"area": ours, "random_area": chance, "ratio": ours / chance if chance else 1.0}


def _area(
    function: shapley.Function, rows: np.ndarray, order: np.ndarray, filler: np.ndarray
) -> float:
    place = np.argsort(order, axis=1)
    steps = np.arange(1, rows.shape[1] + 1)
    gone = place[:, None, :] < steps[None, :, None]
    walked = function(np.where(gone, filler, rows[:, None, :]).reshape(-1, rows.shape[1]))
    moved = np.abs(walked.reshape(len(rows), -1) - function(rows)[:, None])
    return float(moved.mean())


def oracle(
    explain: shapley.Explainer,
    function: shapley.Function,
    rows: np.ndarray,
    background: np.ndarray,
    seed: int,
) -> dict[str, Any]:
    """Compare with shap over the same background: exact up to ten features, else permuted.

    Args:
        explain: what explained the rows.
        function: the model's score, as shap asks it.
    """
    import shap

    rows, background = rows[:ORACLE_ROWS], background[:ORACLE_BACKGROUND]
    rounds = ORACLE_ROUNDS * len(background)
    ours = explain(rows, background, rounds, seed)
    method, theirs = _by_shap(function, rows, background, seed)
    gap = np.abs(ours.values - theirs)
    return {
        "library": f"shap {shap.__version__}",
        "method": method,
        "rows": len(rows),
        "max_abs_difference": gap.max(),
        "mean_abs_difference": gap.mean(),
    }


def _by_shap(
    function: shapley.Function, rows: np.ndarray, background: np.ndarray, seed: int
) -> tuple[str, np.ndarray]:
    """Return shap's method and its values; where nothing differs from the background, zeros."""
    import shap

    if (rows[:, None] == background[None]).all():
        return "nothing varies", np.zeros_like(rows)  # shap fails on this
    masker = shap.maskers.Independent(background, max_samples=len(background))
    features = rows.shape[1]
    if features <= EXACT_FEATURES_MAX:
        return "exact", np.asarray(shap.explainers.Exact(function, masker)(rows).values)
    calls = ORACLE_PERMUTATIONS * (2 * features + 1)
    explainer = shap.explainers.Permutation(function, masker, seed=seed)
    return "permutation", np.asarray(explainer(rows, max_evals=calls, silent=True).values)


def directions(
    columns: list[str], rows: np.ndarray, values: np.ndarray, declared: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Compare the sign of each declared feature's effect with what was declared."""
    result: list[dict[str, Any]] = []
    for name, sign in sorted(declared.items()):
        if name not in columns or len(rows) < 2:
            result.append({"feature": name, "declared": sign, "observed": None, "agrees": None})
            continue
        at = columns.index(name)
        spread = np.cov(rows[:, at], values[:, at])[0, 1]
        observed = "+" if spread > 0 else "-" if spread < 0 else "none"
        agrees = None if observed == "none" else observed == sign
        result.append({"feature": name, "declared": sign, "observed": observed, "agrees": agrees})
    return result
