"""Accuracy, discrimination, calibration and robustness, overall and by subgroup."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from govern.checks import group_scores, intervals, robustness
from govern.checks.asking import ANSWERS, answers
from govern.checks.counts import FPR, TPR, bootstrap, encode
from govern.checks.pieces import Parts, Piece
from govern.checks.registry import CheckData, Model, Outcome
from govern.domain.check import Finding

BOOTSTRAPS = 2000
BINS = 10
BASE_MARGIN = 0.02


def pieces(model: Model, data: CheckData, seed: int, parameters: Mapping[str, Any]) -> list[Piece]:
    """Return the test table, asked once."""
    return [answers(model, data)]


def run(
    model: Model, data: CheckData, seed: int, parameters: dict[str, Any], parts: Parts
) -> Outcome:
    """Measure the model on the test rows."""
    predicted, score = parts[ANSWERS]["labels"], parts[ANSWERS]["scores"]
    labels = data.labels
    denied = labels == 0
    metrics: dict[str, Any] = {
        **overall(labels, predicted, score, seed),
        "rows": len(labels),
        "confusion": _confusion(labels, predicted),
        "calibration": group_scores.calibration(labels, score),
        "reliability": _reliability(labels, score),
        "by_group": {
            name: _by_group(labels, predicted, score, data, name) for name in data.sensitive
        },
        "approved_of_denied": {
            "value": float(predicted[denied].mean()) if denied.any() else None,
            "n": int(denied.sum()),
        },
        "robustness": robustness.measure(model, data, predicted, seed),
    }
    return _findings(metrics, labels), metrics


def overall(
    labels: np.ndarray, predicted: np.ndarray, score: np.ndarray, seed: int
) -> dict[str, dict[str, Any]]:
    """Return the headline metrics, each with value, low and high.

    Args:
        labels: int [n], 1 positive.
        predicted: int [n].
        score: float [n], shares from 0 to 1.
    """
    count = len(labels)
    right, selected = int((labels == predicted).sum()), int(predicted.sum())
    brier = intervals.wald_mean((np.clip(score, 0, 1) - labels) ** 2)
    return {
        "accuracy": share_of(right, count),
        "balanced_accuracy": _balanced(labels, predicted, seed),
        "auc": group_scores.auc(labels, score),
        "brier": dict(zip(("value", "low", "high"), brier, strict=True)),
        "selection_rate": share_of(selected, count),
    }


def share_of(part: int, whole: int) -> dict[str, Any]:
    """Return a share with its Wilson interval."""
    low, high = intervals.wilson(part, whole)
    return {"value": part / whole, "low": low, "high": high}


def _balanced(labels: np.ndarray, predicted: np.ndarray, seed: int) -> dict[str, Any]:
    """Mean of the two classes' hit rates; the interval from resampled confusion tables."""
    cells = np.bincount(2 * labels + predicted, minlength=4)[None]
    value = float((TPR.of(cells) + 1 - FPR.of(cells))[0] / 2)
    drawn = bootstrap(cells, BOOTSTRAPS, seed)
    low, high = intervals.percentile_interval((TPR.of(drawn) + 1 - FPR.of(drawn))[:, 0] / 2)
    return {"value": value if np.isfinite(value) else None, "low": low, "high": high}


def _by_group(
    labels: np.ndarray, predicted: np.ndarray, score: np.ndarray, data: CheckData, name: str
) -> list[dict[str, Any]]:
    groups = encode(name, data.sensitive[name])
    rows = []
    for group in groups.names:
        member = groups.member(group)
        count, right = int(member.sum()), int((labels == predicted)[member].sum())
        rows.append(
            {
                "group": group,
                "n": count,
                "accuracy": share_of(right, count),
                "auc": group_scores.auc(labels[member], score[member]),
                "calibration": group_scores.calibration(labels[member], score[member]),
            }
        )
    return rows


def _confusion(y: np.ndarray, p: np.ndarray) -> dict[str, int]:
    cells = np.bincount(2 * y + p, minlength=4)
    return dict(zip(("tn", "fp", "fn", "tp"), map(int, cells), strict=True))


def _reliability(y: np.ndarray, s: np.ndarray) -> list[dict[str, float]]:
    edges = np.linspace(0, 1, BINS + 1)
    place = np.clip(np.digitize(s, edges[1:-1]), 0, BINS - 1)
    rows = []
    for at in range(BINS):
        inside = place == at
        if not inside.any():
            continue
        low, high = intervals.wilson(float(y[inside].sum()), float(inside.sum()))
        rows.append(
            {
                "bin_low": float(edges[at]),
                "bin_high": float(edges[at + 1]),
                "n": int(inside.sum()),
                "mean_score": float(s[inside].mean()),
                "rate": float(y[inside].mean()),
                "rate_low": low,
                "rate_high": high,
            }
        )
    return rows


def _findings(metrics: dict[str, Any], labels: np.ndarray) -> list[Finding]:
    found = [_accuracy_finding(metrics["accuracy"], float(labels.mean()))]
    found.append(_auc_finding(metrics["auc"], int(labels.sum()), len(labels)))
    return [*found, *robustness.findings(metrics["robustness"])]


def _accuracy_finding(accuracy: dict[str, Any], base_rate: float) -> Finding:
    base = max(base_rate, 1 - base_rate)
    return Finding(
        "accuracy",
        "Accuracy against always giving the commoner answer",
        "pass" if accuracy["value"] >= base - BASE_MARGIN else "fail",
        f"Accuracy {accuracy['value']:.3f}; always the commoner answer would give {base:.3f}.",
        value=accuracy["value"],
        low=accuracy["low"],
        high=accuracy["high"],
        threshold=base - BASE_MARGIN,
        unit="share",
    )


def _auc_finding(auc: dict[str, Any], positives: int, count: int) -> Finding:
    if auc["value"] is None:
        which = "positive" if positives else "negative"
        return Finding(
            "auc",
            "Discrimination",
            "error",
            f"All {count} labels are {which}: discrimination cannot be measured on one class.",
            n=count,
        )
    return Finding(
        "auc",
        "Discrimination",
        "pass" if auc["low"] is not None and auc["low"] > 0.5 else "uncertain",
        f"Area under the ROC curve {auc['value']:.3f}.",
        value=auc["value"],
        low=auc["low"],
        high=auc["high"],
        threshold=0.5,
        unit="area",
    )
