"""The client's side of the gate: HTTP/1.1 connections, one request at a time each.

Reads heads strictly, bodies within limits and times, pipelined requests in order.
What has no single meaning is answered 400, recorded, and the connection closed.
"""

from __future__ import annotations

import asyncio
import time
from typing import cast

from serving_gate import pages
from serving_gate.exchange import Exchange
from serving_gate.gate import Gate
from serving_gate.heads import HEAD_BYTES_MAX, BadHeadError, Chunks, RequestHead, read_request
from serving_gate.tls import subject_of

BUFFER_BYTES_MAX = 256 << 10


class ClientConnection(asyncio.Protocol):
    """One client connection."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._head: RequestHead | None = None
        self._chunks: Chunks | None = None
        self._exchange: Exchange | None = None
        self._paging: asyncio.Task[None] | None = None
        self._keep = True
        self._paused = self._choked = False
        self._closing = False
        self._unsent, self._sent_at = 0, 0.0
        self.deadline = 0.0
        self.certificate_subject: str | None = None

    # -- events of the transport -----------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)
        self._gate.connections.add(self)
        self.certificate_subject = subject_of(transport.get_extra_info("ssl_object"))
        self.deadline = time.monotonic() + self._gate.settings.request_timeout_seconds
        if len(self._gate.connections) > self._gate.settings.client_connections_max:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """End; whatever was under way fails or is cancelled."""
        self._transport = None
        self._gate.connections.discard(self)
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.client_gone()
        elif self._head is not None and not self._closing:
            Exchange(self._gate, self, self._head).client_gone()

    def eof_received(self) -> bool:
        """A client that closes its half has left, as nginx sees it too: the call is cancelled."""
        return False

    def pause_writing(self) -> None:
        """The other side is slow: nothing more is begun, and the upstream is held back."""
        self._choked, self._unsent, self._sent_at = True, 0, time.monotonic()
        if self._exchange is not None:
            self._exchange.flow(ready=False)

    def resume_writing(self) -> None:
        """The other side has caught up."""
        self._choked = False
        if self._exchange is not None:
            self._exchange.flow(ready=True)
        else:
            self._resume()

    def data_received(self, data: bytes) -> None:
        """Take bytes as they come."""
        if self._closing:
            return
        if not self._buffer and self._head is None:
            if self._whole(data):
                return
            self.deadline = time.monotonic() + self._gate.settings.request_timeout_seconds
        self._buffer += data
        if self._exchange is None and self._paging is None and not self._choked:
            self._advance()
        elif len(self._buffer) > BUFFER_BYTES_MAX and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    # -- reading ---------------------------------------------------------------------

    def _advance(self) -> None:
        """Begin the next request if it has arrived in full."""
        try:
            if self._head is None and not self._read_head():
                return
            body = self._read_body()
        except BadHeadError as error:
            self._refuse("malformed-request", str(error), error.status)
            return
        if body is None or self._head is None:
            return
        head, self._head, self._chunks = self._head, None, None
        self._begin(head, body)

    def _whole(self, data: bytes) -> bool:
        """Begin a request that came in one piece, as most do; leave others to the buffer."""
        if self._exchange is not None or self._paging is not None or self._choked:
            return False
        end = data.find(b"\r\n\r\n") + 4
        if not 4 <= end <= HEAD_BYTES_MAX:
            return False
        try:
            head = read_request(data[:end])
        except BadHeadError:
            return False
        if head.chunked or head.length != len(data) - end:
            return False
        if head.length > self._gate.settings.request_body_bytes_max:
            return False
        self._begin(head, data[end:])
        return True

    def _begin(self, head: RequestHead, body: bytes) -> None:
        if pages.is_page(head.target):
            self._page(head)
            return
        self._exchange = Exchange(self._gate, self, head)
        self._keep = head.keep_alive and not self._gate.draining
        self._exchange.start(body)

    def _page(self, head: RequestHead) -> None:
        """Answer one of the gate's own pages; requests behind it wait."""
        self._keep = head.keep_alive
        self._paging = self._gate.loop.create_task(self._answer_page(head))

    async def _answer_page(self, head: RequestHead) -> None:
        if head.method in (b"GET", b"HEAD"):
            status, kind, body = await pages.answer(self._gate, head.target)
        else:
            status, kind, body = 405, pages.TEXT, b"only GET and HEAD\n"
        reply = b"HTTP/1.1 %d %s\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n" % (
            status,
            b"OK" if status == 200 else b"Refused",
            kind,
            len(body),
        )
        self._paging = None
        self.answer(None, reply + (b"" if head.method == b"HEAD" else body), close=False)

    def _read_head(self) -> bool:
        buffer = self._buffer
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(buffer) > HEAD_BYTES_MAX:
                raise BadHeadError("the head is too long", 431)
            if b"\n" in buffer.replace(b"\r\n", b"") or buffer[:1] in b"\r\n ":
                raise BadHeadError("a line ends with a bare LF or the request begins with none")
            return False
        if end > HEAD_BYTES_MAX:
            raise BadHeadError("the head is too long", 431)
        head = read_request(bytes(buffer[: end + 4]))
        del buffer[: end + 4]
        self._head = head
        if head.length > self._gate.settings.request_body_bytes_max:
            self._refuse("too-large", "the request body is over the limit", None)
            return False
        self._chunks = Chunks() if head.chunked else None
        if head.expects_continue and not buffer and self._transport is not None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def _read_body(self) -> bytes | None:
        head = self._head
        assert head is not None
        if self._chunks is not None:
            self._chunks.feed(self._buffer)
            if len(self._chunks.data) > self._gate.settings.request_body_bytes_max:
                self._refuse("too-large", "the request body is over the limit", None)
                return None
            return bytes(self._chunks.data) if self._chunks.done else None
        if len(self._buffer) < head.length:
            return None
        body = bytes(self._buffer[: head.length])
        del self._buffer[: head.length]
        return body

    def _refuse(self, reason: str, detail: str, status: int | None) -> None:
        """Refuse what cannot be read on from; the connection closes after the answer."""
        self._closing = True
        head, self._head = self._head, None
        self._exchange = Exchange(self._gate, self, head)
        self._exchange.refuse(reason, detail, status=status, close=True)

    def expire(self, now: float) -> None:
        """Close when a request does not arrive in time, none comes, or an answer is not taken."""
        if (self._choked or self._closing) and not self._takes_bytes(now):
            self.abort()
            return
        if self._exchange is not None or now < self.deadline or self._closing:
            return
        if self._head is None and not self._buffer:
            self.close()
        else:
            self._refuse("request-timeout", "the request did not arrive in time", None)

    def _takes_bytes(self, now: float) -> bool:
        """Say whether the client has read something within its time."""
        unsent = self._transport.get_write_buffer_size() if self._transport is not None else 0
        if unsent != self._unsent:
            self._unsent, self._sent_at = unsent, now
        return not unsent or now - self._sent_at < self._gate.settings.send_timeout_seconds

    def close(self) -> None:
        """Close unless a request is being answered."""
        if self._exchange is None and self._transport is not None:
            self._closing = True
            self._transport.close()

    def abort(self) -> None:
        """Close whatever is going on; the record says cancelled."""
        if self._transport is not None:
            self._transport.abort()

    # -- answering -------------------------------------------------------------------

    def answer(self, exchange: Exchange | None, data: bytes, *, close: bool) -> None:
        """Write a whole answer and go on with the next request."""
        if exchange is not self._exchange or self._transport is None:
            return
        self._transport.write(data)
        self._next(close)

    def begin(self, exchange: Exchange, data: bytes) -> None:
        """Write the head of an answer in pieces."""
        if exchange is self._exchange and self._transport is not None:
            self._transport.write(data)

    def piece(self, exchange: Exchange, data: bytes) -> None:
        """Write one chunk."""
        if exchange is self._exchange and self._transport is not None:
            self._transport.write(b"%x\r\n%s\r\n" % (len(data), data))

    def finish(self, exchange: Exchange, data: bytes, *, broken: bool) -> None:
        """End an answer in pieces; a broken one ends with the connection."""
        if exchange is not self._exchange or self._transport is None:
            return
        if broken:
            self._exchange = None
            self._closing = True
            self._transport.abort()
            return
        self._transport.write(data)
        self._next(False)

    def _next(self, close: bool) -> None:
        self._exchange = None
        if close or not self._keep or self._gate.draining:
            self._closing = True
            if self._transport is not None:
                self._transport.close()
            return
        self.deadline = time.monotonic() + self._gate.settings.keep_alive_seconds
        if self._buffer or self._paused:
            self._gate.loop.call_soon(self._resume)

    def _resume(self) -> None:
        """Go on with what has come meanwhile."""
        if self._exchange is not None or self._paging is not None or self._choked or self._closing:
            return
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        if self._buffer:
            self._advance()
