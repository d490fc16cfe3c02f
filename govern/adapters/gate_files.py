"""Read a gate's folder: its public log, and its records with their keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from govern.adapters.log_reading import PublishedLog, open_published
from govern.domain.gate_archive import (
    ArchivedRecord,
    PayloadKey,
    frames,
    open_frame,
    parse_keyring,
    parse_segment_header,
)
from govern.errors import CompletenessError, NotFoundError
from govern.transparency.canonical import parse_json


def gate_homes(home: Path) -> list[Path]:
    """Return the folders of the gates that keep records in a home, by name."""
    return sorted(path.parent for path in (home / "gates").glob("*/payloads"))


class GateFolder:
    """One gate in a home: what anchoring needs to know of it."""

    def __init__(self, home: Path, name: str) -> None:
        """Open the gate's published log.

        Raises:
            NotFoundError: there is no such gate.
            VerificationError: its checkpoint is not signed by a trusted key.
        """
        self.name = name
        self._folder = home / "gates" / name
        self._log: PublishedLog = open_published(home, name)[0]

    @property
    def origin(self) -> str:
        """The log's name."""
        return self._log.origin

    def checkpoint_note(self) -> str:
        """Return the newest published checkpoint, as signed."""
        return self._log.checkpoint_note()

    def consistency(self, old_size: int, new_size: int) -> Sequence[bytes]:
        """Return the consistency proof between two sizes."""
        return self._log.tree(new_size).consistency(old_size, new_size)

    def newest_anchor(self, below: int) -> int | None:
        """Return the newest record below ``below`` that holds the lineage log's checkpoint.

        Segments are read from the newest back, one in memory at a time.

        Raises:
            NotFoundError: there are records, and no keyring.
        """
        payloads = self._folder / "payloads"
        keys = read_keys(self._folder) if below else {}
        for path in sorted(payloads.glob("*.seg"), reverse=True):
            found = [index for index in _anchors(path.read_bytes(), keys) if index < below]
            if found:
                return max(found)
        return None


def _anchors(segment: bytes, keys: Mapping[bytes, PayloadKey]) -> Iterator[int]:
    parse_segment_header(segment)
    for frame in frames(segment):
        key = keys.get(frame.key_id)
        if frame.erased or key is None:
            continue
        record: Any = parse_json(open_frame(frame, key.key).record)
        if record["kind"] == "anchor":
            yield frame.index


def log_files(folder: Path) -> dict[str, bytes]:
    """Return a log's ``checkpoint`` and tiles, the checkpoint read first."""
    found = {"checkpoint": (folder / "checkpoint").read_bytes()}
    for path in sorted((folder / "tile").rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            found[path.relative_to(folder).as_posix()] = path.read_bytes()
    return found


def read_keys(gate: Path) -> dict[bytes, PayloadKey]:
    """Return the keys of a gate's payloads, by id.

    Raises:
        NotFoundError: it has no keyring.
    """
    try:
        return dict(parse_keyring((gate / "payloads" / "keyring").read_bytes()))
    except FileNotFoundError:
        raise NotFoundError(f"the gate {gate.name} has no records") from None


def read_records(
    gate: Path, wanted: Callable[[int], bool] | None = None
) -> Iterator[ArchivedRecord | None]:
    """Yield every record in order; None where it was erased.

    Args:
        gate: the gate's folder.
        wanted: says of an index whether to yield it, the others are not opened; None: all.

    Raises:
        CompletenessError: one is missing.
        DigestMismatchError: one was changed.
    """
    payloads, keys = gate / "payloads", read_keys(gate)
    segments = sorted(payloads.glob("*.seg"))
    expected = 0
    for place, path in enumerate(segments):
        end = int(segments[place + 1].stem) if place + 1 < len(segments) else None
        data = path.read_bytes()
        parse_segment_header(data)
        for frame in frames(data):
            if end is not None and frame.index >= end:
                break
            if frame.index != expected:
                raise CompletenessError(f"record {expected} is missing from gate {gate.name}")
            expected += 1
            if wanted is not None and not wanted(frame.index):
                continue
            key = keys.get(frame.key_id)
            erased = frame.erased or key is None
            yield None if erased or key is None else open_frame(frame, key.key)
