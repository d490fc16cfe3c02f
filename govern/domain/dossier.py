"""The dossier's container: names and bytes as one canonical zip. Pure.

A zip must be in the one form that ``pack`` writes (stored, sorted, fixed dates), so that
no byte of it is without meaning: ``unpack`` rebuilds it from what was read and compares.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping, Sequence

from govern.errors import MalformedError

MANIFEST = "manifest.json"
SEAL = "dossier.sigstore.json"
MEDIA_TYPE = "application/vnd.govern.dossier.v1+json"
FILES_MAX = 200_000
FILE_BYTES_MAX = 1 << 30
TOTAL_BYTES_MAX = 8 << 30
_NAME = re.compile(r"[A-Za-z0-9_@.\-]+(?:/[A-Za-z0-9_@.\-]+){0,11}")
_DATE = (1980, 1, 1, 0, 0, 0)


def check_name(name: str) -> str:
    """Return ``name`` if it is a plain relative path.

    Raises:
        MalformedError: absolute, climbing, or with unusual characters.
    """
    if not _NAME.fullmatch(name) or any(set(part) == {"."} for part in name.split("/")):
        raise MalformedError(f"file name {name[:80]!r} is not a plain relative path")
    return name


def pack(files: Mapping[str, bytes]) -> bytes:
    """Return files as a zip in the one canonical form."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(check_name(name), _DATE)
            info.create_system, info.external_attr = 3, 0o644 << 16
            archive.writestr(info, files[name])
    return buffer.getvalue()


def unpack(data: bytes) -> dict[str, bytes]:
    """Return the files of a canonical zip.

    Raises:
        MalformedError: not a zip, over a limit, or not in canonical form.
    """
    files = _read_zip(data)
    if pack(files) != data:
        raise MalformedError("the zip is not in canonical form: its framing was changed")
    return files


def _read_zip(data: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            check_limits([entry.file_size for entry in entries])
            names = [check_name(entry.filename) for entry in entries]
            if len(set(names)) != len(names):
                raise MalformedError("the zip holds a file name twice")
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                raise MalformedError("a dossier's files are stored, not compressed")
            return {entry.filename: archive.read(entry) for entry in entries}
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, RuntimeError) as error:
        raise MalformedError(f"not a readable zip: {str(error)[:80]}") from None
    except (ValueError, UnicodeDecodeError, OverflowError) as error:
        raise MalformedError(f"not a readable zip: {str(error)[:80]}") from None


def check_limits(sizes: Sequence[int]) -> None:
    """Refuse too many, or too large, files."""
    if len(sizes) > FILES_MAX:
        raise MalformedError(f"{len(sizes)} files are over the limit of {FILES_MAX}")
    if any(size > FILE_BYTES_MAX for size in sizes) or sum(sizes) > TOTAL_BYTES_MAX:
        raise MalformedError(
            f"over the limit of {FILE_BYTES_MAX} bytes a file or {TOTAL_BYTES_MAX} in all"
        )
