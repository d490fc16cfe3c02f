"""The data check: sentinels, leakage, protected columns, split overlap, unknowns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from govern.checks import data_findings, splits
from govern.checks.pieces import Parts, Piece
from govern.checks.registry import CheckData, Model, Outcome
from govern.domain.check import Finding

LEARNT = ("train", "validation")  # tables that the model was made with


def pieces(model: Model, data: CheckData, seed: int, parameters: Mapping[str, Any]) -> list[Piece]:
    """Return nothing: the model is not asked."""
    return []


def run(
    model: Model, data: CheckData, seed: int, parameters: dict[str, Any], parts: Parts
) -> Outcome:
    """Judge the data set's profile and what of it the model uses."""
    profile = dict(data.profile)
    profile["leaking_in_features"] = sorted(set(model.columns) & set(profile["leaking_refused"]))
    protected = {*profile["protected_excluded"], *data.sensitive, "race", "sex", "married", "age"}
    profile["protected_in_features"] = sorted(set(model.columns) & protected)
    tables = _tables(data)
    rows = [row for row in profile["sentinels"] if row["count"]]
    named = ", ".join(f"{row['column']}={row['value']:g} ({row['count']})" for row in rows)
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
        *_overlaps(profile["split"]["overlap"], tables["overlap"]),
        Finding(
            "unknown-groups",
            "People of unknown group are counted",
            "pass",
            "; ".join(f"{name}: {count} unknown" for name, count in profile["unknown"].items()),
        ),
    ]
    if learnt := [tables["overlap"][name] for name in data.parts if name in LEARNT]:
        both = sum(found["rows"] + (found["subjects"] or 0) for found in learnt)
        profile["split"] = {**profile["split"], "overlap": both}
    return [*findings, *_of_tables(tables)], {**profile, "tables": tables}


def _tables(data: CheckData) -> dict[str, Any]:
    """Return what the tables themselves say: overlap, drift, base rates, leaks, sentinels."""
    parts, subjects = data.parts, data.subjects
    labels = {"test": data.labels} | {
        name: part.labels for name, part in parts.items() if part.labels is not None
    }
    numbers = not data.task.classes
    return {
        "overlap": {
            name: splits.overlap(part, data.features, subjects)
            for name, part in parts.items()
            if name in LEARNT
        },
        "drift": {name: splits.drift(part.features, data.features) for name, part in parts.items()},
        "base_rates": splits.base_rates(labels) if numbers else [],
        "leaks": splits.leaks(data.features, data.labels) if numbers else [],
        "sentinels": splits.sentinels(data.features),
        "constant": splits.constant(data.features),
        "duplicate_subjects": 0 if subjects is None else int(subjects.duplicated(keep=False).sum()),
    }


def _of_tables(tables: dict[str, Any]) -> list[Finding]:
    found = [data_findings.drift(name, rows) for name, rows in tables["drift"].items()]
    found.append(data_findings.leaks(tables["leaks"]))
    perhaps = (
        data_findings.base_rates(tables["base_rates"]) if len(tables["base_rates"]) > 1 else None,
        data_findings.sentinels(tables["sentinels"]),
        data_findings.constant(tables["constant"]),
        data_findings.doubled(tables["duplicate_subjects"]),
    )
    return [*found, *(item for item in perhaps if item is not None)]


def _overlaps(told: int | None, counted: dict[str, Any]) -> list[Finding]:
    """Return what was counted where the tables are there, else what the profile told."""
    if not counted:
        return [_overlap(told)]
    return [data_findings.overlap(name, found) for name, found in counted.items()]


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
