"""One connection to an upstream: a call at a time, its answer read strictly.

Answers with a Content-Length are handed over whole; chunked, event-stream and
close-delimited answers are handed over piece by piece.
Which connection takes a call is decided in ``pools.py``.
"""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass
from typing import Protocol, cast

from serving_gate.heads import HEAD_BYTES_MAX, BadHeadError, Chunks, ResponseHead, read_response
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


class Keeper(Protocol):
    """Who keeps a connection; see ``pools.py``."""

    settings: Settings

    def released(self, connection: Connection, *, ok: bool) -> None:
        """A connection has served its call."""

    def lost(self, connection: Connection) -> None:
        """A connection is gone."""


class Connection(asyncio.Protocol):
    """One connection to an upstream, serving one call at a time."""

    def __init__(self, pool: Keeper) -> None:
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._head: ResponseHead | None = None
        self._chunks: Chunks | None = None
        self._left = 0
        self.call: Call | None = None
        self.idle_since = 0.0
        self.proving = False
        self.proved: object | None = None

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
