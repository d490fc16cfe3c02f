"""Which rows are explained, against which background, and the pieces that do it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from govern.checks import explanation_quality as quality
from govern.checks import shapley
from govern.checks.counts import encode
from govern.checks.pieces import Arrays, Piece
from govern.checks.registry import CheckData, Model

ROWS = 120
GROUP_ROWS = 25
STABILITY_ROWS = 40
PATHS_PER_ROW = 400


@dataclass(frozen=True, slots=True)
class Explained:
    """What is explained against what.

    Args:
        filled: the test table without missing values [n, features].
        background: reference rows without missing values [m, features].
        base: which rows the global figures come from.
        sample: those, and then the top-up of small groups.
        paths: antithetic paths for each row.
    """

    filled: np.ndarray
    background: np.ndarray
    base: np.ndarray
    sample: np.ndarray
    paths: int

    @property
    def rows(self) -> np.ndarray:
        """What is explained, float64 [rows, features]."""
        return np.asarray(self.filled[self.sample])

    @classmethod
    def of(cls, data: CheckData, seed: int, parameters: Mapping[str, Any]) -> Explained:
        """Choose the rows by the seed."""
        filled, background = _filled(data)
        base, sample = sampled(data, int(parameters.get("rows", ROWS)), seed)
        paths = -(-PATHS_PER_ROW // len(background)) * len(background)
        return cls(filled, background, base, sample, paths)


def pieces(model: Model, data: CheckData, seed: int, parameters: Mapping[str, Any]) -> list[Piece]:
    """Return what is explained: the sample, some of it by another seed and by half backgrounds."""
    task, explain = Explained.of(data, seed, parameters), explainer(model, data)
    step = step_of(model)
    again = task.rows[:STABILITY_ROWS]
    halves = quality.halves(task.background, seed)
    return [
        _piece("first", explain, step, task.rows, task.background, task.paths, seed),
        _piece("second", explain, step, again, task.background, task.paths, seed + 1),
        *(
            _piece(f"half {place}", explain, step, again, half, len(half), seed)
            for place, half in enumerate(halves)
        ),
    ]


def _piece(
    name: str,
    explain: shapley.Explainer,
    batch: int,
    rows: np.ndarray,
    background: np.ndarray,
    paths: int,
    seed: int,
) -> Piece:
    def ask(part: slice) -> Arrays:
        found = explain(rows[part], background, paths, seed)
        base = np.full(len(found.output), found.base)
        return {
            "values": found.values, "errors": found.errors, "output": found.output, "base": base
        }  # fmt: skip

    features = rows.shape[1]
    step = shapley.rows_at_once(features, paths, batch)
    return Piece(name, len(rows), step, shapley.evaluations_of(features, paths, batch), ask)


def sampled(data: CheckData, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return which rows are explained: those of the global figures first, then the top-up."""
    generator = np.random.default_rng(seed)
    size = len(data.labels)
    base = np.sort(generator.choice(size, min(count, size), replace=False))
    chosen = set(base.tolist())
    extra: list[int] = []
    for name in data.sensitive:
        groups = encode(name, data.sensitive[name])
        for group in groups.names:
            members = np.flatnonzero(groups.member(group))
            missing = min(GROUP_ROWS, len(members)) - len(chosen.intersection(members.tolist()))
            left = np.array([row for row in members.tolist() if row not in chosen], int)
            if missing > 0:
                drawn = generator.choice(left, missing, replace=False).tolist()
                extra += drawn
                chosen.update(drawn)
    return base, np.concatenate([base, np.array(sorted(extra), int)])


def _filled(data: CheckData) -> tuple[np.ndarray, np.ndarray]:
    """Fill missing values with the background's median, as the models do inside."""
    known = np.where(np.isnan(data.background).all(axis=0), 0.0, data.background)
    median = np.nanmedian(known, axis=0)
    return (
        np.where(np.isnan(data.rows), median, data.rows),
        np.where(np.isnan(data.background), median, data.background),
    )


def scorer(model: Model, data: CheckData) -> shapley.Function:
    """Return the score as a function of features; protected inputs held at the first group."""
    fixed = {name: data.sensitive[name].mode().iloc[0] for name in model.protected}

    def score(rows: np.ndarray) -> np.ndarray:
        protected = {name: np.full(len(rows), value, object) for name, value in fixed.items()}
        return model.predict(rows, protected)[1].astype(float)

    return score


def on_device(model: Model) -> bool:
    """Say whether the model walks the paths where it is, without rows going to and fro."""
    return bool(getattr(model, "walks_paths", False))


def explainer(model: Model, data: CheckData) -> shapley.Explainer:
    """Return what explains rows: the model's own device where it can, else batches from here."""
    if on_device(model):
        explain: shapley.Explainer = model.explain_paths  # type: ignore[attr-defined]
        return explain
    function = scorer(model, data)

    def from_here(
        rows: np.ndarray, background: np.ndarray, paths: int, seed: int
    ) -> shapley.Attributions:
        return shapley.explain(function, rows, background, paths=paths, seed=seed)

    return from_here


def step_of(model: Model) -> int:
    """Return the batch that rows are planned for."""
    told = model.device.get("rows_per_batch")
    return told if on_device(model) and isinstance(told, int) else shapley.BATCH
