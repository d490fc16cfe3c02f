"""Connections to an upstream: pooled, bounded, with deadlines; never a blind retry.

A call is sent once. It moves to another connection only if the one chosen turns out to
be closed before a byte was written. After ``breaker_failures`` failures in a row the
upstream is left alone for ``breaker_open_seconds``, then tried with one call.
Where calls come with a proof, a connection serves them once it has passed that proof.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from serving_gate.options import Upstream
from serving_gate.settings import Settings
from serving_gate.upstream import Call, Connection, Listener


class WrongModelError(Exception):
    """An upstream answered otherwise than the admitted model."""


class Proof(Protocol):
    """What a connection's other end must prove for an admission; see ``probing.py``."""

    admission: str

    async def prove(self, pool: Pool, connection: Connection) -> None:
        """Prove it once, on a connection that serves nobody yet."""

    async def prove_all(self, pool: Pool, connection: Connection) -> None:
        """Prove all there is to prove."""


class Pool:
    """All connections to one upstream."""

    def __init__(
        self,
        upstream: Upstream,
        settings: Settings,
        loop: asyncio.AbstractEventLoop,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.host, self.port, self.settings = upstream.host, upstream.port, settings
        self.authority = f"{self.host}:{self.port}".encode()
        self.name = upstream.url
        self._context = context
        self.sent = 0
        self._loop = loop
        self._idle: list[Connection] = []
        self.connections: set[Connection] = set()
        self._connecting = 0
        self._waiting: deque[Call] = deque()
        self._failures = 0
        self._closed_until = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._proof: Proof | None = None
        self.on_wrong: Callable[[Proof, str], None] = _ignore

    def send(
        self, data: bytes, method: bytes, listener: Listener, proof: Proof | None = None
    ) -> Call:
        """Send a request, at once or when a connection is free that has passed ``proof``."""
        now = time.monotonic()
        self._proof = proof
        call = Call(data, method, listener, now + self.settings.upstream_timeout_seconds)
        if now < self._closed_until:
            self._refuse(call, "the upstream failed repeatedly and is left alone for a moment")
        elif len(self._waiting) >= self.settings.upstream_waiting_max:
            self._refuse(call, "too many requests wait for the upstream")
        else:
            self._waiting.append(call)
            self._dispatch()
        return call

    def cancel(self, call: Call) -> None:
        """Nobody waits any longer."""
        call.ended = True
        if call.connection is not None and call.connection.call is call:
            connection = call.connection
            connection.abort()
            self.lost(connection)

    def _refuse(self, call: Call, detail: str) -> None:
        call.ended = True
        self._loop.call_soon(call.listener.upstream_failed, "upstream-failed", detail)

    def _dispatch(self) -> None:
        while self._waiting:
            if self._waiting[0].ended:
                self._waiting.popleft()
                continue
            connection = self._take_idle()
            if connection is None:
                break
            self.sent += 1
            connection.send(self._waiting.popleft())
        wanted = len(self._waiting) - self._connecting
        room = self.settings.upstream_connections_max - len(self.connections) - self._connecting
        for _ in range(min(wanted, room)):
            self._connecting += 1
            task = self._loop.create_task(self._connect())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _take_idle(self) -> Connection | None:
        oldest = time.monotonic() - self.settings.upstream_idle_seconds
        while self._idle:
            connection = self._idle.pop()
            fresh = connection.usable and connection.idle_since >= oldest
            if fresh and connection.proved is self._proof:
                return connection
            connection.abort()
            self.connections.discard(connection)
        return None

    async def _connect(self) -> None:
        try:
            connection = await self._open()
        except (OSError, TimeoutError) as error:
            self._connecting -= 1
            self._note_failure()
            self._fail_one(f"the upstream cannot be reached ({type(error).__name__})")
            return
        try:
            await self._prove(connection, self._proof)
        except WrongModelError as error:
            self._fail_all("digest-mismatch", str(error))
        except OSError as error:
            self._fail_one(f"the upstream did not answer a probe: {error}")
        self._connecting -= 1
        if connection.usable:
            connection.idle_since = time.monotonic()
            self._idle.append(connection)
        self._dispatch()

    async def _open(self) -> Connection:
        async with asyncio.timeout(self.settings.upstream_connect_seconds):
            _, connection = await self._loop.create_connection(
                lambda: Connection(self), self.host, self.port, ssl=self._context
            )
        self.connections.add(connection)
        return connection

    async def _prove(self, connection: Connection, proof: Proof | None) -> None:
        """Have a new connection pass its proof; one that does not is closed.

        Raises:
            WrongModelError: the upstream answers otherwise than the admitted model.
            OSError: it does not answer, or keeps no connection.
        """
        if proof is None:
            return
        connection.proving = True
        try:
            await proof.prove(self, connection)
            if not connection.usable:
                raise OSError("it closes the connection after an answer")
        except (WrongModelError, OSError) as error:
            connection.abort()
            if isinstance(error, WrongModelError):
                self.on_wrong(proof, str(error))
            raise
        connection.proving, connection.proved = False, proof

    async def prove_now(self, proof: Proof) -> None:
        """Ask for everything that there is to prove, on a connection of its own.

        Raises:
            WrongModelError: the upstream answers otherwise than the admitted model.
            OSError: it cannot be reached or does not answer.
        """
        connection = await self._open()
        connection.proving = True
        try:
            await proof.prove_all(self, connection)
        finally:
            connection.abort()
            self.connections.discard(connection)

    def ask(self, connection: Connection, data: bytes, listener: Listener) -> None:
        """Send a probe on a connection that serves nobody yet.

        Raises:
            OSError: the connection is closed.
        """
        if not connection.usable:
            raise OSError("it closes the connection after an answer")
        self.sent += 1
        deadline = time.monotonic() + self.settings.upstream_timeout_seconds
        connection.send(Call(data, b"POST", listener, deadline))

    def _fail_all(self, reason: str, detail: str) -> None:
        waiting, self._waiting = self._waiting, deque()
        for call in waiting:
            if not call.ended:
                call.ended = True
                call.listener.upstream_failed(reason, detail)

    def _fail_one(self, detail: str) -> None:
        while self._waiting:
            call = self._waiting.popleft()
            if not call.ended:
                call.ended = True
                call.listener.upstream_failed("upstream-failed", detail)
                return

    def released(self, connection: Connection, *, ok: bool) -> None:
        """A connection has served its call."""
        if ok:
            self._failures = 0
        else:
            self._note_failure()
        if connection.proving and connection.usable:
            return
        if connection.usable:
            connection.idle_since = time.monotonic()
            self._idle.append(connection)
        else:
            self.connections.discard(connection)
        if self._waiting:
            self._dispatch()

    def lost(self, connection: Connection) -> None:
        """A connection is gone."""
        self.connections.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if self._waiting:
            self._dispatch()

    def _note_failure(self) -> None:
        self._failures += 1
        if self._failures >= self.settings.breaker_failures:
            self._closed_until = time.monotonic() + self.settings.breaker_open_seconds
            self._failures = self.settings.breaker_failures - 1

    def sweep(self) -> None:
        """Expire calls past their deadline and connections idle too long."""
        now = time.monotonic()
        for connection in list(self.connections):
            if connection.call is not None and now >= connection.call.deadline:
                connection.expire()
        while self._waiting and now >= self._waiting[0].deadline:
            call = self._waiting.popleft()
            if not call.ended:
                call.ended = True
                call.listener.upstream_failed("upstream-timeout", "no connection came free in time")
        oldest = now - self.settings.upstream_idle_seconds
        stale = [item for item in self._idle if item.idle_since < oldest]
        for connection in stale:
            self._idle.remove(connection)
            self.connections.discard(connection)
            connection.abort()

    def close(self) -> None:
        """Drop all connections."""
        for connection in list(self.connections):
            connection.abort()
        self.connections.clear()
        self._idle.clear()


def _ignore(proof: Proof, why: str) -> None:
    """Nobody wants to know."""
