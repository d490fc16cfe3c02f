"""Between the inbox and the statements: check an event, keep it; take what is kept and sign it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from govern.adapters.blobs_files import BlobFiles
from govern.adapters.lineage_inbox import LineageInbox
from govern.domain.openlineage import EVENT_BYTES_MAX, Event, check_event, read_event
from govern.errors import InvalidRequestError, MalformedError
from govern.services.pipelines import GRACE, Settled, settle
from govern.services.recording import Recorder
from govern.transparency.canonical import parse_json
from govern.transparency.encoding import format_time, parse_time


def receive(inbox: LineageInbox, data: bytes, *, sender: str, now: datetime) -> str | None:
    """Check one event, keep it, and return its run; None for one about no run, not kept.

    Raises:
        MalformedError: it is no OpenLineage event, or too long.
        StorageError: it cannot be kept.
    """
    if len(data) > EVENT_BYTES_MAX:
        raise MalformedError(f"an event has at most {EVENT_BYTES_MAX} bytes")
    value = parse_json(data)
    if isinstance(value, dict) and "run" not in value and ("dataset" in value or "job" in value):
        return None
    run_id = check_event(value)[0]
    inbox.add(data, received_at=format_time(now), sender=sender)
    return run_id


def line_of(event: Event) -> dict[str, Any]:
    """Return an event as the inbox keeps it."""
    at = format_time(event.received_at)
    return {"received_at": at, "sender": event.sender, "event": event.value}


def settle_inbox(
    inbox: LineageInbox,
    recorder: Recorder,
    blobs: BlobFiles,
    *,
    signer: str,
    grace: timedelta = GRACE,
) -> Settled:
    """Sign what is ready in the inbox; the rest waits.

    Raises:
        StorageError: it cannot be signed or kept; then everything waits.
    """
    with inbox.take() as taken:
        events = [_event(line) for line in taken.lines]
        found = settle(
            recorder, events, now=recorder.clock(), signer=signer, keep=blobs.put, grace=grace
        )
        taken.keep = [line_of(event) for event in found.waiting]
    return found


def _event(line: Any) -> Event:
    at = parse_time(line["received_at"])
    return read_event(line["event"], received_at=at, sender=str(line["sender"]))


def events_in(path: Path) -> Iterator[bytes]:
    """Yield the events in a file as OpenLineage's file transport writes it: one a line.

    Raises:
        InvalidRequestError: there is no such file.
    """
    if not path.is_file():
        raise InvalidRequestError(f"{path} is not a file")
    with path.open("rb") as file:
        while line := file.readline(EVENT_BYTES_MAX + 2):
            if line.strip():
                yield line.strip()
