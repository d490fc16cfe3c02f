"""Whether the same rows get the same answers when asked again."""

from __future__ import annotations

from typing import Any

import numpy as np

from govern.checks.registry import CheckData, Model, Outcome
from govern.domain.check import Finding

REPEATS = 10


def run(model: Model, data: CheckData, seed: int, parameters: dict[str, Any]) -> Outcome:
    """Ask ten times, and count rows whose answer changed at least once."""
    protected = data.protected_of(model)
    answers = np.stack([data.answers(model.predict(data.rows, protected)) for _ in range(REPEATS)])
    changed = int((answers != answers[0]).any(axis=0).sum())
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
