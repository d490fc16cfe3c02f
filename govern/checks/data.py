"""The data check: sentinels, leakage, protected columns, split overlap, unknowns."""

from __future__ import annotations

from typing import Any

from govern.checks.registry import CheckData, Model, Outcome
from govern.domain.check import Finding


def run(model: Model, data: CheckData, seed: int, parameters: dict[str, Any]) -> Outcome:
    """Judge the data set's profile and what of it the model uses."""
    profile = dict(data.profile)
    profile["leaking_in_features"] = sorted(set(model.columns) & set(profile["leaking_refused"]))
    protected = {*profile["protected_excluded"], *data.sensitive, "race", "sex", "married", "age"}
    profile["protected_in_features"] = sorted(set(model.columns) & protected)
    rows = [row for row in profile["sentinels"] if row["count"]]
    named = ", ".join(f"{row['column']}={row['value']:g} ({row['count']})" for row in rows)
    overlap = profile["split"]["overlap"]
    findings = [
        _finding(
            "leakage",
            "No column known only afterwards",
            profile["leaking_in_features"],
            f"Refused: {', '.join(profile['leaking_refused'])}.",
        ),
        _finding(
            "protected-features",
            "No protected attribute among the features",
            profile["protected_in_features"],
            f"Kept apart: {', '.join(profile['protected_excluded'])}.",
        ),
        Finding(
            "sentinels",
            "Sentinels became missing values",
            "pass",
            f"Found and made missing: {named}." if named else "None found.",
            value=float(sum(row["count"] for row in rows)),
            unit="values",
        ),
        _overlap(overlap),
        Finding(
            "unknown-groups",
            "People of unknown group are counted",
            "pass",
            "; ".join(f"{name}: {count} unknown" for name, count in profile["unknown"].items()),
        ),
    ]
    return findings, profile


def _overlap(count: int | None) -> Finding:
    title = "No row in both train and test"
    if count is None:
        message = "The training table was not given: whether rows are in both is not known."
        return Finding("split-overlap", title, "uncertain", message, threshold=0.0, unit="rows")
    verdict = "pass" if count == 0 else "fail"
    message = f"{count} rows are in both."
    return Finding(
        "split-overlap", title, verdict, message, value=float(count), threshold=0.0, unit="rows"
    )


def _finding(name: str, title: str, found: list[str], message: str) -> Finding:
    if found:
        return Finding(name, title, "fail", f"Among the features: {', '.join(found)}.")
    return Finding(name, title, "pass", message)
