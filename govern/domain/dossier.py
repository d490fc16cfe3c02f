"""The dossier's container: names and bytes as one canonical zip. Pure.

A zip must be in the one form that ``pack`` writes (stored, sorted, fixed dates), so that
no byte of it is without meaning: ``locate`` writes its framing again from what was read,
in constant memory, and compares.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO

from govern.errors import MalformedError

MANIFEST = "manifest.json"
SEAL = "dossier.sigstore.json"
MEDIA_TYPE = "application/vnd.govern.dossier.v1+json"
FILES_MAX = 200_000
FILE_BYTES_MAX = 1 << 30
TOTAL_BYTES_MAX = 8 << 30
DIRECTORY_BYTES_MAX = 128 << 20
PIECE_BYTES = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9_@.\-]+(?:/[A-Za-z0-9_@.\-]+){0,11}")
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_BYTES = 20
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
            archive.writestr(_info(name), files[name])
    return buffer.getvalue()


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(check_name(name), _DATE)
    info.create_system, info.external_attr = 3, 0o644 << 16
    return info


def unpack(data: bytes) -> dict[str, bytes]:
    """Return the files of a canonical zip.

    Raises:
        MalformedError: not a zip, over a limit, or not in canonical form.
    """
    places = locate(io.BytesIO(data))
    return {name: data[at : at + size] for name, (at, size) in places.items()}


def locate(stream: BinaryIO) -> dict[str, tuple[int, int]]:
    """Return where each file of a canonical zip lies: offset and size, in bytes.

    Every byte is read once and nothing but the framing is kept.

    Raises:
        MalformedError: not a zip, over a limit, or not in canonical form.
    """
    try:
        _check_directory(stream)
        with zipfile.ZipFile(stream) as archive:
            entries = archive.infolist()
        check_limits([entry.file_size for entry in entries])
        names = [check_name(entry.filename) for entry in entries]
        if len(set(names)) != len(names):
            raise MalformedError("the zip holds a file name twice")
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise MalformedError("a dossier's files are stored, not compressed")
        return _reframe(stream, {entry.filename: entry.file_size for entry in entries})
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, RuntimeError) as error:
        raise MalformedError(f"not a readable zip: {str(error)[:80]}") from None
    except (ValueError, UnicodeDecodeError, OverflowError, struct.error) as error:
        raise MalformedError(f"not a readable zip: {str(error)[:80]}") from None


def _check_directory(stream: BinaryIO) -> None:
    """Refuse a central directory over its limit before the zip reader loads it."""
    size = stream.seek(0, io.SEEK_END)
    stream.seek(max(0, size - _END.size - _LOCATOR_BYTES - _END64.size))
    tail = stream.read()
    if len(tail) < _END.size or tail[-_END.size :][:4] != b"PK\5\6":
        raise MalformedError("not a readable zip: it does not end as one")
    length = _END.unpack(tail[-_END.size :])[5]
    if length == 0xFFFFFFFF and len(tail) == _END.size + _LOCATOR_BYTES + _END64.size:
        length = _END64.unpack(tail[: _END64.size])[8]
    if length > DIRECTORY_BYTES_MAX:
        raise MalformedError(f"the zip's directory is over {DIRECTORY_BYTES_MAX} bytes")


class _Framing(io.RawIOBase):
    """Takes what a zip writer writes: file contents are passed over, the framing is kept."""

    def __init__(self) -> None:
        self.position = self.length = 0
        self.content: bytes | None = None
        self.written: dict[int, bytes] = {}

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        assert whence == io.SEEK_SET
        self.position = offset
        return offset

    def write(self, data: bytes) -> int:  # type: ignore[override]
        if data is not self.content:
            self.written[self.position] = bytes(data)
        self.position += len(data)
        self.length = max(self.length, self.position)
        return len(data)


def _reframe(stream: BinaryIO, sizes: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    framing, places = _Framing(), {}
    with zipfile.ZipFile(framing, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(sizes):
            info = _info(name)
            info.file_size = sizes[name]
            with archive.open(info, "w") as writer:
                places[name] = (framing.position, sizes[name])
                for chunk in pieces(stream, *places[name]):
                    framing.content = chunk
                    writer.write(chunk)
                framing.content = None
    same = stream.seek(0, io.SEEK_END) == framing.length
    for at, data in framing.written.items():
        stream.seek(at)
        same = same and stream.read(len(data)) == data
    if not same:
        raise MalformedError("the zip is not in canonical form: its framing was changed")
    return places


def pieces(stream: BinaryIO, at: int, size: int) -> Iterator[bytes]:
    """Yield ``size`` bytes from offset ``at`` on, a mebibyte at a time.

    Raises:
        MalformedError: the stream ends before.
    """
    while size > 0:
        stream.seek(at)
        chunk = stream.read(min(size, PIECE_BYTES))
        if not chunk:
            raise MalformedError("not a readable zip: a file in it is cut")
        yield chunk
        at, size = at + len(chunk), size - len(chunk)


def check_limits(sizes: Sequence[int]) -> None:
    """Refuse too many, or too large, files."""
    if len(sizes) > FILES_MAX:
        raise MalformedError(f"{len(sizes)} files are over the limit of {FILES_MAX}")
    if any(size > FILE_BYTES_MAX for size in sizes) or sum(sizes) > TOTAL_BYTES_MAX:
        raise MalformedError(
            f"over the limit of {FILE_BYTES_MAX} bytes a file or {TOTAL_BYTES_MAX} in all"
        )
