"""The piece that most checks share: the test table, asked once or several times."""

from __future__ import annotations

import numpy as np

from govern.checks.pieces import Arrays, Piece
from govern.checks.registry import CheckData, Model

ANSWERS = "answers"


def answers(model: Model, data: CheckData, repeats: int = 1) -> Piece:
    """Return the piece that asks the test table.

    Args:
        repeats: how often each batch is asked.

    Returns:
        a piece whose arrays are ``labels`` and ``scores``, ``[rows]``, or ``[rows, repeats]``
        where it is asked more than once.
    """
    rows, protected = data.rows, data.protected_of(model)

    def ask(part: slice) -> Arrays:
        given = {name: values[part] for name, values in protected.items()}
        found = [model.predict(rows[part], given) for _ in range(repeats)]
        if repeats == 1:
            return {"labels": found[0][0], "scores": found[0][1]}
        labels, scores = zip(*found, strict=True)
        return {"labels": np.stack(labels, axis=1), "scores": np.stack(scores, axis=1)}

    return Piece(ANSWERS, len(rows), batch_rows(model, len(rows)), repeats, ask)


def batch_rows(model: Model, rows: int) -> int:
    """Return how many rows the model is sent at once: all of them where it does not say."""
    told = model.device.get("rows_per_batch")
    return told if isinstance(told, int) and told > 0 else max(1, rows)
