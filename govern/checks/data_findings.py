"""What the figures about tables mean: one finding each, with its convention as the limit."""

from __future__ import annotations

from typing import Any

from govern.checks import splits
from govern.domain.check import Finding

NAMED_MAX = 8


def overlap(name: str, found: dict[str, Any]) -> Finding:
    """Say whether test rows, or their subjects, were seen in a table the model learnt from."""
    rows, shared = found["rows"], found["subjects"]
    clean = not rows and not shared
    people = "" if shared is None else f", {shared} subjects are in both"
    return Finding(
        "split-overlap",
        f"No row in both {name} and test",
        "pass" if clean else "fail",
        f"{rows} test rows have the inputs of a row in {name}{people}.",
        value=float(rows),
        threshold=0.0,
        unit="rows",
        subject=name,
    )


def drift(name: str, rows: list[dict[str, Any]]) -> Finding:
    """Say which features have moved; drift is for a person to judge, so it never fails."""
    moved = [
        row for row in rows if row["psi"] >= splits.PSI_OTHER or (row["ks"] or 0) >= splits.KS_MAX
    ]
    named = ", ".join(
        f"{row['feature']} (PSI {row['psi']:.2f}, KS {row['ks'] or 0:.2f})"
        for row in moved[:NAMED_MAX]
    )
    return Finding(
        "drift",
        f"Test rows are like those of {name}",
        "uncertain" if moved else "pass",
        f"Moved: {named}." if moved else f"No feature of {len(rows)} has moved.",
        value=max((row["psi"] for row in rows), default=None),
        threshold=splits.PSI_OTHER,
        unit="PSI",
        subject=name,
    )


def base_rates(rows: list[dict[str, Any]]) -> Finding | None:
    """Say whether the tables' outcomes are about as frequent; None where they are no shares."""
    if not all("low" in row for row in rows):
        return None
    test = rows[0]
    apart = [
        row["table"] for row in rows[1:] if row["low"] > test["high"] or row["high"] < test["low"]
    ]
    said = ", ".join(f"{row['table']} {row['mean']:.1%} of {row['n']}" for row in rows)
    return Finding(
        "base-rates",
        "The outcome is as frequent in every table",
        "uncertain" if apart else "pass",
        f"Positive: {said}.",
        value=test["mean"],
        low=test["low"],
        high=test["high"],
        unit="share",
    )


def leaks(rows: list[dict[str, Any]]) -> Finding:
    """Say which inputs alone give the outcome away."""
    named = ", ".join(f"{row['feature']} ({row['strength']:.3f})" for row in rows[:NAMED_MAX])
    return Finding(
        "single-feature-leak",
        "No input alone gives the outcome away",
        "uncertain" if rows else "pass",
        f"Almost the outcome itself: {named}." if rows else "None does.",
        value=max((row["strength"] for row in rows), default=None),
        threshold=splits.LEAK_AREA,
        unit="area",
    )


def sentinels(rows: list[dict[str, Any]]) -> Finding | None:
    """Name values that look like a code for missing and were not declared; None where none does."""
    if not rows:
        return None
    named = ", ".join(
        f"{row['column']}={row['value']:g} ({row['count']})" for row in rows[:NAMED_MAX]
    )
    return Finding(
        "undeclared-sentinel",
        "No value stands for missing without being declared",
        "uncertain",
        f"Far from all others and often: {named}.",
        value=float(sum(row["count"] for row in rows)),
        unit="values",
    )


def doubled(count: int) -> Finding | None:
    """Say how many test rows share their subject with another; None where none does."""
    if not count:
        return None
    return Finding(
        "duplicate-subjects",
        "Every subject stands once in the test table",
        "uncertain",
        f"{count} test rows share their subject with another row: intervals that take rows as "
        "independent are too narrow.",
        value=float(count),
        threshold=0.0,
        unit="rows",
    )


def constant(names: list[str]) -> Finding | None:
    """Name inputs that never vary; None where all do."""
    if not names:
        return None
    return Finding(
        "constant-inputs",
        "Every input varies",
        "uncertain",
        f"Always the same: {', '.join(names[:NAMED_MAX])}.",
        value=float(len(names)),
        threshold=0.0,
        unit="columns",
    )
