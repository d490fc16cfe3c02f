"""Hash files and folders from disk on every core, without loading them.

``hashlib`` lets go of the interpreter while it hashes, so threads use all cores; files are
read in pieces into one buffer a thread. A digest is always of the bytes read now: nothing
is remembered between runs.
"""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from govern.errors import InvalidRequestError, StorageError
from govern.transparency.digest import folder_digest

PIECE_BYTES = 1 << 18
FILES_MAX = 1_000
FILE_BYTES_MAX = 1 << 40
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class HashedFile:
    """One file of a folder: relative POSIX name, place on disk, digest, size in bytes."""

    name: str
    path: Path
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class HashedFolder:
    """A folder's files by name, and their root digest (OpenSSF Model Signing v1.0)."""

    files: tuple[HashedFile, ...]
    digest: str


class _Counter:
    """Adds up bytes from several threads and tells them to ``progress`` one at a time."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._total, self._done = total, 0
        self._progress, self._lock = progress, threading.Lock()

    def add(self, count: int) -> None:
        if self._progress is None:
            return
        with self._lock:
            self._done += count
            self._progress(self._done, self._total)


def list_folder(folder: Path, *, files_max: int = FILES_MAX) -> list[Path]:
    """Return the regular files below a folder, by name.

    Raises:
        InvalidRequestError: no folder, a link or device in it, too many files or too large.
    """
    if not folder.is_dir():
        raise InvalidRequestError(f"{folder} is not a folder")
    found = sorted(path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    if not 0 < len(found) <= files_max:
        raise InvalidRequestError(f"a model folder holds 1 to {files_max} files, got {len(found)}")
    for path in found:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            raise InvalidRequestError(f"{path} is a link or device; only files can be signed")
        if status.st_size > FILE_BYTES_MAX:
            raise InvalidRequestError(f"{path} is larger than {FILE_BYTES_MAX} bytes")
    return found


def hash_file(path: Path, count: Callable[[int], None] | None = None) -> tuple[str, int]:
    """Return a file's digest and size.

    Args:
        path: the file.
        count: told the bytes of each piece.

    Raises:
        StorageError: it cannot be read.
    """
    engine, buffer, size = hashlib.sha256(), bytearray(PIECE_BYTES), 0
    view = memoryview(buffer)
    try:
        with open(path, "rb", buffering=0) as file:
            while read := file.readinto(buffer):
                engine.update(view[:read])
                size += read
                if count is not None:
                    count(read)
    except OSError as error:
        raise StorageError(f"cannot read {path.name}: {error.strerror}") from error
    return "sha256:" + engine.hexdigest(), size


def hash_folder(
    folder: Path, *, workers: int | None = None, progress: Progress | None = None
) -> HashedFolder:
    """Hash every file of a folder, the largest first, on all cores.

    Args:
        folder: the model or data folder.
        workers: threads; None: one a core.
        progress: called with bytes done and bytes in all.

    Raises:
        InvalidRequestError: see ``list_folder``.
        StorageError: a file cannot be read.
    """
    named = {path.relative_to(folder).as_posix(): path for path in list_folder(folder)}
    files = hash_files(named, workers=workers, progress=progress)
    return HashedFolder(tuple(files), root_of(files))


def hash_files(
    named: Mapping[str, Path], *, workers: int | None = None, progress: Progress | None = None
) -> list[HashedFile]:
    """Hash files on all cores, the largest first; return them by name.

    Args:
        named: the files by the name they go under.
        workers: threads; None: one a core.
        progress: called with bytes done and bytes in all.

    Raises:
        StorageError: a file cannot be read.
    """
    sizes = {name: path.stat().st_size for name, path in named.items()}
    counter = _Counter(sum(sizes.values()), progress)

    def one(name: str) -> HashedFile:
        digest, size = hash_file(named[name], counter.add)
        return HashedFile(name, named[name], digest, size)

    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        largest_first = sorted(named, key=lambda name: -sizes[name])
        return sorted(pool.map(one, largest_first), key=lambda item: item.name)


def root_of(files: Sequence[HashedFile]) -> str:
    """Return the root digest over files."""
    return folder_digest((item.name, item.digest) for item in files)
