"""Read a gate's folder: its public log, and its records with their keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from govern.domain.gate_archive import (
    ArchivedRecord,
    frames,
    open_frame,
    parse_keyring,
    parse_segment_header,
)
from govern.errors import CompletenessError, NotFoundError


def log_files(folder: Path) -> dict[str, bytes]:
    """Return a log's ``checkpoint`` and tiles, the checkpoint read first."""
    found = {"checkpoint": (folder / "checkpoint").read_bytes()}
    for path in sorted((folder / "tile").rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            found[path.relative_to(folder).as_posix()] = path.read_bytes()
    return found


def read_records(gate: Path) -> Iterator[ArchivedRecord | None]:
    """Yield every record in order; None where it was erased.

    Raises:
        CompletenessError: one is missing.
        DigestMismatchError: one was changed.
    """
    payloads = gate / "payloads"
    try:
        keys = parse_keyring((payloads / "keyring").read_bytes())
    except FileNotFoundError:
        raise NotFoundError(f"the gate {gate.name} has no records") from None
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
            key = keys.get(frame.key_id)
            erased = frame.erased or key is None
            yield None if erased or key is None else open_frame(frame, key.key)
