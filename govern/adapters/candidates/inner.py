"""Shapley values read from inside a model: tree ensembles and linear models; runs in the sandbox.

Trees go through woodelf (Nadel and Wettenstein, arXiv 2511.09376), linear models through their
coefficients. Both are interventional and exact on the model's own scale (log-odds for boosters
and logistic regression, the probability for forests). What adds up to the model's own output is
believed, nothing else is; shap explains some of the rows beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from govern.checks.inner_values import ORACLE_BACKGROUND, ORACLE_ROWS, InnerValues
from govern.errors import CandidateError

DEPTH_MAX = 8  # woodelf's preparation grows as 3 to the power of the depth
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
        CandidateError: the trees are too deep, or the values do not add up to the output.
    """
    import shap
    from woodelf.core.trees.parse_models import load_decision_tree_ensemble_model

    names = [f"f{place}" for place in range(rows.shape[1])]
    read = load_decision_tree_ensemble_model(model, names, 1)
    if read.max_depth > DEPTH_MAX:
        raise CandidateError(
            f"its trees are {read.max_depth} deep; up to {DEPTH_MAX} can be read from inside"
        )
    values = _woodelf(read, rows, background, names)
    given, base = output(rows), float(output(background).mean())
    _require_sum(values, base, given)
    few, behind = rows[:ORACLE_ROWS], background[:ORACLE_BACKGROUND]
    theirs = shap.TreeExplainer(model, behind, feature_perturbation="interventional")
    oracle = np.asarray(theirs.shap_values(few, check_additivity=False))
    oracle = oracle[..., 1] if oracle.ndim == 3 else oracle
    return InnerValues(
        "trees by woodelf, interventional", scale, f"shap {shap.__version__}", base=base,
        values=values, output=given, ours=_woodelf(read, few, behind, names), oracle=oracle,
    )  # fmt: skip


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
