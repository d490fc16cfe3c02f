"""Read a dossier, zipped or unpacked, within limits, as names and bytes."""

from __future__ import annotations

import stat
from pathlib import Path

from govern.domain.dossier import TOTAL_BYTES_MAX, check_limits, check_name, unpack
from govern.errors import MalformedError


def read_dossier(path: Path) -> dict[str, bytes]:
    """Return every file of a dossier.

    Raises:
        MalformedError: not a dossier, over a limit, or a zip not in canonical form.
    """
    if path.is_dir():
        return _read_folder(path)
    return unpack(read_file(path))


def read_file(path: Path) -> bytes:
    """Return a file's bytes.

    Raises:
        MalformedError: it is over the limit or cannot be read.
    """
    try:
        if path.stat().st_size > TOTAL_BYTES_MAX:
            raise MalformedError(f"{path.name} is over {TOTAL_BYTES_MAX} bytes")
        return path.read_bytes()
    except OSError as error:
        raise MalformedError(f"cannot read {path.name}: {error.strerror}") from None


def _read_folder(path: Path) -> dict[str, bytes]:
    found: list[tuple[str, Path]] = []
    for item in sorted(path.rglob("*")):
        mode = item.lstat().st_mode
        if stat.S_ISDIR(mode):
            continue
        if not stat.S_ISREG(mode):
            raise MalformedError(f"{item.name[:80]!r} is neither a file nor a folder")
        found.append((check_name(item.relative_to(path).as_posix()), item))
    check_limits([item.stat().st_size for _, item in found])
    return {name: item.read_bytes() for name, item in found}
