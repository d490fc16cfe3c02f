"""Shapley values read from inside a model: tree ensembles and linear models; runs in the sandbox.

Trees go through woodelf (Nadel and Wettenstein, arXiv 2511.09376), those too deep for it
through shap, linear models through their coefficients. All are interventional and exact on the
model's own scale (log-odds for boosters and logistic regression, the probability for forests).
What adds up to the model's own output is believed, nothing else is; another method explains
some of the rows beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from govern.checks import shapley
from govern.checks.inner_values import (
    ORACLE_BACKGROUND,
    ORACLE_ROWS,
    InnerValues,
    Interactions,
)
from govern.errors import CandidateError

DEPTH_MAX = 10  # woodelf's preparation grows as 3 to the power of the depth
LEAF_VISITS_MAX = 2_000_000_000  # of shap, deeper: rows x background rows x leaves
DEEP_PATHS = 400
PAIRS_DEPTH_MAX = 6
PAIRS_FEATURES_MAX = 64
PAIRS_ROWS = 256
PAIRS_ORACLE_ROWS = 8
ADDITIVITY_MAX = 1e-3
_PER_COLUMN = ("StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler")

Output = Callable[[np.ndarray], np.ndarray]


def explain_trees(
    model: Any, output: Output, scale: str, rows: np.ndarray, background: np.ndarray
) -> InnerValues:
    """Explain an ensemble of trees.

    Args:
        model: a booster or a scikit-learn ensemble.
        output: the model's own output [n] for float64 rows [n, features].
        scale: what that output is.
        rows: float64 [n, features], nothing missing.
        background: float64 [m, features], nothing missing.

    Raises:
        CandidateError: the values do not add up to the output.
    """
    import shap
    from woodelf.core.trees.parse_models import load_decision_tree_ensemble_model

    names = [f"f{place}" for place in range(rows.shape[1])]
    read = load_decision_tree_ensemble_model(model, names, 1)
    if read.max_depth > DEPTH_MAX:
        leaves = sum(len(tree.get_all_leaves()) for tree in read.trees)
        return _deep(model, output, scale, rows, background, leaves)
    values = _woodelf(read, rows, background, names)
    given, base = output(rows), float(output(background).mean())
    _require_sum(values, base, given)
    few, behind = rows[:ORACLE_ROWS], background[:ORACLE_BACKGROUND]
    oracle = _of_shap(model, few, behind)
    pairs = None
    if read.max_depth <= PAIRS_DEPTH_MAX and rows.shape[1] <= PAIRS_FEATURES_MAX:
        pairs = interactions(model, read, rows[:PAIRS_ROWS], background, names)
    return InnerValues(
        "trees by woodelf, interventional", scale, f"shap {shap.__version__}", base=base,
        values=values, output=given, ours=_woodelf(read, few, behind, names), oracle=oracle,
        oracle_errors=np.zeros_like(oracle), interactions=pairs,
    )  # fmt: skip


def _of_shap(model: Any, rows: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Return shap's interventional values of a tree ensemble, of the second class of two."""
    import shap

    explainer = shap.TreeExplainer(model, background, feature_perturbation="interventional")
    found = np.asarray(explainer.shap_values(rows, check_additivity=False), float)
    return found[..., 1] if found.ndim == 3 else found


def _deep(
    model: Any, output: Output, scale: str, rows: np.ndarray, background: np.ndarray, leaves: int
) -> InnerValues:
    """Explain trees that woodelf's preparation is too long for: shap's own, and fewer rows.

    The oracle reads nothing of the trees: permutation paths over the model's output, which
    carry a standard error.
    """
    import shap

    count = max(ORACLE_ROWS, min(len(rows), LEAF_VISITS_MAX // (len(background) * leaves)))
    rows = rows[:count]
    values = _of_shap(model, rows, background)
    given, base = output(rows), float(output(background).mean())
    _require_sum(values, base, given)
    few, behind = rows[:ORACLE_ROWS], background[:ORACLE_BACKGROUND]
    paths = -(-DEEP_PATHS // len(behind)) * len(behind)
    sampled = shapley.explain(output, few, behind, paths=paths, seed=0)
    return InnerValues(
        f"trees by shap {shap.__version__}, interventional", scale,
        "permutation paths over the output", base=base, values=values, output=given,
        ours=_of_shap(model, few, behind), oracle=sampled.values, oracle_errors=sampled.errors,
    )  # fmt: skip


def interactions(
    model: Any, read: Any, rows: np.ndarray, background: np.ndarray, names: list[str]
) -> Interactions | None:
    """Return interactions against the background; None where shap cannot read these trees.

    shap computes interactions weighted by the trees' own counts alone, so that is what woodelf
    is compared with it on; the same code then weights by the background.
    """
    import pandas as pd
    import shap
    from woodelf.explainer import WoodelfExplainer

    few = rows[:PAIRS_ORACLE_ROWS]
    try:
        own = shap.TreeExplainer(model, feature_perturbation="tree_path_dependent")
        theirs = np.asarray(own.shap_interaction_values(few), float)
    except Exception:  # shap knows interactions of some kinds of trees only
        return None
    theirs = theirs[..., 1] if theirs.ndim == 4 else theirs

    def by_woodelf(table: np.ndarray, behind: Any, how: str) -> np.ndarray:
        explainer = WoodelfExplainer(read, behind, feature_perturbation=how)
        frame = pd.DataFrame(table, columns=names)
        return np.asarray(explainer.shap_interaction_values(frame, verbose=False), float)

    gap = np.abs(by_woodelf(few, None, "tree_path_dependent") - theirs)
    found = by_woodelf(rows, pd.DataFrame(background, columns=names), "interventional")
    mean_abs = np.abs(found).mean(axis=0)
    np.fill_diagonal(mean_abs, 0.0)
    return Interactions(len(rows), mean_abs, float(gap.max()), len(few))


def _woodelf(read: Any, rows: np.ndarray, background: np.ndarray, names: list[str]) -> np.ndarray:
    import pandas as pd
    from woodelf.explainer import WoodelfExplainer

    frame = pd.DataFrame(background, columns=names)
    explainer = WoodelfExplainer(read, frame, feature_perturbation="interventional")
    found = explainer.shap_values(pd.DataFrame(rows, columns=names), verbose=False)
    return np.asarray(found, np.float64)


def explain_linear(model: Any, rows: np.ndarray, background: np.ndarray) -> InnerValues | None:
    """Explain a linear model, alone or behind scalers; None where it is something else.

    Args:
        model: a fitted estimator or pipeline.
        rows: float64 [n, features], nothing missing.
        background: float64 [m, features], nothing missing.

    Raises:
        CandidateError: the values do not add up to the output.
    """
    import shap

    steps = [step for _, step in getattr(model, "steps", [("", model)])]
    last = steps[-1]
    coefficients = np.atleast_2d(np.asarray(getattr(last, "coef_", np.empty((0, 0)))))
    plain = all(type(step).__name__ in _PER_COLUMN for step in steps[:-1])
    if coefficients.shape[0] != 1 or not plain:
        return None
    for step in steps[:-1]:
        rows, background = step.transform(rows), step.transform(background)
    decides = hasattr(last, "decision_function")
    own = last.decision_function if decides else last.predict
    values = (rows - background.mean(axis=0)) * coefficients[0]
    given, base = np.asarray(own(rows), float), float(np.mean(own(background)))
    _require_sum(values, base, given)
    few, behind = rows[:ORACLE_ROWS], background[:ORACLE_BACKGROUND]
    intercept = float(np.ravel(getattr(last, "intercept_", 0.0))[0])
    masker = shap.maskers.Independent(behind, max_samples=len(behind))
    theirs = shap.LinearExplainer((coefficients[0], intercept), masker).shap_values(few)
    ours = (few - behind.mean(axis=0)) * coefficients[0]
    scale = "log-odds" if hasattr(last, "predict_proba") else "score"
    return InnerValues(
        "linear by coefficients, interventional", scale, f"shap {shap.__version__}", base=base,
        values=values, output=given, ours=ours, oracle=np.asarray(theirs, float),
        oracle_errors=np.zeros_like(ours),
    )  # fmt: skip


def _require_sum(values: np.ndarray, base: float, output: np.ndarray) -> None:
    """Refuse values that do not add up: then the model was read as something it is not."""
    gap = float(np.abs(values.sum(axis=1) + base - output).max())
    limit = ADDITIVITY_MAX * max(1.0, float(np.abs(output).max()))
    if not gap <= limit:
        raise CandidateError(
            f"values read from inside miss the model's output by up to {gap:.3g}; it was not "
            "read as it computes"
        )
