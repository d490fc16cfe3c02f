"""What loaders share: protected codes as further columns, and labels from probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def with_codes(rows: np.ndarray, protected: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return rows [n, features + attributes]: codes follow the features, in the card's order."""
    if not protected:
        return rows
    return np.column_stack([rows, *protected.values()])


def answer(scores: Any, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and scores of what a library gave.

    Args:
        scores: probabilities of the positive outcome, [n] or [n, 1].
        threshold: a label is 1 where the score is at least this.
    """
    values = np.asarray(scores)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    return (values >= threshold).astype(np.int64), values
