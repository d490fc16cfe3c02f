"""Erase payloads in a gate's folder, also while the gate runs; leaves and proofs stay as they are.

A subject's payloads lie under its own keys: destroying the keys erases them all at once. The
keyring is replaced under the lock that the gate takes to add keys, and the old file's bytes
are overwritten; a gate notices, and gives the subject a new key. One record's payload is
overwritten in its segment.

It cannot reach copies: backups, exports, dossiers, snapshots of a file system.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from govern.adapters.files import locked, write_durably
from govern.adapters.gate_files import gate_homes
from govern.domain.gate_archive import (
    Frame,
    PayloadKey,
    erased_frame,
    frames,
    keyring_line,
    open_frame,
    parse_keyring,
    parse_segment_header,
)
from govern.domain.gate_record import parse_leaf
from govern.errors import MalformedError, NotFoundError, StorageError
from govern.transparency.canonical import canonical_json, parse_json

LOCK = ".keyring.lock"
PENDING = "erasing.json"
SETTLE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Erasing:
    """An erasure that is under way: done at the latest when its statement is on record.

    Args:
        key_ids: of the keys to destroy, hexadecimal.
        indexes: of single records to overwrite.
        reason: the ground; it is recorded.
        by: who decided it.
    """

    key_ids: tuple[str, ...]
    indexes: tuple[int, ...]
    reason: str
    by: str


class GateEraser:
    """Erases in one gate's folder."""

    def __init__(self, gate: Path) -> None:
        self._payloads = gate / "payloads"
        self._pending = gate / PENDING

    def keys_of(self, subject: str) -> list[PayloadKey]:
        """Return a subject's keys; none where it is not known."""
        return [item for item in self._keys() if item.subject == subject]

    def indexes_of(self, deployment: str, before: datetime) -> list[int]:
        """Return the records of a deployment that were made before a time and can still be read.

        Raises:
            DigestMismatchError: a record was changed.
        """
        keys = {item.key_id: item.key for item in self._keys()}
        limit_us, found = int(before.timestamp() * 1e6), []
        for _, frame in self._frames():
            index, at_us, _ = parse_leaf(frame.leaf)
            key = keys.get(frame.key_id)
            if at_us >= limit_us or frame.erased or key is None:
                continue
            if parse_json(open_frame(frame, key).record).get("deployment") == deployment:
                found.append(index)
        return found

    def _keys(self) -> list[PayloadKey]:
        try:
            return list(parse_keyring((self._payloads / "keyring").read_bytes()).values())
        except FileNotFoundError:
            return []

    def unfinished(self) -> Erasing | None:
        """Return the erasure that was begun and may not be on record yet."""
        try:
            value = parse_json(self._pending.read_bytes())
        except FileNotFoundError:
            return None
        try:
            keys, indexes = tuple(value["key_ids"]), tuple(value["indexes"])
            return Erasing(keys, indexes, value["reason"], value["by"])
        except (KeyError, TypeError):
            raise MalformedError(f"{self._pending.name} is not an erasure") from None

    def begin(self, erasing: Erasing) -> None:
        """Note durably what is about to be erased, so that its statement cannot be forgotten."""
        value = {
            "key_ids": list(erasing.key_ids),
            "indexes": list(erasing.indexes),
            "reason": erasing.reason,
            "by": erasing.by,
        }
        write_durably(self._pending, canonical_json(value), mode=0o600)

    def erase(self, erasing: Erasing) -> list[tuple[int, bytes]]:
        """Destroy the keys and overwrite the records; doing it again changes nothing.

        Returns:
            index and leaf of every record whose payload is gone by this.

        Raises:
            StorageError: the file system refused; do it again.
        """
        key_ids = {bytes.fromhex(item) for item in erasing.key_ids}
        self._destroy(key_ids)
        if key_ids and _is_running(self._payloads.parent):
            time.sleep(SETTLE_SECONDS)
        gone, chosen = [], set(erasing.indexes)
        for path, frame in self._frames():
            single = frame.index in chosen
            if single and not frame.erased:
                _overwrite(path, frame)
            if single or frame.key_id in key_ids:
                gone.append((frame.index, frame.leaf))
        return gone

    def finish(self) -> None:
        """The statement is on record."""
        self._pending.unlink(missing_ok=True)

    def _frames(self) -> Iterator[tuple[Path, Frame]]:
        segments = sorted(self._payloads.glob("*.seg"))
        ends = [int(path.stem) for path in segments[1:]]
        for path, end in zip(segments, [*ends, None], strict=True):
            data = path.read_bytes()
            if not data:
                continue  # a segment that was never begun
            parse_segment_header(data)
            for frame in frames(data):
                if end is not None and frame.index >= end:
                    break
                yield path, frame

    def _destroy(self, key_ids: set[bytes]) -> None:
        path = self._payloads / "keyring"
        with locked(self._payloads / LOCK):
            kept = [item for item in self._keys() if item.key_id not in key_ids]
            if len(kept) == len(self._keys()):
                return
            with open(path, "r+b") as old:
                size = os.fstat(old.fileno()).st_size
                write_durably(path, b"".join(map(keyring_line, kept)), mode=0o600)
                old.write(bytes(size))
                old.flush()
                os.fsync(old.fileno())


def _is_running(gate: Path) -> bool:
    """Say whether a gate process writes here; its last batch may still be under the old keys."""
    try:
        descriptor = os.open(gate / ".writer", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _overwrite(path: Path, frame: Frame) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY)
        try:
            os.pwrite(descriptor, erased_frame(frame), frame.start)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StorageError(f"record {frame.index} cannot be erased: {error.strerror}") from error


def gates_with(home: Path, only: str | None) -> list[Path]:
    """Return the folders of the gates that keep records in a home, or only one.

    Raises:
        NotFoundError: there is none of that name, or none at all.
    """
    found = gate_homes(home)
    chosen = [path for path in found if only in (None, path.name)]
    if not chosen:
        names = ", ".join(path.name for path in found) or "none"
        raise NotFoundError(f"no such gate keeps records here; there are: {names}")
    return chosen
