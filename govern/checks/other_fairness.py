"""Fairness of answers that are numbers, places in a ranking, or one of several classes.

Each task has its plain yes or no, and that goes through the same ratios, intervals and tests
as any decision: a number above the median of everybody (the scoring rate of 6 RCNY 5-300), a
place among the first, the class called positive. What belongs to the task alone stands beside
it (``other_tasks``): errors by group, exposure, and every class against the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from govern.checks import other_tasks
from govern.checks.asking import ANSWERS, answers
from govern.checks.counts import Groups, encode
from govern.checks.fairness import intersections, measure_groups
from govern.checks.fairness_findings import Rules, findings_of, selection_findings
from govern.checks.pieces import Parts, Piece
from govern.checks.registry import CheckData, Model, Outcome
from govern.domain.check import Finding

TOP_SHARE = 0.1
# Of yes-or-no answers alone: a number has no true positive rate.
_OF_SELECTION = (
    "groups", "ratio", "difference", "comparisons", "pairwise", "to_overall", "false_alarm",
    "unknown", "excluded",
)  # fmt: skip


def pieces(model: Model, data: CheckData, seed: int, parameters: Mapping[str, Any]) -> list[Piece]:
    """Return the test table, asked once."""
    return [answers(model, data)]


def run(
    model: Model, data: CheckData, seed: int, parameters: dict[str, Any], parts: Parts
) -> Outcome:
    """Measure every sensitive feature and their intersections."""
    rules = Rules.read(parameters)
    labels, scores = parts[ANSWERS]["labels"], parts[ANSWERS]["scores"]
    selected, says = _selected(data, labels, scores)
    positives = data.labels == data.task.positive if data.task.classes else np.zeros_like(labels)
    singles = [encode(name, data.sensitive[name]) for name in data.sensitive]
    features: dict[str, Any] = {}
    for groups in [*singles, *intersections(singles)]:
        measured = measure_groups(positives, selected, groups, seed, rules)
        if data.task.is_number:
            measured = {key: measured[key] for key in _OF_SELECTION}
        features[groups.name] = measured
    for groups in singles:
        features[groups.name]["task"] = _of_task(data, labels, scores, groups)
    metrics = {
        "rows": len(data.labels),
        "task": data.task.kind,
        "positive": says,
        "rules": asdict(rules),
        "features": features,
    }
    return _findings(data, features, rules), metrics


def _selected(data: CheckData, labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, str]:
    """Return who counts as selected, int [n], and what that means in words."""
    if data.task.classes:
        name = data.task.classes[data.task.positive]
        return (labels == data.task.positive).astype(np.int64), name
    if data.task.kind == "regression":
        return (scores > np.median(scores)).astype(np.int64), "above the median of everybody"
    top = _top(data)
    first = np.zeros(len(scores), np.int64)
    first[np.argsort(-scores, kind="stable")[:top]] = 1
    return first, f"among the first {top}"


def _top(data: CheckData) -> int:
    count = len(data.labels)
    return min(count, data.task.top or max(1, round(TOP_SHARE * count)))


def _of_task(
    data: CheckData, labels: np.ndarray, scores: np.ndarray, groups: Groups
) -> dict[str, Any]:
    if data.task.kind == "regression":
        return other_tasks.regression(data.labels, scores, groups)
    if data.task.kind == "ranking":
        return other_tasks.ranking(scores, groups, _top(data))
    names = np.array(data.task.classes, object)
    return other_tasks.multiclass(names[data.labels], names[labels], groups)


def _findings(data: CheckData, features: dict[str, Any], rules: Rules) -> list[Finding]:
    whole = findings_of if data.task.classes else selection_findings
    found = [item for name in features for item in whole(name, features[name], rules)]
    own = {"regression": _error, "ranking": _exposure, "multiclass": _classes}[data.task.kind]
    for name, measured in features.items():
        if "task" in measured:
            found += own(name, measured["task"], rules)
    return found


def _error(name: str, measured: dict[str, Any], rules: Rules) -> list[Finding]:
    """Say whether one group's numbers are too high or too low where another's are not."""
    gap = measured["error_difference"]
    if gap["value"] is None:
        return []
    return [
        Finding(
            "mean-error-difference",
            f"Mean error by {name}",
            "pass" if gap["low"] is not None and gap["low"] <= 0 else "uncertain",
            f"The answers for {gap['reference']} lie {gap['value']:.4g} higher above the recorded "
            f"values than those for {gap['group']}.",
            value=gap["value"],
            low=gap["low"],
            high=gap["high"],
            threshold=0.0,
            unit="answer",
            subject=f"{name}: {gap['group']} vs {gap['reference']}",
        )
    ]


def _exposure(name: str, measured: dict[str, Any], rules: Rules) -> list[Finding]:
    """Say how the mean exposure of groups compares; it carries no interval, so it never fails."""
    ratio = measured["exposure_ratio"]
    if ratio is None:
        return []
    return [
        Finding(
            "exposure-ratio",
            f"Exposure by {name}",
            "pass" if ratio >= rules.ratio_min else "uncertain",
            f"The group seen least has {ratio:.3f} of the mean exposure of the group seen most.",
            value=ratio,
            threshold=rules.ratio_min,
            unit="ratio",
            subject=name,
        )
    ]


def _classes(name: str, measured: dict[str, Any], rules: Rules) -> list[Finding]:
    """Name every class that is given to one group much more rarely than to another."""
    found = []
    for row in measured["classes"]:
        if row["ratio"] is None:
            continue
        found.append(
            Finding(
                "class-ratio",
                f"How often {row['class']} is given, by {name}",
                "pass" if row["ratio"] >= rules.ratio_min else "uncertain",
                f"{row['rate_difference']['group']} are given {row['class']} at {row['ratio']:.3f} "
                f"of the rate of {row['rate_difference']['reference']}.",
                value=row["ratio"],
                threshold=rules.ratio_min,
                unit="ratio",
                subject=f"{name}: {row['class']}",
            )
        )
    return found
