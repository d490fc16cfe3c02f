"""A challenger against a champion on the same rows, by the paired bootstrap.

Both answer every row; rows are drawn with replacement and both are measured on each draw, so
what makes a row hard cancels out (Efron and Tibshirani, 1993, chapter 8). A difference whose
interval holds 0 is no difference.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from govern.checks import group_scores, intervals
from govern.checks.tasks import Task

DRAWS = 1000
ROWS_MAX = 20_000
Given = tuple[np.ndarray, np.ndarray]
Figure = Callable[[np.ndarray, np.ndarray, np.ndarray], float]


def compare(
    labels: np.ndarray, challenger: Given, champion: Given, task: Task, seed: int
) -> dict[str, Any]:
    """Return each figure of both and the challenger's lead, with its 95 % interval.

    Args:
        labels: as the task has them [n].
        challenger: its labels and scores [n].
        champion: the same.
        task: what both answer.
        seed: of the draws, and of the rows looked at where there are over ``ROWS_MAX``.
    """
    generator = np.random.default_rng(seed)
    size = len(labels)
    kept = np.sort(generator.choice(size, min(size, ROWS_MAX), replace=False))
    truth = labels[kept]
    one, two = ((given[0][kept], given[1][kept]) for given in (challenger, champion))
    draws = [generator.integers(0, len(kept), len(kept)) for _ in range(DRAWS)]
    figures = {}
    for name, (figure, better) in _figures(task).items():
        lead = [
            figure(truth[d], one[0][d], one[1][d]) - figure(truth[d], two[0][d], two[1][d])
            for d in draws
        ]
        low, high = intervals.percentile_interval(np.asarray(lead, float))
        values = [figure(truth, *given) for given in (one, two)]
        figures[name] = {
            "challenger": values[0], "champion": values[1], "difference": values[0] - values[1],
            "low": low, "high": high, "verdict": _verdict(low, high, better),
        }  # fmt: skip
    changed = int((one[0] != two[0]).sum())
    return {"rows": len(kept), "draws": DRAWS, "changed_answers": changed, "figures": figures}


def _verdict(low: float, high: float, better: int) -> str:
    """Return ``better``, ``worse`` or ``no difference``; 0 is neither, only ``changed``."""
    if not (low > 0 or high < 0):
        return "no difference"
    if not better:
        return "changed"
    return "better" if (low > 0) == (better > 0) else "worse"


def _figures(task: Task) -> dict[str, tuple[Figure, int]]:
    """Return figures by name, and whether more of it is better (1), worse (-1) or neither (0)."""
    if task.is_number:
        return {
            "mae": (lambda y, _, s: float(np.abs(s - y).mean()), -1),
            "mean_answer": (lambda _y, _, s: float(s.mean()), 0),
        }
    accuracy: Figure = lambda y, p, _: float((p == y).mean())  # noqa: E731
    if task.classes:
        return {"accuracy": (accuracy, 1)}
    return {
        "accuracy": (accuracy, 1),
        "auc": (_auc, 1),
        "brier": (lambda y, _, s: float(((s - y) ** 2).mean()), -1),
        "selection_rate": (lambda _y, p, _: float(p.mean()), 0),
    }


def _auc(labels: np.ndarray, answers: np.ndarray, scores: np.ndarray) -> float:
    positive = labels == 1
    m = int(positive.sum())
    n = len(labels) - m
    if not m or not n:
        return float("nan")
    ranks = group_scores.midranks(scores)
    return float((ranks[positive].sum() - m * (m + 1) / 2) / (m * n))
