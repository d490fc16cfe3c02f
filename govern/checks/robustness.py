"""How answers hold when inputs move a little or go missing.

Every feature gets normal noise of a tenth of its own spread, all at once; then each feature
in turn is taken away from everybody (missing, as the model's own input would say it).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from govern.checks import intervals
from govern.checks.registry import CheckData, Model
from govern.domain.check import Finding

NOISE_SHARE = 0.1
REPEATS = 5
ROWS_MAX = 2000
FLIP_MAX = 0.1
FEATURES_SHOWN = 8


def measure(model: Model, data: CheckData, predicted: np.ndarray, seed: int) -> dict[str, Any]:
    """Return shares of answers that change under noise and without each feature.

    Args:
        predicted: int [n], the answers to the untouched rows.
        seed: of the noise and of the rows looked at.
    """
    generator = np.random.default_rng(seed)
    count = len(data.labels)
    chosen = np.sort(generator.choice(count, min(ROWS_MAX, count), replace=False))
    rows, before = data.rows[chosen], predicted[chosen]
    protected = data.protected_of(model, chosen)
    spread = np.nan_to_num(np.nanstd(rows, axis=0))
    shape = (REPEATS, *rows.shape)
    noisy = rows + generator.normal(size=shape) * NOISE_SHARE * spread
    answers = np.stack([model.predict(table, protected)[0] for table in noisy])
    flipped = int((answers != before).sum())
    low, high = intervals.wilson(flipped / REPEATS, len(rows))
    return {
        "rows": len(rows),
        "noise_share": NOISE_SHARE,
        "repeats": REPEATS,
        "changed": {"value": flipped / (REPEATS * len(rows)), "low": low, "high": high},
        "missing": _missing(model, data, rows, before, protected),
    }


def _missing(
    model: Model, data: CheckData, rows: np.ndarray, before: np.ndarray, protected: dict[str, Any]
) -> list[dict[str, Any]]:
    """Return the features whose absence changes most answers; None where it is refused."""
    found: list[dict[str, Any]] = []
    for at, name in enumerate(data.features.columns):
        without = rows.copy()
        without[:, at] = np.nan
        try:
            changed = float((model.predict(without, protected)[0] != before).mean())
        except (ValueError, RuntimeError) as error:
            found.append({"feature": str(name), "changed": None, "refused": str(error)[:120]})
            continue
        found.append({"feature": str(name), "changed": changed})
    found.sort(key=lambda row: -(2.0 if row["changed"] is None else float(row["changed"])))
    return found[:FEATURES_SHOWN]


def findings(measured: dict[str, Any]) -> list[Finding]:
    """Return what the figures mean."""
    changed = measured["changed"]
    return [
        Finding(
            "noise",
            "Small changes of the inputs leave the answer",
            "pass" if changed["value"] <= FLIP_MAX else "uncertain",
            f"{changed['value']:.1%} of the answers change when every input moves by a tenth of "
            "its spread.",
            value=changed["value"],
            low=changed["low"],
            high=changed["high"],
            threshold=FLIP_MAX,
            unit="share",
            n=measured["rows"],
        )
    ]
