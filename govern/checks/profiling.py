"""What a table holds, said before any model is looked at: counts, missing values, base rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from govern.checks.counts import UNKNOWN

GROUPS_SHOWN = 50


def profile(
    features: pd.DataFrame,
    labels: np.ndarray | pd.Series,
    sensitive: pd.DataFrame,
    *,
    sentinels: Sequence[Mapping[str, Any]] = (),
    leaking: Sequence[str] = (),
    train_rows: int | None = None,
) -> dict[str, Any]:
    """Return the profile that the data check reads.

    Args:
        features: test rows [n, features].
        labels: [n].
        sensitive: sensitive features by row, text.
        sentinels: ``column``, ``value``, ``count`` of values that were made missing.
        leaking: columns that were left out because they are known only afterwards.
        train_rows: rows of the training table, where it is given.
    """
    missing = features.isna().sum()
    numbers = pd.to_numeric(pd.Series(np.asarray(labels)), errors="coerce")
    return {
        "rows": len(features),
        "columns": features.shape[1],
        "features": [str(name) for name in features.columns],
        "sentinels": [dict(row) for row in sentinels],
        "missing": {str(name): int(count) for name, count in missing.items() if count},
        "leaking_refused": list(leaking),
        "protected_excluded": [str(name) for name in sensitive.columns],
        "unknown": {str(name): int((sensitive[name] == UNKNOWN).sum()) for name in sensitive},
        "group_counts": {
            str(name): {
                str(group): int(count)
                for group, count in sensitive[name].value_counts().head(GROUPS_SHOWN).items()
            }
            for name in sensitive
        },
        "label_rate": float(numbers.mean()) if numbers.notna().all() else None,
        "split": {"train": train_rows, "test": len(features), "overlap": None},
    }
