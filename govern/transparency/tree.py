"""Grow an RFC 6962 tree and prove things about it, in memory or from tiles.

``Tree`` keeps every full subtree's hash, level by level, as concatenated bytes: 64 bytes
a leaf. ``TileTree`` reads the few tiles that a proof needs, whatever the log's size.
``Frontier`` keeps the right edge alone, so it walks a log of any size in constant memory.
Storage is someone else's: see ``tiles.py`` for what lies where.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from struct import Struct

from govern.errors import ProofError
from govern.transparency.merkle import EMPTY_ROOT, HASH_BYTES, leaf_hashes, node_hash
from govern.transparency.short_hash import short_sha256

TILE_LEVELS = 8
TILE_HASHES = 1 << TILE_LEVELS
_PAIR = Struct(f"{2 * HASH_BYTES}s")


class Provable(ABC):
    """Roots and proofs over the hashes of full subtrees (RFC 6962 section 2.1)."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Number of leaves."""

    @abstractmethod
    def hash_at(self, level: int, index: int) -> bytes:
        """Return the hash of the full subtree ``index`` of 2**level leaves."""

    def root(self, size: int | None = None) -> bytes:
        """Return the root hash of the first ``size`` leaves (all by default)."""
        size = self.size if size is None else size
        if not 0 <= size <= self.size:
            raise ValueError(f"size {size} is outside a tree of {self.size}")
        return self._range(0, size) if size else EMPTY_ROOT

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """Return the inclusion proof of leaf ``index`` in the first ``size`` leaves."""
        size = self.size if size is None else size
        if not 0 <= index < size <= self.size:
            raise ValueError(f"index {index} or size {size} is outside a tree of {self.size}")
        proof: list[bytes] = []
        start, end = 0, size
        while end - start > 1:
            split = start + _split(end - start)
            if index < split:
                proof.append(self._range(split, end))
                end = split
            else:
                proof.append(self._range(start, split))
                start = split
        return proof[::-1]

    def consistency(self, old_size: int, new_size: int | None = None) -> list[bytes]:
        """Return the consistency proof from ``old_size`` to ``new_size`` leaves."""
        new_size = self.size if new_size is None else new_size
        if not 0 <= old_size <= new_size <= self.size:
            raise ValueError(f"sizes {old_size}, {new_size} are outside a tree of {self.size}")
        if old_size in (0, new_size):
            return []
        proof: list[bytes] = []
        start, end, whole = 0, new_size, True
        while old_size != end:
            split = start + _split(end - start)
            if old_size <= split:
                proof.append(self._range(split, end))
                end = split
            else:
                proof.append(self._range(start, split))
                start, whole = split, False
        return ([] if whole else [self._range(start, end)]) + proof[::-1]

    def _range(self, start: int, end: int) -> bytes:
        """Return the hash over leaves start..end, start aligned to the subtree's size."""
        count = end - start
        level = count.bit_length() - 1
        if count == 1 << level:
            return self.hash_at(level, start >> level)
        split = start + _split(count)
        return node_hash(self._range(start, split), self._range(split, end))


class Tree(Provable):
    """An append-only Merkle tree."""

    def __init__(self) -> None:
        self._levels: list[bytearray] = [bytearray()]

    @classmethod
    def from_leaves(cls, leaves: Iterable[bytes]) -> Tree:
        """Build a tree over leaf data (not hashes)."""
        tree = cls()
        tree.append(leaf_hashes(list(leaves)))
        return tree

    @property
    def size(self) -> int:
        """Number of leaves."""
        return len(self._levels[0]) // 32

    def append(self, leaf_hashes: Sequence[bytes]) -> None:
        """Add leaf hashes (32 bytes each) at the end."""
        self._levels[0] += b"".join(leaf_hashes)
        level = 0
        while self._lift(level):
            level += 1

    def _lift(self, level: int) -> bool:
        """Hash the new full pairs of ``level`` into the next; say whether there were any."""
        if len(self._levels) == level + 1:
            self._levels.append(bytearray())
        have, want = len(self._levels[level + 1]) // 32, len(self._levels[level]) // 64
        if want <= have:
            return False
        self._levels[level + 1] += _lifted(bytes(self._levels[level][have * 64 : want * 64]))
        return True

    def truncate(self, size: int) -> None:
        """Forget the leaves from ``size`` on (recovery after a failed batch)."""
        for level, hashes in enumerate(self._levels):
            del hashes[(size >> level) * 32 :]

    def hash_at(self, level: int, index: int) -> bytes:
        """Return the hash of the full subtree ``index`` of 2**level leaves."""
        return bytes(self._levels[level][32 * index : 32 * index + 32])


class TileTree(Provable):
    """The tree of a published log, read tile by tile.

    Args:
        size: number of leaves the checkpoint covers.
        read: returns the bytes of a hash tile, given level, index and the number of hashes
            (1 to 256) that it holds at this size; more of them may come.
    """

    def __init__(self, size: int, read: Callable[[int, int, int], bytes]) -> None:
        self._size = size
        self._read = read
        self._tiles: dict[tuple[int, int], tuple[bytes, ...]] = {}

    @property
    def size(self) -> int:
        """Number of leaves."""
        return self._size

    def hash_at(self, level: int, index: int) -> bytes:
        """Return the hash of the full subtree ``index`` of 2**level leaves.

        Raises:
            ProofError: the tile is shorter than the log's size says.
        """
        tile_level, inner = divmod(level, TILE_LEVELS)
        tile_index, place = divmod(index << inner, TILE_HASHES)
        levels, at = self._tile(tile_level, tile_index), (place >> inner) * HASH_BYTES
        found = levels[inner][at : at + HASH_BYTES] if inner < len(levels) else b""
        if len(found) != HASH_BYTES:
            raise ProofError(f"hash tile {tile_level}/{tile_index} is too short")
        return found

    def _tile(self, level: int, index: int) -> tuple[bytes, ...]:
        if (level, index) not in self._tiles:
            count = self._size >> (TILE_LEVELS * level)
            width = min(TILE_HASHES, count - index * TILE_HASHES)
            tile = self._read(level, index, width)
            shared = level > 0 or width < TILE_HASHES
            self._tiles[level, index] = levels_shared(tile) if shared else levels_of(tile)
        return self._tiles[level, index]


class Frontier:
    """The right edge of a growing tree: one hash for each bit set in its size."""

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        self.size = size
        self._peaks = list(peaks)

    def copy(self) -> Frontier:
        """Return another that grows on its own."""
        return Frontier(self.size, self._peaks)

    def add(self, value: bytes, level: int = 0) -> None:
        """Add the hash of a full subtree of 2**level leaves, aligned to its size.

        Raises:
            ValueError: the tree's size is no multiple of the subtree's.
        """
        if self.size & ((1 << level) - 1):
            raise ValueError(f"a subtree of 2**{level} leaves does not fit at {self.size}")
        carry = self.size >> level
        while carry & 1:
            value = node_hash(self._peaks.pop(), value)
            carry >>= 1
        self._peaks.append(value)
        self.size += 1 << level

    def root(self) -> bytes:
        """Return the root hash over everything added."""
        if not self._peaks:
            return EMPTY_ROOT
        value = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            value = node_hash(peak, value)
        return value


def fold(hashes: bytes) -> bytes:
    """Return the root over a power of two of concatenated hashes."""
    while len(hashes) > HASH_BYTES:
        hashes = _lifted(hashes)
    return hashes


def levels_of(hashes: bytes) -> tuple[bytes, ...]:
    """Return concatenated hashes and every level above them: the full pairs of the one below."""
    levels = [hashes]
    while len(levels[-1]) >= 2 * HASH_BYTES:
        levels.append(_lifted(levels[-1]))
    return tuple(levels)


@lru_cache(maxsize=512)
def levels_shared(hashes: bytes) -> tuple[bytes, ...]:
    """Return the same as ``levels_of``, remembered: proofs share all but the full lowest tiles.

    It holds at most 8 MiB, and an entry is found by the very bytes it was made from.
    """
    return levels_of(hashes)


def _lifted(hashes: bytes) -> bytes:
    """Return the hash of every full pair (RFC 6962 section 2.1)."""
    sha256, whole = short_sha256, len(hashes) // _PAIR.size * _PAIR.size
    pairs = _PAIR.iter_unpack(hashes[:whole])
    return b"".join([sha256(b"\1" + pair).digest() for (pair,) in pairs])


def _split(count: int) -> int:
    """Return the largest power of two smaller than ``count``."""
    return 1 << ((count - 1).bit_length() - 1)
