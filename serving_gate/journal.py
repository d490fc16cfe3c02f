"""Payload segments on disk: the write-ahead journal of a gate.

One append is one write and one ``fdatasync``. After a failed append the segment is cut
back to its last durable byte and closed; the next append begins a new segment, so bytes
that the kernel may or may not have kept are never built upon. A segment counts only up
to the first index of the next one.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path

from govern.domain.gate_archive import (
    HEADER_BYTES,
    Frame,
    frames,
    parse_segment_header,
    segment_header,
)
from govern.errors import CompletenessError, MalformedError, NotFoundError, StorageError

SUFFIX = ".seg"


def segments(folder: Path) -> list[tuple[int, Path]]:
    """Return the segments of a folder as (first index, path), in order."""
    return sorted((int(path.stem), path) for path in folder.glob(f"*{SUFFIX}"))


def segment_frames(path: Path, end: int | None) -> Iterator[Frame]:
    """Yield the frames of a segment with an index below ``end``."""
    data = path.read_bytes()
    if len(data) < HEADER_BYTES:
        return
    expected = parse_segment_header(data)
    for frame in frames(data):
        if end is not None and frame.index >= end:
            return
        if frame.index != expected:
            raise CompletenessError(f"{path.name}: record {expected} is missing")
        expected += 1
        yield frame


def frames_from(folder: Path, start: int) -> Iterator[Frame]:
    """Yield all frames from index ``start`` on.

    Raises:
        CompletenessError: an index is missing.
    """
    found = segments(folder)
    expected = start
    for place, (_, path) in enumerate(found):
        end = found[place + 1][0] if place + 1 < len(found) else None
        if end is not None and end <= start:
            continue
        for frame in segment_frames(path, end):
            if frame.index < start:
                continue
            if frame.index != expected:
                raise CompletenessError(f"record {expected} is missing from the journal")
            expected += 1
            yield frame


def find_frame(folder: Path, index: int) -> tuple[Path, Frame]:
    """Return the segment and the frame of one record.

    Raises:
        NotFoundError: no such record.
    """
    found = segments(folder)
    place = bisect_right([first for first, _ in found], index) - 1
    if place >= 0:
        end = found[place + 1][0] if place + 1 < len(found) else None
        for frame in segment_frames(found[place][1], end):
            if frame.index == index:
                return found[place][1], frame
    raise NotFoundError(f"there is no record {index} in this gate's journal")


class Journal:
    """The writing end; one writer, one thread at a time."""

    def __init__(self, folder: Path, segment_bytes_max: int) -> None:
        self.folder = folder
        self._max = segment_bytes_max
        self._descriptor = -1
        self._durable_bytes = 0
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.bytes = sum(path.stat().st_size for _, path in segments(folder))

    def append(self, first: int, data: bytes) -> None:
        """Make frames durable.

        Args:
            first: index of the first record in ``data``.
            data: whole frames.

        Raises:
            StorageError: nothing of it counts; the next append starts afresh.
        """
        try:
            if self._descriptor < 0 or self._durable_bytes >= self._max:
                self._begin(first)
            _write_all(self._descriptor, data)
            os.fdatasync(self._descriptor)
            self._durable_bytes += len(data)
            self.bytes += len(data)
        except OSError as error:
            self._abandon()
            raise StorageError(f"cannot record: {error.strerror}") from error

    def close(self) -> None:
        """Close the segment."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _begin(self, first: int) -> None:
        self.close()
        path = self.folder / f"{first:016d}{SUFFIX}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        self._descriptor = os.open(path, flags, 0o600)
        self._durable_bytes = 0
        header = segment_header(first)
        _write_all(self._descriptor, header)
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self._durable_bytes = len(header)
        self.bytes += len(header)

    def _abandon(self) -> None:
        if self._descriptor < 0:
            return
        try:
            os.ftruncate(self._descriptor, self._durable_bytes)
            os.fsync(self._descriptor)
        except OSError:
            pass  # the segment counts only up to the next one's first index
        self.close()


def _write_all(descriptor: int, data: bytes) -> None:
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, memoryview(data)[written:])


def check_journal(folder: Path, start: int) -> list[Frame]:
    """Return the frames from ``start`` on, as recovery needs them.

    Raises:
        MalformedError, CompletenessError: the journal is damaged before its tail.
    """
    found = list(frames_from(folder, start))
    if found and found[0].index != start:
        raise MalformedError(f"the journal does not continue at {start}")
    return found
