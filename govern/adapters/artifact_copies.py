"""Copy a model's files and know the digest of the very bytes copied; a wrong copy never appears.

Files go into a folder of another name first, which takes its own name only when its digest is
the one asked for. Links and special files are refused.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath

from govern.errors import ConflictError, DigestMismatchError, InvalidRequestError, StorageError
from govern.transparency.digest import folder_digest

FILES_MAX = 10_000
BLOCK_BYTES = 1 << 20
Blocks = Callable[[], Iterator[bytes]]


def files_of(folder: Path) -> dict[str, Blocks]:
    """Return the files of a folder by their names in it.

    Raises:
        InvalidRequestError: it is no folder, holds links or special files, or too many.
    """
    if not folder.is_dir():
        raise InvalidRequestError(f"{folder} is not a folder")
    found: dict[str, Blocks] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise InvalidRequestError(f"{path.name} is a link or no plain file")
        if path.is_file():
            found[path.relative_to(folder).as_posix()] = lambda path=path: _blocks(path)  # type: ignore[misc]
        if len(found) > FILES_MAX:
            raise InvalidRequestError(f"a model has at most {FILES_MAX} files")
    return found


def _blocks(path: Path) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while block := file.read(BLOCK_BYTES):
            yield block


def copy_exactly(files: Mapping[str, Blocks], target: Path, digest: str) -> None:
    """Copy files into a new folder, durably, if together they have a folder digest.

    Raises:
        ConflictError: the folder is there already.
        DigestMismatchError: the bytes are others; nothing is left behind.
        StorageError: the file system refused; nothing is left behind.
    """
    if target.exists():
        raise ConflictError(f"{target} exists; choose a new folder")
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        found = folder_digest((name, _copy(part, name, blocks())) for name, blocks in files.items())
        if found != digest:
            raise DigestMismatchError(f"the files have digest {found}, not {digest}")
        os.replace(part, target)
    except OSError as error:
        raise StorageError(f"{target} cannot be written: {error.strerror}") from error
    finally:
        with suppress(FileNotFoundError):
            shutil.rmtree(part)


def _copy(folder: Path, name: str, blocks: Iterator[bytes]) -> str:
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts:
        raise InvalidRequestError(f"a file cannot be called {name[:100]!r}")
    path = folder.joinpath(*parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    hashed = hashlib.sha256()
    with open(path, "xb") as file:
        for block in blocks:
            hashed.update(block)
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    return f"sha256:{hashed.hexdigest()}"
