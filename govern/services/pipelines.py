"""Turn pipeline events into signed statements, once each run has come to its end.

Events come in any order, late, or twice. A run is signed when one of its events says that it
ended and none came for ``GRACE``, or when it has been silent for ``STALE``, which is a gap.
Events that come after that are signed as a further statement that names the first. An event
that a statement lists already changes nothing, however often it is replayed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from govern.domain import predicates
from govern.domain.openlineage import ENDS, Event, put_together, run_digest
from govern.services.recording import Recorder
from govern.transparency.verify import VerifiedStatement

GRACE = timedelta(seconds=10)
STALE = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Settled:
    """Statements that were made, and events whose runs have not come to their end."""

    made: tuple[VerifiedStatement, ...]
    waiting: tuple[Event, ...]


def settle(
    recorder: Recorder,
    events: Iterable[Event],
    *,
    now: datetime,
    signer: str,
    keep: Callable[[bytes], str],
    grace: timedelta = GRACE,
) -> Settled:
    """Sign the runs that are ready.

    Args:
        events: in any order, of any runs.
        signer: the service's address.
        keep: stores the events of a run as they came, and returns their digest.
        grace: how long to wait for stragglers after a run's last event.
    """
    runs: dict[str, list[Event]] = {}
    for event in events:
        runs.setdefault(event.run_id, []).append(event)
    made, waiting = [], []
    for run_id in sorted(runs):
        earlier = statements_of(recorder, run_id)
        new = _news(runs[run_id], earlier)
        if not new:
            continue
        if not _is_ready(new, bool(earlier), now, grace):
            waiting += new
            continue
        run = put_together(new, amends=earlier[-1].digest if earlier else None)
        keep(run.record)
        made.append(
            recorder.record(predicates.PIPELINE_RUN, run.subjects, run.predicate, signer=signer)
        )
    return Settled(tuple(made), tuple(waiting))


def statements_of(recorder: Recorder, run_id: str) -> list[VerifiedStatement]:
    """Return what was signed about a run, oldest first."""
    found = [
        item
        for item in recorder.about(run_digest(run_id))
        if item.kind == predicates.PIPELINE_RUN and item.statement.predicate["run_id"] == run_id
    ]
    return sorted(found, key=lambda item: item.log_index)


def _news(events: Sequence[Event], earlier: Sequence[VerifiedStatement]) -> list[Event]:
    known = {row["digest"] for item in earlier for row in item.statement.predicate["events"]}
    fresh = {event.digest: event for event in reversed(events) if event.digest not in known}
    return list(fresh.values())


def _is_ready(events: Sequence[Event], amends: bool, now: datetime, grace: timedelta) -> bool:
    newest = max(event.received_at for event in events)
    ended = amends or any(event.kind in ENDS for event in events)
    return now - newest >= (grace if ended else STALE)
