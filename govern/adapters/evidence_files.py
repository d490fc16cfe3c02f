"""Evidence folders on disk: read within limits, written whole or not at all."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

from govern.domain.dossier import TOTAL_BYTES_MAX, check_limits, check_name, unpack
from govern.errors import ConflictError, MalformedError, StorageError


def read_evidence(path: Path) -> dict[str, bytes]:
    """Return the files of an evidence folder, a dossier folder, or either as a zip.

    Raises:
        MalformedError: a link or device in it, an odd name, over a limit, or not a zip.
    """
    try:
        if path.is_dir():
            return _read_folder(path)
        if path.stat().st_size > TOTAL_BYTES_MAX:
            raise MalformedError(f"{path.name} is over {TOTAL_BYTES_MAX} bytes")
        return unpack(path.read_bytes())
    except OSError as error:
        raise MalformedError(f"cannot read {error.filename or path}: {error.strerror}") from None


def _read_folder(folder: Path) -> dict[str, bytes]:
    named: dict[str, Path] = {}
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in (*files, *(name for name in folders if (Path(place) / name).is_symlink())):
            path = Path(place) / name
            if not stat.S_ISREG(path.lstat().st_mode):
                raise MalformedError(f"{path.name[:80]!r} is a link or device, not a file")
            if not name.startswith("."):
                named[check_name(path.relative_to(folder).as_posix())] = path
    check_limits([path.stat().st_size for path in named.values()])
    return {name: path.read_bytes() for name, path in sorted(named.items())}


def write_evidence(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write an evidence folder; it appears whole, by one rename.

    Raises:
        ConflictError: something that is no evidence folder lies there.
        StorageError: the file system refused.
    """
    if folder.exists() and (not folder.is_dir() or not _replaceable(folder)):
        raise ConflictError(f"{folder} exists and is not an evidence folder; name another")
    building = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        for name, data in files.items():
            path = building / check_name(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        _swap(building, folder)
    except OSError as error:
        raise StorageError(f"cannot write {folder}: {error.strerror}") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _replaceable(folder: Path) -> bool:
    return (folder / "evidence.json").is_file() or not any(folder.iterdir())


def _swap(building: Path, folder: Path) -> None:
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    if folder.exists():
        folder.rename(old)
    building.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
