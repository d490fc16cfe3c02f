"""One request through the gate: admit, forward, record, answer — in that order.

Every way out of here leaves a record: an answer, a refusal, an upstream's failure or
time-out, a client that went away, a stream that broke. Nothing is written to the client
before the record it rests on is durable; if that cannot be, the client gets 503
``cannot-record`` and not the answer.
"""

from __future__ import annotations

import hashlib
import re
import time
from binascii import b2a_base64
from functools import lru_cache
from typing import Any, Protocol

from govern.domain.gate_record import receipt_header
from govern.domain.snapshot import Route
from govern.errors import MalformedError
from serving_gate import protocols
from serving_gate.admitting import admit
from serving_gate.callers import Caller
from serving_gate.forwarding import response_lines, trace_of, upstream_request
from serving_gate.gate import Gate
from serving_gate.heads import RequestHead, ResponseHead
from serving_gate.pending import Pending
from serving_gate.problem import answer_bytes, dialect_lines, problem
from serving_gate.upstream import Call

_FAILED = {"upstream-timeout": "timeout", "digest-mismatch": "refusal"}
_SUBJECT = re.compile(rb"[\x21-\x7e]{1,128}")


class Client(Protocol):
    """The connection that an exchange answers on."""

    certificate_subject: str | None

    def answer(self, exchange: Exchange, data: bytes, *, close: bool) -> None:
        """Write a whole answer."""

    def begin(self, exchange: Exchange, data: bytes) -> None:
        """Write the head of an answer that comes in pieces."""

    def piece(self, exchange: Exchange, data: bytes) -> None:
        """Write a piece."""

    def finish(self, exchange: Exchange, data: bytes, *, broken: bool) -> None:
        """Write the end of an answer in pieces, or break it off."""


class Exchange:
    """The state of one request."""

    def __init__(self, gate: Gate, client: Client, head: RequestHead | None) -> None:
        self.gate = gate
        self.client = client
        self._head = head
        self._body: bytes | None = None
        self._started = time.monotonic()
        self._route: Route | None = None
        self._caller: Caller | None = None
        self._deployment: str | None = None
        self._call: Call | None = None
        self._answer: tuple[ResponseHead, bytes] | None = None
        self._trace = ""
        self._gone = self._recorded = False
        self._stream: Stream | None = None
        self._upstream: str | None = None
        self._extra = b""
        self._kind: str | None = None

    # -- admit ---------------------------------------------------------------------

    def start(self, body: bytes) -> None:
        """Take a request that has arrived in full."""
        head, gate = self._head, self.gate
        assert head is not None
        self._body = body
        if gate.recorder.journal_error is not None:
            return self._cannot_record()
        self._trace = trace_of(head.fields)
        asked = gate.match(head.method, head.target)
        if asked is None:
            return self.refuse("not-found", "this gate serves inference paths only")
        self._deployment, self._kind = asked.deployment, asked.kind
        found = admit(
            gate, head, body, self.client.certificate_subject, asked.deployment, self._started
        )
        self._caller, self._route = found.caller, found.route
        if found.refusal is not None:
            if found.wait_seconds:
                self._extra = b"retry-after: %d\r\n" % found.wait_seconds
            return self.refuse(found.refusal.reason, found.refusal.detail)
        assert found.route is not None
        self._check_and_forward(asked, found.route, body)
        return None

    def _check_and_forward(self, asked: protocols.Match, route: Route, body: bytes) -> None:
        head, gate = self._head, self.gate
        assert head is not None
        if protocols.kind_of(route.upstream) != asked.kind:
            return self.refuse("not-found", "the deployment speaks another protocol")
        model = str(route.upstream.get("model", asked.deployment))
        why = protocols.refused_body(asked.kind, body, head.fields, model)
        if why is not None:
            return self.refuse("refused-body", why)
        pool = gate.pools.get(asked.deployment)
        if pool is None:
            return self.refuse("not-ready", "this gate knows no upstream for the deployment")
        self._upstream = pool.name
        data = upstream_request(
            head,
            protocols.upstream_path(asked.kind, head.target),
            body,
            pool.authority,
            trace=self._trace,
            drop_credentials=not gate.callers.open,
        )
        try:
            proof = gate.proof_for(route)
        except MalformedError as error:
            return self.refuse("not-ready", f"its probes cannot be read: {error}")
        self._call = pool.send(data, head.method, self, proof)
        return None

    # -- record and answer -----------------------------------------------------------

    def refuse(
        self,
        reason: str,
        detail: str,
        *,
        kind: str = "refusal",
        status: int | None = None,
        close: bool = False,
    ) -> None:
        """Record a refusal and answer it."""
        code, body = problem(reason, detail, status, self._kind)
        self.gate.count(kind, reason)

        def done(index: int, leaf: bytes) -> None:
            lines = self.receipt(index, leaf) + dialect_lines(self._kind, code) + self._extra
            self.client.answer(self, answer_bytes(code, body, lines, close=close), close=close)

        self.submit(kind, code, reason, body, done)

    def receipt(self, index: int, leaf: bytes) -> bytes:
        """Return the receipt header's line."""
        admission = self._route.admission if self._route is not None else None
        before, after = _receipt_parts(self.gate.recorder.origin, admission)
        return b"%s%d; leaf=:%s:%s" % (before, index, b2a_base64(leaf, newline=False), after)

    def submit(
        self,
        kind: str,
        status: int,
        reason: str | None,
        response: bytes | None,
        done: Any,
        *,
        request_more: dict[str, Any] | None = None,
        response_more: dict[str, Any] | None = None,
        with_request: bool = True,
    ) -> None:
        """Queue the record of this request."""
        self._recorded = True
        head, route, caller = self._head, self._route, self._caller
        keep = self.gate.settings.keep_bodies
        self.gate.recorder.submit(
            Pending(
                kind=kind,
                method=head.method.decode() if head else "?",
                path=head.target.decode() if head else "?",
                status=status,
                done=done,
                failed=self._cannot_record,
                deployment=self._deployment,
                admission=route.admission if route else None,
                candidate=route.candidate if route else None,
                caller=caller.name if caller else None,
                subject=subject_of_payload(caller, head),
                request_body=self._body if with_request else None,
                response_body=response,
                keep_bodies=keep,
                request_more=request_more,
                response_more=response_more,
                reason=reason,
                latency_us=int((time.monotonic() - self._started) * 1e6),
                upstream=self._upstream,
                trace=self._trace or None,
            )
        )

    def _cannot_record(self) -> None:
        self._recorded = True  # as far as it can be
        detail = "the gate's log cannot be written just now"
        code, body = problem("cannot-record", detail, None, self._kind)
        self.gate.count("unrecorded", "cannot-record")
        if self._stream is not None and self._stream.begun:
            self.client.finish(self, b"", broken=True)
            return
        if self._stream is not None and self._call is not None:
            self.gate.cancel(self._call)
        lines = dialect_lines(self._kind, code)
        self.client.answer(self, answer_bytes(code, body, lines), close=False)

    # -- what the upstream says ------------------------------------------------------

    def upstream_answered(self, head: ResponseHead, body: bytes) -> None:
        """The whole answer has come."""
        self._call = None  # whom it names as its listener is freed without the collector
        if self._gone or self._is_other_model(head):
            return
        self._answer = (head, body)
        kind = "inference" if head.status < 400 else "error"
        self.gate.count(kind, None)
        self.submit(kind, head.status, None, body, self._answer_recorded)

    def _is_other_model(self, head: ResponseHead) -> bool:
        """Refuse an answer that says it comes from other bytes than those admitted."""
        assert self._route is not None
        why = protocols.other_model(self._route, head)
        if why is not None:
            self.refuse("digest-mismatch", why)
        return why is not None

    def _answer_recorded(self, index: int, leaf: bytes) -> None:
        assert self._answer is not None
        head, body = self._answer
        self.client.answer(
            self,
            b"".join((response_lines(head), self.receipt(index, leaf), b"\r\n", body)),
            close=False,
        )

    def upstream_failed(self, reason: str, detail: str) -> None:
        """No answer came, or no more of it."""
        if self._gone:
            return
        if self._stream is not None:
            self._stream.end(reason)
            return
        self.refuse(reason, detail, kind=_FAILED.get(reason, "error"))

    def upstream_opened(self, head: ResponseHead) -> None:
        """An answer in pieces begins."""
        if self._is_other_model(head):
            if self._call is not None:
                self.gate.cancel(self._call)
            return
        self._stream = Stream(self, head)
        self.submit("stream-open", head.status, None, None, self._stream.opened)

    def upstream_piece(self, data: bytes) -> None:
        """A piece has come."""
        if self._stream is not None:
            self._stream.piece(data)

    def upstream_ended(self) -> None:
        """The last piece has come."""
        if self._stream is not None:
            self._stream.end(None)

    # -- what the client does --------------------------------------------------------

    def client_gone(self) -> None:
        """The client closed its connection before it had its answer."""
        self._gone = True
        if self._call is not None:
            self.gate.cancel(self._call)
        if self._stream is not None:
            self._stream.end("cancelled")
        elif not self._recorded:
            self.gate.count("cancelled", "cancelled")
            self.submit("cancelled", 499, "cancelled", None, _nothing)

    def flow(self, *, ready: bool) -> None:
        """The client can, or cannot, take more bytes for now."""
        connection = self._call.connection if self._call is not None else None
        if connection is not None and connection.call is self._call:
            connection.resume() if ready else connection.pause()


class Stream:
    """An answer in pieces: an opening record before the first byte, a closing one before the end."""

    def __init__(self, exchange: Exchange, head: ResponseHead) -> None:
        self._exchange = exchange
        self._head = head
        self._waiting: list[bytes] = []
        self._kept = bytearray()
        self._digests = hashlib.sha256()
        self._pieces = self._bytes = 0
        self._open_index: int | None = None
        self._ended: str | None = None
        self._over = False
        self.begun = False

    def opened(self, index: int, leaf: bytes) -> None:
        """The opening record is durable: the first byte may leave."""
        exchange = self._exchange
        self._open_index, self.begun = index, True
        receipt = exchange.receipt(index, leaf)
        framing = b"transfer-encoding: chunked\r\n\r\n"
        exchange.client.begin(exchange, response_lines(self._head) + receipt + framing)
        for data in self._waiting:
            exchange.client.piece(exchange, data)
        self._waiting.clear()
        if self._over:
            self._close()

    def piece(self, data: bytes) -> None:
        """Digest a piece and pass it on as it is."""
        self._digests.update(hashlib.sha256(data).digest())
        self._pieces += 1
        self._bytes += len(data)
        if self._bytes <= self._exchange.gate.settings.stream_record_bytes_max:
            self._kept += data
        if self.begun:
            self._exchange.client.piece(self._exchange, data)
        else:
            self._waiting.append(data)

    def end(self, reason: str | None) -> None:
        """The answer is over, well or not."""
        if self._over:
            return
        self._over, self._ended = True, reason
        if self.begun:
            self._close()

    def _close(self) -> None:
        exchange = self._exchange
        whole = len(self._kept) == self._bytes
        exchange.gate.count("stream", self._ended)
        exchange.submit(
            "stream-close",
            self._head.status,
            self._ended,
            bytes(self._kept) if whole else None,
            self._closed,
            request_more={"opened": self._open_index},
            response_more={
                "chunks": self._pieces,
                "chunks_digest": "sha256:" + self._digests.hexdigest(),
                "bytes": self._bytes,
            },
            with_request=False,
        )

    def _closed(self, index: int, leaf: bytes) -> None:
        broken = self._ended is not None
        self._exchange.client.finish(self._exchange, b"0\r\n\r\n", broken=broken)


def subject_of_payload(caller: Caller | None, head: RequestHead | None) -> str:
    """Say whose key the payload lies under: the person named, else the caller, else us."""
    if caller is None:
        return "gate"
    named = head.fields.get(b"govern-subject") if head else None
    if named is not None and _SUBJECT.fullmatch(named):
        return f"subject:{named.decode()}"
    return f"caller:{caller.name}"


@lru_cache(maxsize=1024)
def _receipt_parts(origin: str, admission: str | None) -> tuple[bytes, bytes]:
    """Return what stands before the index and after the leaf in a receipt's header line."""
    text = receipt_header(origin, 0, b"", admission)
    before, after = text.split("0; leaf=::")
    return b"govern-receipt: " + before.encode(), after.encode() + b"\r\n"


def _nothing(index: int, leaf: bytes) -> None:
    """Answer nobody: the client has left."""
