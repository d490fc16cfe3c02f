"""Performance where the answer is a number, a place in a ranking, or one of several classes.

Numbers: mean absolute error, root mean square error, bias, and R squared. Rankings: Spearman's
rank correlation and normalised discounted gain (Järvelin and Kekäläinen, 2002). Classes:
accuracy and the mean of the classes' hit rates. Intervals are Wald's, Wilson's, or the
bootstrap's over rows. Each is set against an answer that knows nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from govern.checks import intervals
from govern.checks.asking import ANSWERS, answers
from govern.checks.counts import encode
from govern.checks.performance import share_of
from govern.checks.pieces import Parts, Piece
from govern.checks.registry import CheckData, Model, Outcome
from govern.domain.check import Finding

DRAWS = 500
NOISE_SHARE = 0.1
ROWS_MAX = 2000
Metrics = dict[str, Any]


def pieces(model: Model, data: CheckData, seed: int, parameters: Mapping[str, Any]) -> list[Piece]:
    """Return the test table, asked once."""
    return [answers(model, data)]


def run(
    model: Model, data: CheckData, seed: int, parameters: dict[str, Any], parts: Parts
) -> Outcome:
    """Measure the model on the test rows."""
    answered = data.answers((parts[ANSWERS]["labels"], parts[ANSWERS]["scores"]))
    measured, finding = _MEASURES[data.task.kind](data, answered, seed)
    metrics = {
        "rows": len(data.labels),
        "task": data.task.kind,
        **measured,
        "by_group": {name: _by_group(data, answered, name) for name in data.sensitive},
        "robustness": _noise(model, data, answered, seed),
    }
    return [finding], metrics


def _regression(data: CheckData, answers: np.ndarray, seed: int) -> tuple[Metrics, Finding]:
    error = answers - data.labels
    squared, spread = float((error**2).mean()), float(data.labels.var())

    def r_squared(rows: np.ndarray) -> float:
        left = data.labels[rows].var()
        return float(1 - (error[rows] ** 2).mean() / left) if left else float("nan")

    found = {
        "mae": _mean(np.abs(error)),
        "rmse": {"value": squared**0.5},
        "error": _mean(error),
        "r_squared": _drawn(r_squared, len(error), seed),
    }
    message = (
        "Every recorded value is the same: nothing can be predicted better than by it."
        if not spread
        else f"The answers explain {found['r_squared']['value']:.1%} of the variance."
    )
    return found, _better("r-squared", "R squared against the mean", found["r_squared"], message)


def _ranking(data: CheckData, answers: np.ndarray, seed: int) -> tuple[Metrics, Finding]:
    from scipy.stats import rankdata

    def spearman(rows: np.ndarray) -> float:
        one, two = rankdata(answers[rows]), rankdata(data.labels[rows])
        varies = one.std() and two.std()
        return float(np.corrcoef(one, two)[0, 1]) if varies else float("nan")

    found = {
        "spearman": _drawn(spearman, len(answers), seed),
        "ndcg": {"value": ndcg(data.labels, answers)},
    }
    value = found["spearman"]["value"]
    message = (
        "All answers or all recorded values are alike, so there is no order."
        if value is None
        else f"Rank correlation {value:.3f} with the recorded values."
    )
    return found, _better("rank-correlation", "Order against chance", found["spearman"], message)


def ndcg(gains: np.ndarray, scores: np.ndarray) -> float | None:
    """Return normalised discounted cumulative gain over all places; None without any gain.

    Args:
        gains: float [n], the lowest counts as nothing.
        scores: float [n]; ties keep the table's order.
    """
    worth = gains - gains.min()
    discount = 1.0 / np.log2(2.0 + np.arange(len(worth)))
    best = float((np.sort(worth)[::-1] * discount).sum())
    reached = float((worth[np.argsort(-scores, kind="stable")] * discount).sum())
    return reached / best if best else None


def _multiclass(data: CheckData, answers: np.ndarray, seed: int) -> tuple[Metrics, Finding]:
    labels, names = data.labels, data.task.classes
    accuracy = share_of(int((labels == answers).sum()), len(labels))
    counts = np.bincount(labels, minlength=len(names))
    hits = np.bincount(labels[labels == answers], minlength=len(names))
    recalls = [
        {"class": name, "n": int(n), **(share_of(int(k), int(n)) if n else {"value": None})}
        for name, k, n in zip(names, hits, counts, strict=True)
    ]
    known = [row["value"] for row in recalls if row["value"] is not None]
    base = float(counts.max() / len(labels))
    found = {
        "accuracy": accuracy,
        "balanced_accuracy": {"value": float(np.mean(known))},
        "recalls": recalls,
    }
    message = f"Accuracy {accuracy['value']:.3f}; always the commonest class would give {base:.3f}."
    return found, _better(
        "accuracy", "Accuracy against the commonest class", accuracy, message, base
    )


def _better(
    name: str, title: str, measured: Metrics, message: str, threshold: float = 0.0
) -> Finding:
    """Pass where the whole interval lies above what an answer that knows nothing reaches."""
    value, low, high = (measured.get(key) for key in ("value", "low", "high"))
    if value is None:
        return Finding(name, title, "error", message)
    verdict = "fail" if value < threshold else "pass" if low and low > threshold else "uncertain"
    return Finding(
        name, title, verdict, message, value=value, low=low, high=high, threshold=threshold
    )


def _mean(values: np.ndarray) -> Metrics:
    return dict(zip(("value", "low", "high"), intervals.wald_mean(values), strict=True))


def _drawn(figure: Callable[[np.ndarray], float], count: int, seed: int) -> Metrics:
    """Return a figure of rows with its percentile interval over ``DRAWS`` resamplings."""
    generator = np.random.default_rng(seed)
    value = figure(np.arange(count))
    drawn = np.array([figure(generator.integers(0, count, count)) for _ in range(DRAWS)])
    low, high = intervals.percentile_interval(drawn)
    return {"value": value if np.isfinite(value) else None, "low": low, "high": high}


def _by_group(data: CheckData, answers: np.ndarray, name: str) -> list[Metrics]:
    groups = encode(name, data.sensitive[name])
    rows: list[Metrics] = []
    for group in groups.names:
        member = groups.member(group)
        found: Metrics = {"group": group, "n": int(member.sum())}
        if data.task.classes:
            right = int((data.labels == answers)[member].sum())
            found["accuracy"] = share_of(right, int(member.sum()))
        else:
            found["mae"] = _mean(np.abs(answers - data.labels)[member])
        rows.append(found)
    return rows


def _noise(model: Model, data: CheckData, answers: np.ndarray, seed: int) -> Metrics:
    """Move every input by a tenth of its spread, and say how far the answers go."""
    generator = np.random.default_rng(seed)
    count = len(answers)
    chosen = np.sort(generator.choice(count, min(ROWS_MAX, count), replace=False))
    rows = data.rows[chosen]
    moved = rows + generator.normal(size=rows.shape) * NOISE_SHARE * np.nan_to_num(
        np.nanstd(rows, axis=0)
    )
    after = data.answers(model.predict(moved, data.protected_of(model, chosen)))
    if data.task.classes:
        changed = int((after != answers[chosen]).sum())
        return {
            "rows": len(rows),
            "noise_share": NOISE_SHARE,
            "changed": share_of(changed, len(rows)),
        }
    spread = float(answers.std())
    far = float(np.abs(after - answers[chosen]).mean())
    return {
        "rows": len(rows),
        "noise_share": NOISE_SHARE,
        "mean_move": far,
        "mean_move_over_spread": far / spread if spread else 0.0,
    }


_MEASURES = {"regression": _regression, "ranking": _ranking, "multiclass": _multiclass}
