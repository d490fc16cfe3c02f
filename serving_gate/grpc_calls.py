"""One gRPC call through the gate: admit, forward, record, answer — in that order.

The rules are those of ``exchange.py``, spoken in gRPC: messages are passed as bytes, a refusal
is a status with ``govern-reason`` and ``govern-receipt`` in the trailing metadata, and nothing
leaves before the record it rests on is durable. A stream is admitted anew with each message;
it has an opening record before its first answer and a closing one before its status.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import grpc
from grpc import aio

from govern.domain.gate_record import receipt_header
from govern.domain.snapshot import Route
from serving_gate import grpc_wire, protocols
from serving_gate.admitting import admit
from serving_gate.callers import Caller
from serving_gate.exchange import subject_of_payload
from serving_gate.forwarding import passed_metadata, trace_of, traceparent
from serving_gate.gate import Gate
from serving_gate.grpc_wire import BadMessageError
from serving_gate.heads import RequestHead, ResponseHead
from serving_gate.pending import Pending
from serving_gate.problem import REASONS
from serving_gate.tls import subject_of_pem

Metadata = tuple[tuple[str, str | bytes], ...]
Context = Any  # grpc.aio.ServicerContext; the library has no types
STATUSES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}
_FORBIDDEN = ("content-length", "transfer-encoding")


class GrpcUpstream(Protocol):
    """Where a deployment's messages go."""

    name: str
    channel: aio.Channel
    sent: int


class RefusedError(Exception):
    """The call is refused; ``reason`` is one of ``problem.REASONS``."""

    def __init__(self, reason: str, text: str, kind: str = "refusal") -> None:
        super().__init__(text)
        self.reason, self.kind = reason, kind


class CannotRecordError(Exception):
    """The record could not be made durable."""


class GrpcCall:
    """The state of one call."""

    def __init__(
        self,
        gate: Gate,
        upstreams: Callable[[str], GrpcUpstream | None],
        method: str,
        context: Context,
    ) -> None:
        self.gate, self.method, self.context = gate, method, context
        self.route: Route | None = None
        self.deployment: str | None = None
        self._upstreams = upstreams
        self._upstream: str | None = None
        self._caller: Caller | None = None
        self._head: RequestHead | None = None
        self._trace = ""
        self._started = time.monotonic()
        self.request: bytes | None = None
        self._recorded = False

    # -- admit -----------------------------------------------------------------------

    def admit(self, message: bytes) -> GrpcUpstream:
        """Admit the call by its first message.

        Raises:
            RefusedError: why not.
        """
        self.request = message
        if len(message) > self.gate.settings.request_body_bytes_max:
            raise RefusedError("too-large", "the message is over the limit")
        head = self._head = head_of(self.method, self.context.invocation_metadata() or ())
        self._trace = trace_of(head.fields)
        self.deployment = self._model(message)
        found = admit(self.gate, head, message, self._certificate(), self.deployment, self._started)
        self._caller, self.route = found.caller, found.route
        if found.refusal is not None:
            raise RefusedError(found.refusal.reason, found.refusal.detail)
        assert found.route is not None
        if protocols.kind_of(found.route.upstream) != "oip":
            raise RefusedError("not-found", "the deployment speaks another protocol")
        if "probes" in found.route.upstream:
            raise RefusedError("not-ready", "its admission has probes, which HTTP alone asks")
        upstream = self._upstreams(self.deployment)
        if upstream is None:
            raise RefusedError("not-ready", "this gate knows no gRPC upstream for the deployment")
        self._upstream = upstream.name
        upstream.sent += 1
        return upstream

    def admit_again(self, message: bytes) -> None:
        """Admit a stream's further message, which stays with the model of the first.

        Raises:
            RefusedError: why not.
        """
        if len(message) > self.gate.settings.request_body_bytes_max:
            raise RefusedError("too-large", "a message is over the limit")
        if self._model(message) != self.deployment:
            raise RefusedError("refused-body", "a stream stays with the model it began with")
        assert self._head is not None
        assert self.deployment is not None
        found = admit(
            self.gate, self._head, message, self._certificate(), self.deployment, time.monotonic()
        )
        if found.refusal is not None:
            raise RefusedError(found.refusal.reason, found.refusal.detail)
        if (
            found.route is None
            or self.route is None
            or found.route.admission != self.route.admission
        ):
            raise RefusedError("not-admitted", "the stream began under another admission")

    def _model(self, message: bytes) -> str:
        try:
            return grpc_wire.model_of(self.method, message)
        except BadMessageError as error:
            raise RefusedError(error.reason, str(error)) from None

    def _certificate(self) -> str | None:
        pem = self.context.auth_context().get("x509_pem_cert")
        return subject_of_pem(pem[0]) if pem else None

    # -- record ----------------------------------------------------------------------

    async def record(self, kind: str, status: int, reason: str | None = None, **more: Any) -> str:
        """Make the record durable; return its receipt.

        Raises:
            CannotRecordError: the disk refused.
        """
        durable = self.gate.loop.create_future()

        def done(index: int, leaf: bytes) -> None:
            if not durable.done():
                durable.set_result((index, leaf))

        def failed() -> None:
            if not durable.done():
                durable.set_result(None)

        self._submit(kind, status, reason, done, failed, **more)
        found = await durable
        if found is None:
            self.gate.count("unrecorded", "cannot-record")
            raise CannotRecordError
        admission = self.route.admission if self.route is not None else None
        index, leaf = found
        self.last_index: int = index
        return receipt_header(self.gate.recorder.origin, index, leaf, admission)

    def cancelled(self) -> None:
        """The client has left: on record, though nobody waits for it."""
        if not self._recorded:
            self.gate.count("cancelled", "cancelled")
            self._submit("cancelled", 499, "cancelled", _nothing, _no_one)

    def close_unheard(self, sums: dict[str, Any]) -> None:
        """Record the end of a stream whose client has left."""
        self.gate.count("stream", "cancelled")
        self._submit("stream-close", 499, "cancelled", _nothing, _no_one, **sums)

    def _submit(
        self,
        kind: str,
        status: int,
        reason: str | None,
        done: Callable[[int, bytes], None],
        failed: Callable[[], None],
        *,
        request: bytes | None = None,
        response: bytes | None = None,
        request_more: dict[str, Any] | None = None,
        response_more: dict[str, Any] | None = None,
    ) -> None:
        self._recorded = True
        route, caller = self.route, self._caller
        pending = Pending(
            kind=kind,
            method="POST",
            path=self.method,
            status=status,
            done=done,
            failed=failed,
            deployment=self.deployment,
            admission=route.admission if route else None,
            candidate=route.candidate if route else None,
            caller=caller.name if caller else None,
            subject=subject_of_payload(caller, self._head),
            request_body=self.request if request is None else request,
            response_body=response,
            keep_bodies=self.gate.settings.keep_bodies,
            request_more=request_more,
            response_more=response_more,
            reason=reason,
            latency_us=int((time.monotonic() - self._started) * 1e6),
            upstream=self._upstream,
            trace=self._trace or None,
        )
        self.gate.recorder.submit(pending)

    # -- answer ----------------------------------------------------------------------

    async def refuse(self, error: RefusedError) -> None:
        """Record a refusal and end the call with its status."""
        code, text = grpc_wire.CODES[error.reason], f"{error.reason}: {error}"
        self.gate.count(error.kind, error.reason)
        status, _ = REASONS[error.reason]
        receipt = await self.record(
            error.kind, status, error.reason, response=text.encode(),
            response_more={"grpc_status": code},
        )  # fmt: skip
        await self.abort(code, text, error.reason, (("govern-receipt", receipt),))

    async def cannot_record(self) -> None:
        """End the call: what cannot be recorded is not given."""
        text = "cannot-record: the gate's log cannot be written just now"
        await self.abort(grpc_wire.UNAVAILABLE, text, "cannot-record", ())

    async def abort(self, code: int, text: str, reason: str | None, trailing: Metadata) -> None:
        """End the call with a status."""
        if reason is not None:
            trailing = (*trailing, ("govern-reason", reason))
        await self.context.abort(STATUSES[code], text, trailing)

    # -- forward ---------------------------------------------------------------------

    def metadata(self) -> Metadata:
        """Return the metadata that goes on to the upstream."""
        assert self._head is not None
        passed = passed_metadata(self._head, drop_credentials=not self.gate.callers.open)
        return (*passed, ("traceparent", traceparent(self._trace)))

    def timeout_seconds(self) -> float:
        """Return how long the upstream may take."""
        left, limit = self.context.time_remaining(), self.gate.settings.upstream_timeout_seconds
        return limit if left is None else min(left, limit)

    def require_admitted_model(self, metadata: Iterable[tuple[str, str | bytes]]) -> None:
        """Refuse an answer that says it comes from other bytes than those admitted.

        Raises:
            RefusedError: it does.
        """
        assert self.route is not None
        fields = {name.encode(): _bytes(value) for name, value in metadata}
        answer = ResponseHead(200, b"", tuple(fields.items()), fields, None, False, True)
        why = protocols.other_model(self.route, answer)
        if why is not None:
            raise RefusedError("digest-mismatch", why)


async def unary(call: GrpcCall, message: bytes) -> bytes:
    """Answer a call of one message by one."""
    try:
        if call.gate.recorder.journal_error is not None:
            raise CannotRecordError
        return await _unary(call, message)
    except RefusedError as error:
        await refuse(call, error)
    except CannotRecordError:
        await call.cannot_record()
    except asyncio.CancelledError:
        call.cancelled()
        raise
    raise AssertionError("an aborted call has ended")


async def refuse(call: GrpcCall, error: RefusedError) -> None:
    """End a call with a refusal, or with ``cannot-record`` where that cannot be recorded."""
    try:
        await call.refuse(error)
    except CannotRecordError:
        await call.cannot_record()


async def _unary(call: GrpcCall, message: bytes) -> bytes:
    upstream = call.admit(message)
    stub = upstream.channel.unary_unary(call.method)
    sent = stub(message, metadata=call.metadata(), timeout=call.timeout_seconds())
    try:
        answer: bytes = await sent
    except aio.AioRpcError as error:
        await _upstream_error(call, error)
        raise
    leading = tuple(await sent.initial_metadata() or ())
    trailing = tuple(await sent.trailing_metadata() or ())
    call.require_admitted_model((*leading, *trailing))
    call.gate.count("inference", None)
    more = {"grpc_status": grpc_wire.OK}
    receipt = await call.record("inference", 200, response=answer, response_more=more)
    await call.context.send_initial_metadata(answer_metadata(leading))
    call.context.set_trailing_metadata((*answer_metadata(trailing), ("govern-receipt", receipt)))
    return answer


async def _upstream_error(call: GrpcCall, error: aio.AioRpcError) -> None:
    """Pass on an upstream's own error, on record; what is no answer is ours to say.

    Raises:
        RefusedError: the upstream did not answer, or not in time.
    """
    code, text = error.code().value[0], error.details() or ""
    if code == grpc_wire.UNAVAILABLE:
        raise RefusedError("upstream-failed", "the upstream did not answer", "error") from None
    if code == grpc_wire.DEADLINE_EXCEEDED:
        raise RefusedError("upstream-timeout", "the upstream took too long", "timeout") from None
    call.gate.count("error", None)
    receipt = await call.record(
        "error", grpc_wire.http_status(code), response=text.encode(),
        response_more={"grpc_status": code},
    )  # fmt: skip
    trailing = answer_metadata(error.trailing_metadata() or ())
    await call.abort(code, text, None, (*trailing, ("govern-receipt", receipt)))


def head_of(method: str, metadata: Iterable[tuple[str, str | bytes]]) -> RequestHead:
    """Return a call's metadata as a request's head, so that the same rules read it.

    Raises:
        RefusedError: a credential is given twice.
    """
    headers = tuple((name.encode(), _bytes(value)) for name, value in metadata)
    names = [name for name, _ in headers]
    for name in (b"authorization", b"x-api-key", b"govern-subject"):
        if names.count(name) > 1:
            raise RefusedError("malformed-request", f"{name.decode()} is given twice")
    return RequestHead(b"POST", method.encode(), headers, dict(headers), 0, False, True, False)


def answer_metadata(metadata: Iterable[tuple[str, str | bytes]]) -> Metadata:
    """Return an upstream's metadata without what only the gate may say."""
    return tuple(
        (name, value)
        for name, value in metadata
        if not name.startswith(("grpc-", "govern-")) and name not in _FORBIDDEN
    )


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()


def _nothing(index: int, leaf: bytes) -> None:
    """Answer nobody: the client has left."""


def _no_one() -> None:
    """Tell nobody that the record failed; it is counted."""
