"""A gate's log on disk in the C2SP tlog-tiles layout: writing, reading, proving.

Files are written whole and by rename; the checkpoint comes last. Full tiles never
change. Partial tiles of a past size are dropped once the full one is there.
It does not sequence: see ``recorder.py``.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from govern.errors import CompletenessError, StorageError
from govern.transparency.tiles import TILE_WIDTH, entries_path, tile_path
from govern.transparency.tree import TileTree
from serving_gate.edge_tree import HASH_BYTES, EdgeTree, File

CHECKPOINT = "checkpoint"
CACHE_TILES_MAX = 512


class LogFolder:
    """``folder/checkpoint`` and ``folder/tile/…``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._cache: dict[str, bytes] = {}

    def checkpoint(self) -> str | None:
        """Return the published checkpoint, or None in a new log."""
        try:
            return (self.folder / CHECKPOINT).read_text("utf-8")
        except FileNotFoundError:
            return None

    def write(self, files: Sequence[File], checkpoint: str) -> None:
        """Write tiles durably, then the checkpoint.

        Raises:
            StorageError: the file system refused; the old checkpoint stands.
        """
        try:
            folders = {self._write_file(path, data) for path, data in files}
            for folder in folders:
                _sync_folder(folder)
            self._write_file(CHECKPOINT, checkpoint.encode())
            _sync_folder(self.folder)
        except OSError as error:
            raise StorageError(f"the gate log cannot be written: {error.strerror}") from error
        for path, _ in files:
            if ".p/" not in path:
                self._drop_partial(path)

    def _write_file(self, path: str, data: bytes) -> Path:
        target = self.folder / path
        temporary = target.with_name(f".{target.name}.part")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        except FileNotFoundError:
            target.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            if os.write(descriptor, data) != len(data):
                raise OSError(28, "a file was written in part")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, target)
        return target.parent

    def _drop_partial(self, path: str) -> None:
        partial = self.folder / f"{path}.p"
        if not partial.is_dir():
            return
        with contextlib.suppress(OSError):  # what stays is harmless
            for file in partial.iterdir():
                file.unlink(missing_ok=True)
            partial.rmdir()

    def read(self, path: str, width: int = TILE_WIDTH) -> bytes:
        """Return a full tile or bundle, or the one of ``width``.

        Raises:
            CompletenessError: it is not there.
        """
        data = self._cache.get(path)
        if data is not None:
            return data
        for name in (path, f"{path}.p/{width}"):
            try:
                data = (self.folder / name).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                continue
            if name == path:
                self._remember(path, data)
            return data
        raise CompletenessError(f"the gate log lacks {path}")

    def _remember(self, path: str, data: bytes) -> None:
        if len(self._cache) >= CACHE_TILES_MAX:
            self._cache.pop(next(iter(self._cache)))
        self._cache[path] = data

    def restore(self, size: int) -> EdgeTree:
        """Return the right edge of the tree of ``size`` leaves."""
        width = size % TILE_WIDTH
        entries = self.read(entries_path(size // TILE_WIDTH), width) if width else b""
        levels: list[bytes] = []
        level = 0
        while size >> (8 * level):
            count = size >> (8 * level)
            part = count % TILE_WIDTH
            tile = self.read(tile_path(level, count // TILE_WIDTH), part) if part else b""
            levels.append(tile[: part * HASH_BYTES])
            level += 1
        return EdgeTree.restore(size, _first_entries(entries, width), levels)

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """Return the inclusion proof of leaf ``index`` in the tree of ``size``, from tiles."""
        return TileTree(size, self._tile).inclusion(index)

    def _tile(self, level: int, index: int, width: int) -> bytes:
        return self.read(tile_path(level, index), width)

    def entry(self, index: int, size: int) -> bytes:
        """Return the entry (leaf data) at ``index`` of a log of ``size``."""
        bundle_index, place = divmod(index, TILE_WIDTH)
        width = min(TILE_WIDTH, size - bundle_index * TILE_WIDTH)
        data = self.read(entries_path(bundle_index), width)
        at = 0
        for _ in range(place):
            at += 2 + int.from_bytes(data[at : at + 2], "big")
        return data[at + 2 : at + 2 + int.from_bytes(data[at : at + 2], "big")]


def _first_entries(data: bytes, count: int) -> bytes:
    at = 0
    for _ in range(count):
        at += 2 + int.from_bytes(data[at : at + 2], "big")
    return data[:at]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
