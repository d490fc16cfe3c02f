"""Events that wait to become lineage: appended durably, taken in one piece, kept until signed.

A line is one JSON object with ``received_at``, ``sender`` and ``event``. ``open.jsonl`` takes
new lines; ``take`` moves it aside, so that senders never wait for whoever signs. A line that a
crash cut short is counted and left out. The same event twice is two lines here; who signs
them tells them apart by digest.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from govern.adapters.files import locked, sync_folder, write_durably
from govern.errors import MalformedError, StorageError
from govern.transparency.canonical import parse_json

INBOX_BYTES_MAX = 256 << 20
Line = Mapping[str, Any]


@dataclass(slots=True)
class Taken:
    """What was taken: lines in the order they came, how many were cut short, and what to keep."""

    lines: Sequence[Line]
    torn: int
    keep: Sequence[Line] = ()


class LineageInbox:
    """The inbox of one home; threads that share one share the waits for the disk."""

    def __init__(self, home: Path) -> None:
        self._syncing = threading.Lock()
        self._written = 0  # events of this process, in the order in which they were written
        self._synced = (0, 0)  # inode, and the last event in it that is on disk
        self.folder = home / "lineage" / "inbox"
        self._open = self.folder / "open.jsonl"
        self._waiting = self.folder / "waiting.jsonl"

    def add(self, event: bytes, *, received_at: str, sender: str) -> None:
        """Append an event; it is durable once this returns.

        Args:
            event: JSON that was checked; its line breaks, which stand between tokens, go.

        Raises:
            StorageError: the inbox is full or the disk refused.
        """
        envelope = json.dumps({"received_at": received_at, "sender": sender})[:-1].encode()
        flat = event.replace(b"\n", b" ").replace(b"\r", b" ")
        data = envelope + b', "event": ' + flat + b"}\n"
        try:
            with locked(self.folder / "lock"):
                descriptor = self._append(data)
                self._written += 1
                place = self._written
            try:
                self._sync(descriptor, place)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise StorageError(f"the event cannot be kept: {error.strerror}") from error

    def _append(self, data: bytes) -> int:
        """Write to the open file and return its descriptor; a line that was cut short is closed."""
        new = not self._open.exists()
        descriptor = os.open(self._open, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        size = os.fstat(descriptor).st_size
        if self.size() + len(data) > INBOX_BYTES_MAX:
            os.close(descriptor)
            raise StorageError(
                f"the inbox holds {INBOX_BYTES_MAX} bytes of events that nobody signed yet; "
                "start a worker or run `govern lineage settle`"
            )
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            data = b"\n" + data
        while data:
            data = data[os.write(descriptor, data) :]
        if new:
            sync_folder(self.folder)
        return descriptor

    def _sync(self, descriptor: int, place: int) -> None:
        """Wait until an event is on disk; who waits for the disk waits for all that is written.

        Everybody who waits holds the file open, so that equal inodes are the same file.
        """
        inode = os.fstat(descriptor).st_ino
        with self._syncing:
            if self._synced[0] == inode and self._synced[1] >= place:
                return
            newest = self._written
            os.fdatasync(descriptor)
            self._synced = (inode, newest)

    def size(self) -> int:
        """Return how many bytes of events wait, in all files."""
        found = 0
        for path in self.folder.glob("*.jsonl"):
            with suppress(FileNotFoundError):  # it was signed just now
                found += path.stat().st_size
        return found

    def is_empty(self) -> bool:
        """Say whether nothing new came since the inbox was last taken."""
        return not self._open.exists() and not self._waiting.exists()

    @contextmanager
    def take(self) -> Iterator[Taken]:
        """Take everything; what ``keep`` holds at the end waits for the next time.

        An error leaves everything where it was. One process takes at a time.
        """
        with locked(self.folder / "taking"):
            with locked(self.folder / "lock"):
                if self._open.exists():
                    os.replace(self._open, self.folder / f"taken-{time.time_ns():020d}.jsonl")
            pieces = sorted(self.folder.glob("taken-*.jsonl"))
            taken = _read([self._waiting, *pieces])
            yield taken
            if taken.keep:
                rows = (json.dumps(dict(one), separators=(",", ":")) + "\n" for one in taken.keep)
                write_durably(self._waiting, "".join(rows).encode(), mode=0o600)
            else:
                self._waiting.unlink(missing_ok=True)
            for piece in pieces:
                piece.unlink()


def _read(paths: Sequence[Path]) -> Taken:
    lines: list[Line] = []
    torn = 0
    for path in paths:
        if not path.exists():
            continue
        for row in path.read_bytes().split(b"\n"):
            try:
                value = parse_json(row) if row else None
            except MalformedError:
                torn += 1
                continue
            if isinstance(value, dict):
                lines.append(value)
    return Taken(lines, torn)
