"""A check's questions to the model, cut so that one worker or many can ask them.

A piece is a number of rows that are asked alike: the test table once, the same table ten
times, the rows that are explained. A shard is a run of a piece's rows. What is asked in one
batch is fixed by the piece's ``step``, and a shard is a whole number of steps, so that how
many shards there are changes no bit of what comes back. What follows from it is the check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

Arrays = dict[str, np.ndarray]
Parts = Mapping[str, Arrays]  # by piece
SHARDS_MAX = 4096


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows that are asked alike.

    Args:
        name: of the piece, unique in its check.
        rows: how many there are.
        step: rows that are asked together.
        evaluations: of the model, for each row.
        ask: given some of the rows, returns arrays by name, each ``[those rows, ...]``.
    """

    name: str
    rows: int
    step: int
    evaluations: int
    ask: Callable[[slice], Arrays]

    def whole(self) -> Arrays:
        """Ask every row."""
        return self.ask(slice(0, self.rows))


@dataclass(frozen=True, slots=True)
class Shard:
    """The rows ``low`` to ``high`` of a piece, and how many evaluations they take."""

    piece: str
    low: int
    high: int
    evaluations: int


def cut(pieces: Iterable[Piece], evaluations_max: int) -> list[Shard]:
    """Cut pieces into shards of whole steps.

    Args:
        pieces: of one check.
        evaluations_max: of one shard, unless a single step takes more; it grows where there
            would be more than ``SHARDS_MAX`` shards of a piece.
    """
    found = []
    for piece in pieces:
        steps = max(1, evaluations_max // max(1, piece.step * piece.evaluations))
        size = piece.step * max(steps, -(-piece.rows // (piece.step * SHARDS_MAX)))
        for low in range(0, piece.rows, size):
            high = min(piece.rows, low + size)
            found.append(Shard(piece.name, low, high, (high - low) * piece.evaluations))
    return found


def joined(shards: Iterable[tuple[Shard, Arrays]]) -> dict[str, Arrays]:
    """Put what shards brought back together, in the order of the rows.

    Raises:
        ValueError: rows are missing between two shards.
    """
    by_piece: dict[str, list[tuple[Shard, Arrays]]] = {}
    for shard, arrays in shards:
        by_piece.setdefault(shard.piece, []).append((shard, arrays))
    return {name: _of_piece(name, found) for name, found in by_piece.items()}


def _of_piece(name: str, found: Sequence[tuple[Shard, Arrays]]) -> Arrays:
    ordered, at = sorted(found, key=lambda item: item[0].low), 0
    for shard, _ in ordered:
        if shard.low != at:
            raise ValueError(f"the rows {at} to {shard.low} of {name} are missing or come twice")
        at = shard.high
    names = ordered[0][1]
    return {key: np.concatenate([arrays[key] for _, arrays in ordered]) for key in names}
