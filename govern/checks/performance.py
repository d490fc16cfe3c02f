"""Accuracy, discrimination and calibration, each with a bootstrap interval."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from govern.checks import intervals
from govern.checks.registry import CheckData, Model, Outcome
from govern.domain.check import Finding

BOOTSTRAPS = 500
BINS = 10
ACCURACY_OVER_BASE_MIN = 0.0


def run(model: Model, data: CheckData, seed: int, parameters: dict[str, Any]) -> Outcome:
    """Measure the model on the test rows."""
    predicted, score = model.predict(data.rows, data.protected_of(model))
    labels = data.labels
    metrics: dict[str, Any] = {
        name: _with_interval(function, labels, predicted, score, seed)
        for name, function in _METRICS.items()
    }
    metrics["rows"] = len(labels)
    metrics["confusion"] = _confusion(labels, predicted)
    metrics["reliability"] = _reliability(labels, score)
    denied = labels == 0
    metrics["approved_of_denied"] = {
        "value": float(predicted[denied].mean()),
        "n": int(denied.sum()),
    }
    return _findings(metrics, float(labels.mean())), metrics


def _accuracy(y: np.ndarray, p: np.ndarray, s: np.ndarray) -> float:
    return float((y == p).mean())


def _balanced(y: np.ndarray, p: np.ndarray, s: np.ndarray) -> float:
    return float(np.mean([(p[y == value] == value).mean() for value in (0, 1)]))


def _auc(y: np.ndarray, p: np.ndarray, s: np.ndarray) -> float:
    """Area under the ROC curve as the Mann-Whitney statistic, ties counted half."""
    from scipy.stats import rankdata

    positives = int(y.sum())
    negatives = len(y) - positives
    if not positives or not negatives:
        return float("nan")
    ranks = rankdata(s)
    above = ranks[y == 1].sum() - positives * (positives + 1) / 2
    return float(above / (positives * negatives))


def _brier(y: np.ndarray, p: np.ndarray, s: np.ndarray) -> float:
    return float(np.mean((np.clip(s, 0, 1) - y) ** 2))


def _selection(y: np.ndarray, p: np.ndarray, s: np.ndarray) -> float:
    return float(p.mean())


Metric = Callable[[np.ndarray, np.ndarray, np.ndarray], float]
_METRICS: dict[str, Metric] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced,
    "auc": _auc,
    "brier": _brier,
    "selection_rate": _selection,
}


def _with_interval(
    metric: Metric, y: np.ndarray, p: np.ndarray, s: np.ndarray, seed: int
) -> dict[str, float]:
    generator = np.random.default_rng(seed)
    with np.errstate(invalid="ignore"):
        drawn = [
            metric(y[rows], p[rows], s[rows])
            for rows in generator.integers(0, len(y), (BOOTSTRAPS, len(y)))
        ]
    low, high = intervals.percentile_interval(np.array(drawn))
    return {"value": metric(y, p, s), "low": low, "high": high}


def _confusion(y: np.ndarray, p: np.ndarray) -> dict[str, int]:
    cells = np.bincount(2 * y + p, minlength=4)
    return dict(zip(("tn", "fp", "fn", "tp"), map(int, cells), strict=True))


def _reliability(y: np.ndarray, s: np.ndarray) -> list[dict[str, float]]:
    edges = np.linspace(0, 1, BINS + 1)
    place = np.clip(np.digitize(s, edges[1:-1]), 0, BINS - 1)
    return [
        {
            "bin_low": float(edges[at]),
            "bin_high": float(edges[at + 1]),
            "n": int((place == at).sum()),
            "mean_score": float(s[place == at].mean()),
            "rate": float(y[place == at].mean()),
        }
        for at in range(BINS)
        if (place == at).any()
    ]


def _findings(metrics: dict[str, Any], base_rate: float) -> list[Finding]:
    base = max(base_rate, 1 - base_rate)
    accuracy = metrics["accuracy"]
    verdict = "pass" if accuracy["value"] >= base - 0.02 else "fail"
    return [
        Finding(
            "accuracy",
            "Accuracy against always giving the commoner answer",
            verdict,
            f"Accuracy {accuracy['value']:.3f}; always the commoner answer would give {base:.3f}.",
            value=accuracy["value"],
            low=accuracy["low"],
            high=accuracy["high"],
            threshold=base - 0.02,
            unit="share",
        ),
        Finding(
            "auc",
            "Discrimination",
            "pass" if metrics["auc"]["low"] > 0.5 else "uncertain",
            f"Area under the ROC curve {metrics['auc']['value']:.3f}.",
            value=metrics["auc"]["value"],
            low=metrics["auc"]["low"],
            high=metrics["auc"]["high"],
            threshold=0.5,
            unit="area",
        ),
    ]
