"""Checks against shap and fairlearn, in process time of one thread.

shap and fairlearn are the oracles; these say what standing beside them saves.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from govern.checks import shapley
from govern.checks.counts import RATES, bootstrap, count, encode, intersect
from govern.checks.profiling import profile
from govern.checks.registry import CHECKS, CheckData, run_check

ROWS, FEATURES, BACKGROUND = 24, 30, 100
TRUTH_PATHS = 4000
TREE_ROWS, TREE_FITTED, TREE_SHAP_ROWS = 40_000, 10_000, 300
MILLION = 1_000_000


def _spent(function: Callable[[], Any]) -> tuple[float, Any]:
    started = time.process_time()
    found = function()
    return time.process_time() - started, found


class _Network:
    """A small MLP in numpy, 30 - 128 - 128 - 1 in float32 as ONNX candidates, weights from a seed."""

    def __init__(self) -> None:
        random = np.random.default_rng(0)
        sizes = (FEATURES, 128, 128, 1)
        self.weights = [
            (random.normal(size=(a, b)) / np.sqrt(a)).astype(np.float32) for a, b in pairwise(sizes)
        ]
        self.columns = [f"f{at}" for at in range(FEATURES)]
        self.protected: list[str] = []
        self.device: dict[str, object] = {}

    def score(self, rows: np.ndarray) -> np.ndarray:
        found = np.asarray(rows, np.float32)
        for weight in self.weights[:-1]:
            found = np.maximum(found @ weight, 0)
        return np.asarray(1 / (1 + np.exp(-(found @ self.weights[-1])[:, 0])), float)

    def predict(self, rows: np.ndarray, protected: Any = None) -> tuple[np.ndarray, np.ndarray]:
        score = self.score(rows)
        return (score >= 0.5).astype(np.int64), score.astype(np.float32)


def bench_permutation_vs_shap() -> dict[str, Any]:
    """Time of shap's default over ours, at equal or lower error over all rounds; else 0."""
    import shap

    network, random = _Network(), np.random.default_rng(1)
    rows = random.normal(size=(ROWS, FEATURES))
    background = random.normal(size=(BACKGROUND, FEATURES))
    masker = shap.maskers.Independent(background, max_samples=BACKGROUND)
    shap.explainers.Permutation(network.score, masker, seed=0)(rows[:2], silent=True)  # compiles
    truth = shapley.explain(network.score, rows, background, paths=TRUTH_PATHS, seed=99).values
    ratios, errors = [], []
    for seed in range(3):
        ours_s, ours = _spent(
            lambda s=seed: shapley.explain(network.score, rows, background, paths=100, seed=s)
        )
        explainer = shap.explainers.Permutation(network.score, masker, seed=seed)
        theirs_s, theirs = _spent(lambda e=explainer: e(rows, silent=True))
        errors.append([np.mean((found.values - truth) ** 2) for found in (ours, theirs)])
        ratios.append(theirs_s / ours_s)
    ours_rmse, theirs_rmse = np.sqrt(np.mean(errors, axis=0))
    return {
        "name": "checks.permutation_vs_shap",
        "value": float(np.median(ratios)) if ours_rmse <= theirs_rmse else 0.0,
        "unit": "ratio",
        "goal": ">=5",
        "against": f"shap PermutationExplainer, default evaluations; rmse {theirs_rmse:.4f}, "
        f"ours {ours_rmse:.4f}",
        "rounds": ratios,
    }


def bench_tree_vs_shap() -> dict[str, Any]:
    """Rows a second of exact interventional values, trees of depth 6; else 0 where they differ."""
    import shap
    import xgboost

    from govern.adapters.candidates.inner import explain_trees

    random = np.random.default_rng(4)
    rows = random.normal(size=(TREE_ROWS, FEATURES)).astype(np.float32).astype(float)
    labels = (rows[:, 0] + rows[:, 1] * rows[:, 2] + random.normal(size=TREE_ROWS) > 0).astype(int)
    settings = {"objective": "binary:logistic", "max_depth": 6, "nthread": 1}
    model = xgboost.train(settings, xgboost.DMatrix(rows[:TREE_FITTED], labels[:TREE_FITTED]), 200)
    background = rows[:BACKGROUND]

    def margin(table: np.ndarray) -> np.ndarray:
        return np.asarray(model.inplace_predict(table.astype(np.float32), predict_type="margin"), float)

    explain_trees(model, margin, "margin", rows[:64], background)  # imports and compiles
    explainer = shap.TreeExplainer(model, background, feature_perturbation="interventional")
    theirs_s, theirs = _spent(lambda: explainer.shap_values(rows[:TREE_SHAP_ROWS]))
    ours_s, ours = _spent(lambda: explain_trees(model, margin, "margin", rows, background))
    gap = float(np.abs(ours.values[:TREE_SHAP_ROWS] - theirs).max())
    ratio = (TREE_ROWS / ours_s) / (TREE_SHAP_ROWS / theirs_s)
    return {
        "name": "checks.tree_vs_shap",
        "value": ratio if gap < 1e-4 else 0.0,
        "unit": "ratio",
        "goal": ">=10",
        "against": f"shap TreeExplainer, interventional, 100 background rows; largest gap {gap:.1e}",
        "rounds": [TREE_SHAP_ROWS / theirs_s, TREE_ROWS / ours_s],
    }


def _people(rows: int) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    random = np.random.default_rng(2)
    sensitive = pd.DataFrame({
        "sex": random.choice(["f", "m"], rows),
        "race": random.choice(list("abcde"), rows),
        "age": random.choice(["18-29", "30-44", "45-64", "65-"], rows),
    })
    return random.integers(0, 2, rows), random.integers(0, 2, rows), sensitive


def _intervals(labels: np.ndarray, predicted: np.ndarray, sensitive: pd.DataFrame) -> Any:
    groups = intersect([encode(name, sensitive[name]) for name in sensitive])
    drawn = bootstrap(count(labels, predicted, groups).table, 100, 0)
    return [np.nanquantile(rate.of(drawn), [0.025, 0.975], axis=0) for rate in RATES]


def bench_fairness_intervals_vs_fairlearn() -> dict[str, Any]:
    """Intervals of eight rates over forty cells; fairlearn's time for one draw, times 100."""
    from fairlearn import metrics as fair
    from sklearn.metrics import accuracy_score, precision_score

    labels, predicted, sensitive = _people(MILLION)
    ours_s, _ = _spent(lambda: _intervals(labels, predicted, sensitive))
    eight = {
        "selection": fair.selection_rate, "tpr": fair.true_positive_rate,
        "fpr": fair.false_positive_rate, "tnr": fair.true_negative_rate,
        "fnr": fair.false_negative_rate, "accuracy": accuracy_score,
        "precision": precision_score, "count": fair.count,
    }
    theirs_s, _ = _spent(
        lambda: fair.MetricFrame(
            metrics=eight, y_true=labels, y_pred=predicted, sensitive_features=sensitive
        )
    )
    return {
        "name": "checks.fairness_intervals_vs_fairlearn",
        "value": 100 * theirs_s / ours_s,
        "unit": "ratio",
        "goal": ">=1000",
        "against": "fairlearn MetricFrame without draws, measured once and taken 100 times",
        "rounds": [theirs_s, ours_s],
    }


def _warm() -> None:
    """Import and compile what a worker does at its first check: shap, fairlearn, scipy."""
    import fairlearn.metrics  # noqa: F401
    import scipy.stats  # noqa: F401
    import shap

    masker = shap.maskers.Independent(np.zeros((2, 12)), max_samples=2)
    shap.explainers.Permutation(lambda rows: rows[:, 0], masker, seed=0)(np.ones((2, 12)), silent=True)


def bench_suite() -> list[dict[str, Any]]:
    """All five checks over 100,000 rows, 30 features and 3 sensitive features."""
    labels, _, sensitive = _people(100_000)
    random = np.random.default_rng(3)
    network = _Network()
    features = pd.DataFrame(random.normal(size=(100_000, FEATURES)), columns=network.columns)
    data = CheckData(
        features=features, labels=labels, sensitive=sensitive,
        background=features.to_numpy()[:400], digests={}, candidate="sha256:0",
        profile=profile(features, labels, sensitive),
    )
    began = time.perf_counter()
    _warm()
    cold, started, taken = time.perf_counter() - began, time.perf_counter(), []
    for check in CHECKS:
        began = time.perf_counter()
        result = run_check(check, model=network, data=data, clock=lambda: "2026-01-01T00:00:00Z")
        assert result.verdict != "error", result.findings
        taken.append(time.perf_counter() - began)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    common = {"goal": "<=60", "against": "two cores, numpy MLP, a warm worker; rounds: by check", "rounds": taken}
    return [
        {"name": "checks.suite_s", "value": seconds, "unit": "s", **common},
        {
            "name": "checks.worker_warm_s", "value": cold, "unit": "s", "goal": "",
            "against": "imports and compilation, once a worker", "rounds": [cold],
        },
        {
            "name": "checks.suite_peak_mb", "value": peak, "unit": "MB", "goal": "<=2000",
            "against": "the whole benchmark process", "rounds": [peak],
        },
    ]
