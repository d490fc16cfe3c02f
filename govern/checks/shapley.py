"""Shapley values of any model by antithetic permutation paths, in large batches.

Each path walks one random order of the features from a background row to the row being
explained, and back in the opposite order; the change in the output at each step is that
feature's contribution. The mean over paths is unbiased, adds up exactly to f(x) minus the
mean of f over the background rows used, and is exact when features interact at most in
pairs and every background row is used equally often.
Source: Mitchell et al., "Sampling permutations for Shapley value estimation", JMLR 2022.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

BATCH = 65_536
Function = Callable[[np.ndarray], np.ndarray]
Explainer = Callable[[np.ndarray, np.ndarray, int, int], "Attributions"]


@dataclass(frozen=True)
class Attributions:
    """Values and standard errors [rows, features], base and output [rows]."""

    values: np.ndarray
    errors: np.ndarray
    base: float
    output: np.ndarray
    evaluations: int

    @property
    def additivity_error(self) -> float:
        """Largest gap between a score and base plus its attributions."""
        return float(np.abs(self.values.sum(axis=1) + self.base - self.output).max())


def explain(
    function: Function,
    rows: np.ndarray,
    background: np.ndarray,
    *,
    paths: int,
    seed: int,
    batch: int = BATCH,
) -> Attributions:
    """Explain rows.

    Args:
        function: float [n, features] to float [n].
        rows: float [r, features].
        background: float [b, features]; ``paths`` should be a multiple of b.
        paths: antithetic paths per row.
        seed: of the orders and of the background's order.
        batch: largest number of rows given to ``function`` at once.
    """
    count, features = rows.shape
    masks, chosen, place = plan(features, paths, len(background), seed)
    at_background = function(background)[chosen]
    start = background[chosen].repeat(2 * (features - 1), axis=0)
    values, errors = np.empty((count, features)), np.empty((count, features))
    output, step = np.empty(count), rows_at_once(features, paths, batch)
    room = np.empty((step * (len(masks) + 1), features))
    for low in range(0, count, step):
        part = rows[low : low + step]
        asked = function(_mixed(part, masks, start, room))
        mixed = len(part) * len(masks)
        walked = asked[:mixed].reshape(len(part), paths, 2, features - 1)
        output[low : low + step] = asked[mixed:]
        gains = _gains(walked, output[low : low + step], at_background, place)
        values[low : low + step] = gains.mean(axis=1)
        errors[low : low + step] = gains.std(axis=1, ddof=1) / np.sqrt(paths)
    evaluations = count * evaluations_of(features, paths) + len(background)
    return Attributions(values, errors, float(at_background.mean()), output, evaluations)


def _mixed(part: np.ndarray, masks: np.ndarray, start: np.ndarray, room: np.ndarray) -> np.ndarray:
    """Return every stop of every path of some rows, and then the rows; written into ``room``."""
    size = len(part) * len(masks)
    stops = room[:size].reshape(len(part), *masks.shape)
    np.copyto(stops, start[None])
    np.copyto(stops, part[:, None, :], where=masks[None])
    room[size : size + len(part)] = part
    return room[: size + len(part)]


def evaluations_of(features: int, paths: int) -> int:
    """Return how often the function is evaluated for one row: along each path, and at the row."""
    return 2 * (features - 1) * paths + 1


def rows_at_once(features: int, paths: int, batch: int = BATCH) -> int:
    """Return how many rows go into one call; rows cut at multiples of it give the same bits."""
    return max(1, batch // evaluations_of(features, paths))


def plan(
    features: int, paths: int, background: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the paths to walk, from the seed alone.

    Returns:
        masks bool [paths * 2 * (features - 1), features], true where the row's own value stands;
        the background row of each path [paths]; each feature's place in its order [paths,
        features].
    """
    generator = np.random.default_rng(seed)
    orders = np.stack([generator.permutation(features) for _ in range(paths)])
    rounds = -(-paths // background)
    chosen = np.concatenate([generator.permutation(background) for _ in range(rounds)])[:paths]
    place = np.argsort(orders, axis=1)
    forward = place[:, None, :] < np.arange(1, features)[None, :, None]
    masks = np.stack([forward, ~forward], axis=1).reshape(-1, features)
    return masks, chosen, place


def _gains(
    walked: np.ndarray, output: np.ndarray, at_background: np.ndarray, place: np.ndarray
) -> np.ndarray:
    """Return each path's gain per feature [rows, paths, features]."""
    count, paths = walked.shape[:2]
    top = np.broadcast_to(output[:, None, None], (count, paths, 1))
    bottom = np.broadcast_to(at_background[None, :, None], (count, paths, 1))
    up = np.concatenate([bottom, walked[:, :, 0], top], axis=2)
    down = np.concatenate([top, walked[:, :, 1], bottom], axis=2)
    by_step = 0.5 * (np.diff(up, axis=2) - np.diff(down, axis=2))
    index = np.broadcast_to(place[None], (count, paths, place.shape[1]))
    return np.take_along_axis(by_step, index, axis=2)
