"""What happens to a gate, as lines of JSON on standard error: for a log collector.

Requests are not told here, they have their records. A line holds names, versions, reasons and
counts; no header, body, key or token can get into one, for none is at hand here.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from govern.transparency.encoding import format_time
from serving_gate.gate import Gate

LOOK_SECONDS = 0.2


@dataclass(slots=True)
class State:
    """What was last told of a gate."""

    problems: list[str] = field(default_factory=list)
    version: int | None = None
    closed: dict[str, str] = field(default_factory=dict)


def changes(state: State, gate: Gate) -> Iterator[dict[str, Any]]:
    """Yield what has changed since ``state``, and bring it up to date."""
    problems, view = gate.problems(), gate.snapshot.view
    if view is not None and view.version != state.version:
        state.version = view.version
        statuses = {name: found[0].status for name, found in sorted(view.routes.items())}
        yield {"event": "snapshot", "version": view.version, "deployments": statuses}
    for admission in gate.closed.keys() - state.closed.keys():
        yield {"event": "route closed", "admission": admission, "why": gate.closed[admission]}
    for admission in state.closed.keys() - gate.closed.keys():
        yield {"event": "route opened", "admission": admission}
    state.closed = dict(gate.closed)
    if problems != state.problems:
        state.problems = problems
        yield {"event": "not ready", "problems": problems} if problems else {"event": "ready"}


def say(name: str, event: Mapping[str, Any]) -> None:
    """Write one line."""
    line = {"at": format_time(datetime.now(UTC)), "gate": name, **event}
    sys.stderr.write(orjson.dumps(line).decode() + "\n")
    sys.stderr.flush()


class Teller:
    """Tells of one gate's changes."""

    def __init__(self, gate: Gate) -> None:
        self._gate, self._state = gate, State()

    def say(self, event: str, **more: Any) -> None:
        """Tell of an event, and of what has changed before it."""
        for changed in changes(self._state, self._gate):
            say(self._gate.family.name, changed)
        say(self._gate.family.name, {"event": event, **more})

    async def run(self) -> None:
        """Tell of changes until cancelled."""
        recorder = self._gate.recorder
        say(
            self._gate.family.name,
            {"event": "started", "records": recorder.size, "origin": recorder.origin},
        )
        while True:
            for changed in changes(self._state, self._gate):
                say(self._gate.family.name, changed)
            await asyncio.sleep(LOOK_SECONDS)
