"""Read what is to be verified from disk, within limits; big files in pieces.

The one place of the verifier that touches the file system. A dossier's files are read
when they are asked for, so its size does not matter to memory.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from govern.domain.dossier import (
    FILE_BYTES_MAX,
    TOTAL_BYTES_MAX,
    check_limits,
    check_name,
    locate,
    pieces,
)
from govern.errors import MalformedError
from govern.transparency.digest import digest_of

TRUST_BYTES_MAX = 4 << 20
STATEMENT_BYTES_MAX = 16 << 20
RECEIPT_BYTES_MAX = 1 << 20
REPORT_BYTES_MAX = 256 << 20
FOLDER_DEPTH_MAX = 16
LINE_BYTES_MAX = 1024
Files = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file's bytes lie on disk."""

    path: Path
    at: int
    size: int


class PlacedFiles(Mapping[str, bytes]):
    """A dossier's files by name, read from disk each time they are asked for."""

    def __init__(self, places: Mapping[str, Place]) -> None:
        self._places = dict(places)
        self._open: tuple[Path, BinaryIO] | None = None

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __getitem__(self, name: str) -> bytes:
        return b"".join(self.pieces(name))

    def pieces(self, name: str) -> Iterator[bytes]:
        """Yield a file's bytes, a mebibyte at a time."""
        place = self._places[name]
        try:
            yield from pieces(self._stream(place.path), place.at, place.size)
        except OSError as error:
            raise MalformedError(f"cannot read {name}: {error.strerror}") from None

    def _stream(self, path: Path) -> BinaryIO:
        if self._open is None or self._open[0] != path:
            self.close()
            self._open = (path, open(path, "rb"))  # noqa: SIM115 - kept for the next piece
        return self._open[1]

    def close(self) -> None:
        """Let go of the file that was read last."""
        if self._open is not None:
            self._open[1].close()
            self._open = None


def pieces_of(files: Files, name: str) -> Iterator[bytes]:
    """Yield a file's bytes in pieces where ``files`` can, or whole."""
    if isinstance(files, PlacedFiles):
        yield from files.pieces(name)
    else:
        yield files[name]


def digest_in(files: Files, name: str) -> str:
    """Return a file's digest without holding the file in memory."""
    if not isinstance(files, PlacedFiles):
        return digest_of(files[name])
    engine = hashlib.sha256()
    for piece in files.pieces(name):
        engine.update(piece)
    return "sha256:" + engine.hexdigest()


class Lines:
    """A file's lines, read a piece at a time.

    Args:
        files: the dossier's files.
        name: the file; None: there is none, so no lines.
    """

    def __init__(self, files: Files, name: str | None) -> None:
        self._name = name
        self._pieces = iter(()) if name is None else pieces_of(files, name)
        self._held, self._at = b"", 0

    def next(self) -> bytes | None:
        """Return the next line without its newline, or None at the end.

        Raises:
            MalformedError: it is over 1,024 bytes, or the last one has no newline.
        """
        while (end := self._held.find(b"\n", self._at)) < 0:
            left = len(self._held) - self._at
            if left > LINE_BYTES_MAX:
                raise MalformedError(f"{self._name}: a line is over {LINE_BYTES_MAX} bytes")
            if not self._pull():
                if left:
                    raise MalformedError(f"{self._name}: the last line is cut")
                return None
        line, self._at = self._held[self._at : end], end + 1
        return line

    def skip(self, block: bytes) -> bool:
        """Pass over whole lines if the very bytes of ``block`` come next; say whether they do."""
        while len(self._held) - self._at < len(block) and self._pull():
            pass
        found = self._held.startswith(block, self._at)
        self._at += len(block) if found else 0
        return found

    def _pull(self) -> bool:
        piece = next(self._pieces, None)
        if piece is None:
            return False
        self._held, self._at = self._held[self._at :] + piece, 0
        return True


def kind_of(path: Path) -> str:
    """Return ``folder`` or ``file``.

    Raises:
        MalformedError: nothing is there, or something else (a pipe, a device).
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        what = getattr(error, "strerror", None) or str(error)
        raise MalformedError(f"cannot read {path.name[:80]!r}: {what}") from None
    if stat.S_ISDIR(mode):
        return "folder"
    if not stat.S_ISREG(mode):
        raise MalformedError(f"{path.name[:80]!r} is neither a file nor a folder")
    return "file"


def head_of(path: Path) -> bytes:
    """Return a file's first 64 bytes."""
    return _read(path, 64)


def read_file(path: Path, bytes_max: int) -> bytes:
    """Return a file's bytes.

    Args:
        path: a regular file, or a link to one.
        bytes_max: the limit; nothing is read of a file that is larger.

    Raises:
        MalformedError: it is over the limit, no regular file, or cannot be read.
    """
    if kind_of(path) == "folder":
        raise MalformedError(f"{path.name[:80]!r} is a folder, not a file")
    size = path.stat().st_size
    if size > bytes_max:
        raise MalformedError(f"{path.name[:80]!r} has {size} bytes; the limit is {bytes_max}")
    return _read(path, bytes_max)


def _read(path: Path, count: int) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(count)
    except OSError as error:
        raise MalformedError(f"cannot read {path.name[:80]!r}: {error.strerror}") from None


def read_dossier(path: Path) -> PlacedFiles:
    """Return every file of a dossier, zipped or unpacked.

    Raises:
        MalformedError: not a dossier, over a limit, or a zip not in canonical form.
    """
    if kind_of(path) == "folder":
        return PlacedFiles(_folder_places(path))
    size = path.stat().st_size
    if size > TOTAL_BYTES_MAX:
        raise MalformedError(f"{path.name[:80]!r} has {size} bytes; the limit is {TOTAL_BYTES_MAX}")
    try:
        with open(path, "rb") as stream:
            found = locate(stream)
    except OSError as error:
        raise MalformedError(f"cannot read {path.name[:80]!r}: {error.strerror}") from None
    return PlacedFiles({name: Place(path, at, size) for name, (at, size) in found.items()})


def _folder_places(path: Path) -> dict[str, Place]:
    places: dict[str, Place] = {}
    for item in sorted(_regular_files(path, 0)):
        size = item.stat().st_size
        places[check_name(item.relative_to(path).as_posix())] = Place(item, 0, size)
        if size > FILE_BYTES_MAX or len(places) % 10_000 == 0:
            check_limits([place.size for place in places.values()])
    check_limits([place.size for place in places.values()])
    return places


def _regular_files(folder: Path, depth: int) -> Iterator[Path]:
    if depth > FOLDER_DEPTH_MAX:
        raise MalformedError(f"folders are nested deeper than {FOLDER_DEPTH_MAX}")
    try:
        for item in folder.iterdir():
            mode = item.lstat().st_mode
            if stat.S_ISDIR(mode):
                yield from _regular_files(item, depth + 1)
            elif stat.S_ISREG(mode):
                yield item
            else:
                raise MalformedError(f"{item.name[:80]!r} is neither a file nor a folder")
    except OSError as error:
        raise MalformedError(f"cannot read {folder.name[:80]!r}: {error.strerror}") from None
