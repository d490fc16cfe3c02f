"""Durable file writing: whole files by rename, and a lock between processes."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from govern.errors import StorageError

COPY_BYTES = 1 << 20


def write_durably(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write a whole file so that a crash leaves the old one or the new one, never half.

    Raises:
        StorageError: the file system refused.
    """
    try:
        with _taking_the_place_of(path, mode) as file:
            file.write(data)
    except OSError as error:
        raise StorageError(f"cannot write {path.name}: {error.strerror}") from error


@contextmanager
def _taking_the_place_of(path: Path, mode: int = 0o644) -> Iterator[BinaryIO]:
    """Yield a file that replaces ``path`` durably once the block ends, and else is gone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def copy_durably(source: Path, path: Path) -> str:
    """Copy a file whole, as ``write_durably`` does; return the digest of what was copied.

    Raises:
        StorageError: the file system refused.
    """
    digest = hashlib.sha256()
    try:
        with open(source, "rb") as file, _taking_the_place_of(path) as copy:
            while block := file.read(COPY_BYTES):
                digest.update(block)
                copy.write(block)
    except OSError as error:
        raise StorageError(f"cannot copy {source.name}: {error.strerror}") from error
    return f"sha256:{digest.hexdigest()}"


def sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on ``path`` (created if absent) between processes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)
