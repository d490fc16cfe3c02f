"""Whether the same rows get the same answers when asked again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from govern.checks.asking import ANSWERS, answers
from govern.checks.pieces import Parts, Piece
from govern.checks.registry import CheckData, Model, Outcome
from govern.domain.check import Finding

REPEATS = 10


def pieces(model: Model, data: CheckData, seed: int, parameters: Mapping[str, Any]) -> list[Piece]:
    """Return the test table, asked ten times."""
    return [answers(model, data, REPEATS)]


def run(
    model: Model, data: CheckData, seed: int, parameters: dict[str, Any], parts: Parts
) -> Outcome:
    """Count the rows whose answer changed at least once in ten times."""
    given = data.answers((parts[ANSWERS]["labels"], parts[ANSWERS]["scores"]))
    changed = int((given != given[:, :1]).any(axis=1).sum())
    metrics = {
        "rows": len(data.labels),
        "repeats": REPEATS,
        "changed_rows": changed,
        "share": changed / len(data.labels),
    }
    message = f"{changed} of {len(data.labels)} applications changed over {REPEATS} repeats."
    verdict = "pass" if changed == 0 else "fail"
    finding = Finding(
        "repeatable-answers",
        "Same application, same answer",
        verdict,
        message,
        value=float(changed),
        threshold=0.0,
        unit="rows",
        n=len(data.labels),
    )
    return [finding], metrics
