"""The right edge of a log's Merkle tree: all that a writer needs, in flat memory.

Pure. Full tiles are handed out to be written and then forgotten; at most 255 hashes a
tile level stay here, whatever the size of the log. Proofs are made from tiles: see
``log_files.py``.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence

from govern.transparency.merkle import EMPTY_ROOT, node_hash
from govern.transparency.tiles import TILE_WIDTH, entries_path, tile_path
from govern.transparency.tree import fold

HASH_BYTES = 32
File = tuple[str, bytes]


class EdgeTree:
    """An append-only tree that remembers its right edge."""

    def __init__(self) -> None:
        self.size = 0
        self._entries = bytearray()
        self._levels: list[bytearray] = [bytearray()]

    @classmethod
    def restore(cls, size: int, entries: bytes, levels: Sequence[bytes]) -> EdgeTree:
        """Rebuild from the partial bundle and the partial tiles of a log of ``size``."""
        tree = cls()
        tree.size = size
        tree._entries = bytearray(entries)
        tree._levels = [bytearray(level) for level in levels] or [bytearray()]
        return tree

    def append(self, leaves: Sequence[bytes]) -> list[File]:
        """Add leaves (data, not hashes).

        Returns:
            the entry bundles and tiles that became full.
        """
        full: list[File] = []
        sha256, pack = hashlib.sha256, struct.Struct(">H").pack
        at = 0
        while at < len(leaves):
            part = leaves[at : at + TILE_WIDTH - self.size % TILE_WIDTH]
            self._entries += b"".join([pack(len(leaf)) + leaf for leaf in part])
            self._levels[0] += b"".join([sha256(b"\0" + leaf).digest() for leaf in part])
            self.size += len(part)
            at += len(part)
            if self.size % TILE_WIDTH == 0:
                full.append((entries_path(self.size // TILE_WIDTH - 1), bytes(self._entries)))
                self._entries.clear()
                self._carry(0, full)
        return full

    def _carry(self, level: int, full: list[File]) -> None:
        tile = bytes(self._levels[level])
        index = (self.size >> (8 * (level + 1))) - 1
        full.append((tile_path(level, index), tile))
        self._levels[level].clear()
        if len(self._levels) == level + 1:
            self._levels.append(bytearray())
        self._levels[level + 1] += fold(tile)
        if len(self._levels[level + 1]) == TILE_WIDTH * HASH_BYTES:
            self._carry(level + 1, full)

    def partial(self) -> list[File]:
        """Return the entry bundle and the tiles that are begun but not full."""
        files: list[File] = []
        if self._entries:
            width = self.size % TILE_WIDTH
            files.append((entries_path(self.size // TILE_WIDTH, width), bytes(self._entries)))
        for level, hashes in enumerate(self._levels):
            if hashes:
                index = self.size >> (8 * (level + 1))
                path = tile_path(level, index, len(hashes) // HASH_BYTES)
                files.append((path, bytes(hashes)))
        return files

    def root(self) -> bytes:
        """Return the root hash over all leaves."""
        parts: list[bytes] = []
        for hashes in reversed(self._levels):
            parts += _perfect_roots(bytes(hashes))
        if not parts:
            return EMPTY_ROOT
        root = parts.pop()
        while parts:
            root = node_hash(parts.pop(), root)
        return root


def _perfect_roots(hashes: bytes) -> list[bytes]:
    """Return the roots of the perfect subtrees over hashes, largest first."""
    roots: list[bytes] = []
    at, width = 0, len(hashes) // HASH_BYTES
    while width:
        step = 1 << (width.bit_length() - 1)
        roots.append(fold(hashes[at : at + step * HASH_BYTES]))
        at += step * HASH_BYTES
        width -= step
    return roots
