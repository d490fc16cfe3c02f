"""What loaders share: protected codes as further columns, and labels from probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from govern.checks.tasks import Task
from govern.errors import CandidateError


def with_codes(rows: np.ndarray, protected: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return rows [n, features + attributes]: codes follow the features, in the card's order."""
    if not protected:
        return rows
    return np.column_stack([rows, *protected.values()])


def answer(scores: Any, card: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and scores of what a library gave.

    Args:
        scores: probabilities of the positive outcome or numbers, [n] or [n, 1]; for several
            classes the probability of each, [n, classes].
        card: the candidate's card; where there are two outcomes, a label is 1 where the score
            is at least its ``threshold``, 0.5 unless said.
    """
    task, values = Task.read(card), np.asarray(scores)
    if task.classes:
        return _of_classes(values, task)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if task.is_number:
        return np.zeros(len(values), np.int64), values
    return (values >= float(card.get("threshold", 0.5))).astype(np.int64), values


def _of_classes(values: np.ndarray, task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Return each row's likeliest class, and the share of the class that counts as selected."""
    if values.ndim != 2 or values.shape[1] != len(task.classes):
        raise CandidateError(
            f"the model gave {list(values.shape)}; a probability for each of its "
            f"{len(task.classes)} classes is expected"
        )
    return values.argmax(axis=1), values[:, task.positive]
