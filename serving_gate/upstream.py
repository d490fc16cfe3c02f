"""Connections to an upstream: pooled, bounded, with deadlines; never a blind retry.

A call is sent once. It moves to another connection only if the one chosen turns out to
be closed before a byte was written. After ``breaker_failures`` failures in a row the
upstream is left alone for ``breaker_open_seconds``, then tried with one call.
Answers with a Content-Length are handed over whole; chunked, event-stream and
close-delimited answers are handed over piece by piece.
"""

from __future__ import annotations

import asyncio
import math
import ssl
import time
from collections import deque
from dataclasses import dataclass
from typing import Protocol, cast

from serving_gate.heads import HEAD_BYTES_MAX, BadHeadError, Chunks, ResponseHead, read_response
from serving_gate.options import Upstream
from serving_gate.settings import Settings


class Listener(Protocol):
    """Who waits for an answer; exactly one of whole, end or failed comes last."""

    def upstream_answered(self, head: ResponseHead, body: bytes) -> None:
        """The whole answer."""

    def upstream_opened(self, head: ResponseHead) -> None:
        """The head of an answer that comes in pieces."""

    def upstream_piece(self, data: bytes) -> None:
        """A piece of the body."""

    def upstream_ended(self) -> None:
        """The last piece has come."""

    def upstream_failed(self, reason: str, detail: str) -> None:
        """No answer, or no more of it."""


@dataclass(slots=True)
class Call:
    """A request on its way to an upstream."""

    data: bytes
    method: bytes
    listener: Listener
    deadline: float
    connection: Connection | None = None
    ended: bool = False


class Connection(asyncio.Protocol):
    """One connection to an upstream, serving one call at a time."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._head: ResponseHead | None = None
        self._chunks: Chunks | None = None
        self._left = 0
        self.call: Call | None = None
        self.idle_since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)

    @property
    def usable(self) -> bool:
        """Whether a call may be sent on it."""
        return self._transport is not None and not self._transport.is_closing()

    def send(self, call: Call) -> None:
        """Send a call."""
        assert self._transport is not None
        self.call = call
        call.connection = self
        self._transport.write(call.data)

    def pause(self) -> None:
        """Read no more for now: the client is slower than the upstream, whose time stands still."""
        if self.call is not None:
            self.call.deadline = math.inf
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self.call is not None:
            self.call.deadline = time.monotonic() + self._pool.settings.upstream_timeout_seconds
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def abort(self) -> None:
        """Drop the connection and its call without a word."""
        self.call = None
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take bytes as they come."""
        if self.call is None:
            self.abort()  # an answer that nobody asked for
            return
        try:
            if not self._buffer and self._head is None and self._whole(data, self.call):
                return
            self._buffer += data
            self._advance()
        except BadHeadError as error:
            self._fail("upstream-failed", str(error))

    def _whole(self, data: bytes, call: Call) -> bool:
        """Take an answer that came in one piece, as most do; leave others to the buffer."""
        end = data.find(b"\r\n\r\n") + 4
        if not 4 <= end <= HEAD_BYTES_MAX:
            return False
        head = read_response(data[:end], call.method)
        if head.status < 200 or head.length != len(data) - end:
            return False
        self._require_small(head)
        self._head = head
        self._release()
        call.listener.upstream_answered(head, data[end:])
        return True

    def _require_small(self, head: ResponseHead) -> None:
        if head.length is not None and head.length > self._pool.settings.response_body_bytes_max:
            raise BadHeadError("the upstream's answer is too large", 502)

    def connection_lost(self, exc: Exception | None) -> None:
        """End; whatever was under way fails or is cancelled."""
        self._transport = None
        self._pool.lost(self)
        if self.call is None:
            return
        if self._head is not None and self._head.length is None and not self._head.chunked:
            self._finish_stream()
        else:
            self._fail("upstream-failed", "the upstream closed the connection")

    def _advance(self) -> None:
        if self._head is None and not self._read_head():
            return
        head, call = self._head, self.call
        if head is None or call is None:
            return
        if head.length is not None and self._left >= 0 and self._chunks is None:
            if len(self._buffer) >= head.length:
                body = bytes(self._buffer[: head.length])
                del self._buffer[: head.length]
                self._release()
                call.listener.upstream_answered(head, body)
            return
        self._advance_stream(call, head)

    def _read_head(self) -> bool:
        assert self.call is not None
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > HEAD_BYTES_MAX:
                raise BadHeadError("the upstream's head is too long", 502)
            return False
        head = read_response(bytes(self._buffer[: end + 4]), self.call.method)
        del self._buffer[: end + 4]
        if head.status < 200:
            return self._read_head()
        self._require_small(head)
        self._head = head
        if head.length is None:
            self._chunks = Chunks() if head.chunked else None
            self.call.deadline = time.monotonic() + self._pool.settings.upstream_timeout_seconds
            self.call.listener.upstream_opened(head)
        return True

    def _advance_stream(self, call: Call, head: ResponseHead) -> None:
        call.deadline = time.monotonic() + self._pool.settings.upstream_timeout_seconds
        if self._chunks is None:
            data = bytes(self._buffer)
            self._buffer.clear()
        else:
            self._chunks.feed(self._buffer)
            data = bytes(self._chunks.data)
            self._chunks.data.clear()
        if data:
            call.listener.upstream_piece(data)
        if self._chunks is not None and self._chunks.done and self.call is call:
            self._finish_stream()

    def _finish_stream(self) -> None:
        call = self.call
        self._release()
        if call is not None:
            call.listener.upstream_ended()

    def _release(self) -> None:
        """The answer is complete: keep the connection if both sides may."""
        keep = self._head is not None and self._head.keep_alive and not self._buffer
        if self.call is not None:
            self.call.ended = True
        self.call = self._head = self._chunks = None
        if not keep and self._transport is not None:
            self._transport.abort()
        self._pool.released(self, ok=True)

    def _fail(self, reason: str, detail: str) -> None:
        call, self.call = self.call, None
        if self._transport is not None:
            self._transport.abort()
        self._pool.released(self, ok=False)
        if call is not None and not call.ended:
            call.ended = True
            call.listener.upstream_failed(reason, detail)

    def expire(self) -> None:
        """The deadline of the call has passed."""
        self._fail("upstream-timeout", "the upstream did not answer in time")


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

    def send(self, data: bytes, method: bytes, listener: Listener) -> Call:
        """Send a request, at once or when a connection is free."""
        now = time.monotonic()
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
            if connection.usable and connection.idle_since >= oldest:
                return connection
            connection.abort()
            self.connections.discard(connection)
        return None

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(self.settings.upstream_connect_seconds):
                _, connection = await self._loop.create_connection(
                    lambda: Connection(self), self.host, self.port, ssl=self._context
                )
        except (OSError, TimeoutError) as error:
            self._connecting -= 1
            self._note_failure()
            self._fail_one(f"the upstream cannot be reached ({type(error).__name__})")
            return
        self._connecting -= 1
        connection.idle_since = time.monotonic()
        self.connections.add(connection)
        self._idle.append(connection)
        self._dispatch()

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
