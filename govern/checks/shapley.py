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

from govern.errors import InvalidRequestError

BATCH = 65_536
CELLS_MAX = 1 << 24  # values in one call: 128 MiB of float64
FEATURES_MAX = 2_000
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
    chosen, place = plan(features, paths, len(background), seed)
    at_background = function(background)[chosen]
    values, errors, output = (
        np.empty((count, features)),
        np.empty((count, features)),
        np.empty(count),
    )
    step, block = rows_at_once(features, paths, batch), paths_at_once(features, paths, batch)
    room = np.empty((step * (block * 2 * (features - 1) + 1), features))
    masks = np.empty((0, features), bool)
    for low in range(0, count, step):
        part = rows[low : low + step]
        walked = np.empty((len(part), paths, 2, features - 1))
        for first in range(0, paths, block):
            some = slice(first, first + block)
            if block < paths or not low:
                masks, start = _stops(place[some], background[chosen[some]])
            asked = function(_mixed(part, masks, start, room))
            size = len(part) * len(masks)
            walked[:, some] = asked[:size].reshape(len(part), -1, 2, features - 1)
        output[low : low + step] = asked[size:]
        gains = _gains(walked, output[low : low + step], at_background, place)
        values[low : low + step] = gains.mean(axis=1)
        errors[low : low + step] = gains.std(axis=1, ddof=1) / np.sqrt(paths)
    evaluations = count * evaluations_of(features, paths, batch) + len(background)
    return Attributions(values, errors, float(at_background.mean()), output, evaluations)


def _stops(place: np.ndarray, background: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where some paths stop: whose value stands, and the background's values.

    Args:
        place: each feature's place in its path's order [paths, features].
        background: the row of each path [paths, features].

    Returns:
        bool and float, [paths * 2 * (features - 1), features]: forward, and back.
    """
    features = place.shape[1]
    forward = place[:, None, :] < np.arange(1, features)[None, :, None]
    masks = np.stack([forward, ~forward], axis=1).reshape(-1, features)
    return masks, background.repeat(2 * (features - 1), axis=0)


def _mixed(part: np.ndarray, masks: np.ndarray, start: np.ndarray, room: np.ndarray) -> np.ndarray:
    """Return every stop of some paths of some rows, and then the rows; written into ``room``."""
    size = len(part) * len(masks)
    stops = room[:size].reshape(len(part), *masks.shape)
    np.copyto(stops, start[None])
    np.copyto(stops, part[:, None, :], where=masks[None])
    room[size : size + len(part)] = part
    return room[: size + len(part)]


def evaluations_of(features: int, paths: int, batch: int = BATCH) -> int:
    """Return how often the function is evaluated for one row: along each path, and at the row.

    Raises:
        InvalidRequestError: there are more features than one path can be walked through.
    """
    blocks = -(-paths // paths_at_once(features, paths, batch))
    return 2 * (features - 1) * paths + blocks


def rows_at_once(features: int, paths: int, batch: int = BATCH) -> int:
    """Return how many rows go into one call; rows cut at multiples of it give the same bits."""
    each = evaluations_of(features, paths, batch)
    return max(1, min(batch // each, CELLS_MAX // (each * features)))


def paths_at_once(features: int, paths: int, batch: int = BATCH) -> int:
    """Return how many paths of a row go into one call: all of them, unless it is wide.

    Raises:
        InvalidRequestError: there are more features than one path can be walked through.
    """
    if features > FEATURES_MAX:
        raise InvalidRequestError(
            f"{features} inputs are too many to explain by permutation paths; at most "
            f"{FEATURES_MAX} are"
        )
    stops = max(1, 2 * (features - 1))
    return max(1, min(paths, batch // stops, CELLS_MAX // (stops * features)))


def plan(features: int, paths: int, background: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the paths to walk, from the seed alone.

    Returns:
        the background row of each path [paths], and each feature's place in its order [paths,
        features].
    """
    generator = np.random.default_rng(seed)
    orders = np.stack([generator.permutation(features) for _ in range(paths)])
    rounds = -(-paths // background)
    chosen = np.concatenate([generator.permutation(background) for _ in range(rounds)])[:paths]
    return chosen, np.argsort(orders, axis=1)


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
