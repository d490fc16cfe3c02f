"""Read and export a gate's records from its folder, also while the gate runs; no lock is needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from govern.domain.gate_archive import ArchivedRecord, open_frame
from govern.errors import NotFoundError
from serving_gate.journal import find_frame, frames_from
from serving_gate.keyring import read_keyring

PAYLOADS = "payloads"


def read_record(gate_home: Path, index: int) -> ArchivedRecord:
    """Return one record, decrypted and compared with its leaf.

    Raises:
        NotFoundError: there is none, or it was erased.
        DigestMismatchError: it was changed.
    """
    _, frame = find_frame(gate_home / PAYLOADS, index)
    key = read_keyring(gate_home / PAYLOADS).get(frame.key_id)
    if key is None and not frame.erased:
        raise NotFoundError(f"the key of record {index} was destroyed; its leaf remains")
    return open_frame(frame, key.key if key else b"")


def read_all(gate_home: Path, start: int = 0) -> Iterator[ArchivedRecord | None]:
    """Yield all records from ``start`` on; None in place of an erased one."""
    keys = read_keyring(gate_home / PAYLOADS)
    for frame in frames_from(gate_home / PAYLOADS, start):
        key = keys.get(frame.key_id)
        yield None if frame.erased or key is None else open_frame(frame, key.key)


def export(gate_home: Path, indexes: Iterable[int]) -> dict[str, bytes]:
    """Return the named records as a dossier holds them: file name to canonical JSON."""
    return {
        f"records/{index:09d}.json": read_record(gate_home, index).to_export() for index in indexes
    }
