"""The gate as a whole: what its connections share."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol

from govern.domain.snapshot import Route
from serving_gate import decide as deciding
from serving_gate import protocols
from serving_gate.callers import Callers
from serving_gate.family import Family
from serving_gate.pools import Pool, Proof
from serving_gate.rates import Buckets
from serving_gate.recorder import Recorder
from serving_gate.settings import Settings
from serving_gate.snapshot import SnapshotKeeper
from serving_gate.trusting import TrustKeeper
from serving_gate.upstream import Call

MATCH_CACHE_MAX = 4096
SWEEP_SECONDS = 0.1


class Connected(Protocol):
    """A client connection, as the gate keeps it."""

    def expire(self, now: float) -> None:
        """Close when a request does not arrive in time."""

    def close(self) -> None:
        """Close unless a request is being answered."""

    def abort(self) -> None:
        """Close whatever is going on."""


class Sent(Protocol):
    """Counts what was sent to one upstream."""

    sent: int


class Gate:
    """Settings, recorder, snapshot, callers, upstreams, counters."""

    def __init__(
        self,
        *,
        settings: Settings,
        recorder: Recorder,
        snapshot: SnapshotKeeper,
        callers: Callers,
        pools: Mapping[str, Pool],
        family: Family,
        loop: asyncio.AbstractEventLoop,
        trust: TrustKeeper,
    ) -> None:
        self.trust = trust
        self.settings = settings
        self.recorder = recorder
        self.snapshot = snapshot
        self.callers = callers
        self.loop = loop
        self.pools = pools
        self.grpc_channels: Mapping[str, Sent] = {}
        self.renewals: list[Callable[[], None]] = []  # called when certificates were read again
        self.closed: dict[str, str] = {}  # admissions whose upstream answers otherwise, and how
        self.proof_for: Callable[[Route], Proof | None] = _unproved
        self.family = family
        self.buckets = Buckets()
        self.connections: set[Connected] = set()
        self.draining = False
        self.counts: Counter[tuple[str, str | None]] = Counter()
        self.started_at = time.time()
        self._matches: dict[bytes, protocols.Match | None] = {}

    def match(self, method: bytes, target: bytes) -> protocols.Match | None:
        """Return what a path asks for; the last few thousand are remembered."""
        line = method + b" " + target
        try:
            return self._matches[line]
        except KeyError:
            if len(self._matches) >= MATCH_CACHE_MAX:
                self._matches.clear()
            found = self._matches[line] = protocols.match(method, target)
            return found

    def decide(self, deployment: str) -> Route | deciding.Refusal:
        """Decide on a call now."""
        if self.trust.problem is not None:
            return deciding.Refusal("not-ready", self.trust.problem)
        keeper = self.snapshot
        found = deciding.decide(deployment, keeper.view, keeper.fresh_until, time.time())
        if self.closed and isinstance(found, Route) and found.admission in self.closed:
            return deciding.Refusal("digest-mismatch", self.closed[found.admission], found)
        return found

    def count(self, kind: str, reason: str | None) -> None:
        """Count an outcome."""
        self.counts[kind, reason] += 1

    def cancel(self, call: Call) -> None:
        """Drop a call that nobody waits for."""
        for pool in self.pools.values():
            if call.connection is None or call.connection in pool.connections:
                pool.cancel(call)
                return

    def problems(self) -> list[str]:
        """Return why the gate is not ready, if it is not."""
        found: list[str] = []
        now = time.time()
        if self.draining:
            found.append("draining")
        if self.snapshot.view is None:
            found.append(self.snapshot.problem or "no snapshot yet")
        elif now >= min(self.snapshot.fresh_until, self.snapshot.view.expires):
            found.append("stale-snapshot")
        recorder = self.recorder
        errors = (
            recorder.journal_error,
            recorder.publish_error,
            self.callers.problem,
            self.trust.problem,
        )
        return found + [error for error in errors if error is not None]

    # -- life ------------------------------------------------------------------------

    def periodic(self) -> list[Coroutine[Any, Any, None]]:
        """Return the work that goes on until the gate is told to stop."""
        settings = self.settings
        return [
            self.snapshot.poll(settings.snapshot_poll_seconds),
            self.recorder.publish_every(settings.publish_seconds),
            self.refresh_callers(),
            self.trust.look_every(settings.snapshot_poll_seconds),
        ]

    async def refresh_callers(self) -> None:
        """Read callers and key sets again and again, until cancelled."""
        while True:
            await asyncio.sleep(self.settings.callers_refresh_seconds)
            await asyncio.to_thread(self.callers.refresh)

    async def sweep(self) -> None:
        """Enforce deadlines, until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = time.monotonic()
            for connection in list(self.connections):
                connection.expire(now)
            for pool in self.pools.values():
                pool.sweep()
            self.recorder.watch(self.settings.record_timeout_seconds)

    async def drain(self) -> bool:
        """Finish what was begun, close the rest, and publish the log.

        Returns:
            False when the disk did not answer in ``drain_seconds``.
        """
        self.draining = True
        end = time.monotonic() + self.settings.drain_seconds
        for connection in list(self.connections):
            connection.close()
        while self.connections and time.monotonic() < end:
            await asyncio.sleep(0.01)
        for connection in list(self.connections):
            connection.abort()
        await asyncio.sleep(SWEEP_SECONDS)  # the transports report their end to the exchanges
        durable = await self.recorder.drain(self.settings.drain_seconds)
        for pool in self.pools.values():
            pool.close()
        return durable


def _unproved(route: Route) -> Proof | None:
    """Ask for no proof."""
    return None
