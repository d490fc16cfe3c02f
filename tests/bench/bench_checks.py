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

from govern.checks import explainability, fairness, performance, shapley
from govern.checks.counts import RATES, bootstrap, count, encode, intersect
from govern.checks.registry import CheckData

ROWS, FEATURES, BACKGROUND = 40, 30, 100
MILLION = 1_000_000


def _spent(function: Callable[[], Any]) -> tuple[float, Any]:
    started = time.process_time()
    found = function()
    return time.process_time() - started, found


class _Network:
    """A small MLP in numpy: 30 - 128 - 128 - 1, weights from a seed."""

    def __init__(self) -> None:
        random = np.random.default_rng(0)
        sizes = (FEATURES, 128, 128, 1)
        self.weights = [
            random.normal(size=(a, b)) / np.sqrt(a) for a, b in pairwise(sizes)
        ]
        self.columns = [f"f{at}" for at in range(FEATURES)]
        self.protected: list[str] = []
        self.device: dict[str, object] = {}

    def score(self, rows: np.ndarray) -> np.ndarray:
        for weight in self.weights[:-1]:
            rows = np.maximum(rows @ weight, 0)
        return np.asarray(1 / (1 + np.exp(-(rows @ self.weights[-1])[:, 0])))

    def predict(self, rows: np.ndarray, protected: Any = None) -> tuple[np.ndarray, np.ndarray]:
        score = self.score(rows)
        return (score >= 0.5).astype(np.int64), score.astype(np.float32)


def bench_permutation_vs_shap() -> dict[str, Any]:
    """Time for the same error: shap's default against ours, error against many paths."""
    import shap

    network, random = _Network(), np.random.default_rng(1)
    rows = random.normal(size=(ROWS, FEATURES))
    background = random.normal(size=(BACKGROUND, FEATURES))
    truth = shapley.explain(network.score, rows, background, paths=4000, seed=99).values
    ratios = []
    for seed in range(3):
        ours_s, ours = _spent(
            lambda s=seed: shapley.explain(network.score, rows, background, paths=100, seed=s)
        )
        masker = shap.maskers.Independent(background, max_samples=BACKGROUND)
        explainer = shap.explainers.Permutation(network.score, masker, seed=seed)
        theirs_s, theirs = _spent(lambda e=explainer: e(rows, silent=True))
        errors = [np.sqrt(np.mean((found.values - truth) ** 2)) for found in (ours, theirs)]
        ratios.append(theirs_s / ours_s if errors[0] <= errors[1] * 1.1 else 0.0)
    return {
        "name": "checks.permutation_vs_shap",
        "value": float(np.median(ratios)),
        "unit": "ratio",
        "goal": ">=5",
        "against": "shap PermutationExplainer, default evaluations; 0 where our error is 10 % larger",
        "rounds": ratios,
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


def bench_suite() -> list[dict[str, Any]]:
    """Fairness, performance and explanations over 100,000 rows and 30 features."""
    labels, _, sensitive = _people(100_000)
    random = np.random.default_rng(3)
    network = _Network()
    features = pd.DataFrame(random.normal(size=(100_000, FEATURES)), columns=network.columns)
    data = CheckData(
        features=features, labels=labels, sensitive=sensitive,
        background=features.to_numpy()[:400], profile={}, digests={}, candidate="sha256:0",
    )
    started = time.perf_counter()
    for check in (fairness, performance, explainability):
        check.run(network, data, 0, {})
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    common = {"goal": "<=60", "against": "two cores, numpy MLP", "rounds": [seconds]}
    return [
        {"name": "checks.suite_s", "value": seconds, "unit": "s", **common},
        {
            "name": "checks.suite_peak_mb", "value": peak, "unit": "MB", "goal": "<=2000",
            "against": "the whole benchmark process", "rounds": [peak],
        },
    ]
