"""Digest and profile of what a run names: files by streaming, values in memory by their bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from govern.adapters.hashing import hash_files, list_folder
from govern.domain.source_run import Bytes
from govern.errors import InvalidRequestError, MissingPartError
from govern.observing.tables import TABLES, profile_files, value_digest
from govern.transparency.digest import folder_digest

FILES_MAX = 100_000


def fingerprint(name: str, path: Path, groups: Sequence[str] = ()) -> Bytes:
    """Return a data set's files, root digest and profile; nothing is loaded whole.

    Raises:
        InvalidRequestError: there is no file, a link, or no table though groups are asked for.
    """
    return _fingerprint(name, path, files_of(path), groups)


def fingerprint_visible(name: str, path: Path) -> Bytes:
    """Return the fingerprint of a folder as Hadoop and Spark see it: without ``_`` and ``.`` files."""
    named = {
        file: place
        for file, place in files_of(path).items()
        if not any(part.startswith(("_", ".")) for part in file.split("/"))
    }
    if not named:
        raise InvalidRequestError(f"{path} holds no file that Spark would read")
    return _fingerprint(name, path, named, ())


def _fingerprint(name: str, path: Path, named: Mapping[str, Path], groups: Sequence[str]) -> Bytes:
    hashed = [(file.name, file.digest) for file in hash_files(named)]
    tables = any(place.suffix in TABLES for place in named.values())
    if groups and not tables:
        raise InvalidRequestError(f"{path} holds no table to count groups in")
    profile = _profile([named[name] for name, _ in hashed], groups)
    size = sum(place.stat().st_size for place in named.values())
    return Bytes(
        name, folder_digest(hashed), tuple(hashed), {**profile, "bytes": size}, str(path.absolute())
    )


def _profile(paths: Sequence[Path], groups: Sequence[str]) -> dict[str, Any]:
    """Return the profile, or why there is none: a run goes on, unless groups were asked for."""
    try:
        return profile_files(paths, groups)
    except (InvalidRequestError, MissingPartError) as error:
        if groups:
            raise
        return {"files": len(paths), "unprofiled": len(paths), "why": str(error)}


def made(name: str, value: Any) -> Bytes:
    """Return the fingerprint of features: a file's own digest, a folder's root, a value's own."""
    if isinstance(value, str | Path):
        path = Path(value)
        found = fingerprint(name, path)
        digest = found.files[0][1] if path.is_file() else found.digest
        return Bytes(name, digest, (), found.profile, found.path)
    digest, profile = value_digest(value)
    return Bytes(name, digest, (), profile)


def files_of(path: Path) -> dict[str, Path]:
    """Return the files of a data set by the names that they go under.

    Raises:
        InvalidRequestError: see ``fingerprint``.
    """
    if path.is_symlink() or not path.exists():
        raise InvalidRequestError(f"{path} is not a file or folder")
    if path.is_file():
        return {path.name: path}
    return {
        found.relative_to(path).as_posix(): found
        for found in list_folder(path, files_max=FILES_MAX)
    }
