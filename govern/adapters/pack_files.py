"""Policy packs in a folder: ``<folder>/<name>/policy.yaml``."""

from __future__ import annotations

from pathlib import Path

from govern.errors import PolicyError, StorageError
from govern.policy.document import PACK_BYTES_MAX, Pack, load_pack


def read_packs(folder: Path) -> list[tuple[Path, Pack]]:
    """Read every pack of a folder, each with its file.

    Raises:
        StorageError: there is none.
        PolicyError: one cannot be read; the sentence says where.
    """
    files = sorted(folder.glob("*/policy.yaml"))
    if not files:
        raise StorageError(f"no policy packs in {folder.name}: expected NAME/policy.yaml")
    return [(file, _read(file)) for file in files]


def load_packs(folder: Path) -> list[Pack]:
    """Read every pack of a folder; see ``read_packs``."""
    return [pack for _, pack in read_packs(folder)]


def _read(file: Path) -> Pack:
    where = f"{file.parent.name}/{file.name}"
    try:
        with file.open("rb") as opened:
            return load_pack(opened.read(PACK_BYTES_MAX + 1), where)
    except OSError as error:
        raise PolicyError(f"{where}: cannot be read: {error.strerror}") from None
