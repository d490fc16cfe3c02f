"""A stream of gRPC messages through the gate; see ``grpc_calls.py`` for the rules.

Each message of the client is admitted anew and stays with the model of the first. The opening
record holds the first message, the closing one the others, each with gRPC's length prefix
(github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md), and all answers likewise.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Any

from grpc import aio

from serving_gate import grpc_wire
from serving_gate.grpc_calls import (
    CannotRecordError,
    GrpcCall,
    Metadata,
    RefusedError,
    answer_metadata,
    refuse,
)


class Digested:
    """Messages of one direction of a stream: counted, digested, kept up to a limit."""

    def __init__(self, bytes_max: int) -> None:
        self.count = self.bytes = 0
        self._max = bytes_max
        self._digests = hashlib.sha256()
        self._kept = bytearray()

    def add(self, message: bytes) -> None:
        """Take a message."""
        self._digests.update(hashlib.sha256(message).digest())
        self.count += 1
        self.bytes += len(message)
        if self.bytes <= self._max:
            self._kept += grpc_wire.framed(message)

    @property
    def kept(self) -> bytes | None:
        """All messages, each with gRPC's five bytes before it; None where they were too much."""
        return bytes(self._kept) if self.bytes <= self._max else None

    @property
    def digest(self) -> str:
        """SHA-256 over the SHA-256 digests of the messages."""
        return "sha256:" + self._digests.hexdigest()


async def stream(call: GrpcCall, messages: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Answer a stream of messages by another."""
    streamed = Streaming(call, messages)
    try:
        if call.gate.recorder.journal_error is not None:
            raise CannotRecordError
        async for answer in streamed.run():
            yield answer
    except RefusedError as error:
        await refuse(call, error)
    except CannotRecordError:
        await call.cannot_record()
    except (asyncio.CancelledError, GeneratorExit):
        streamed.left()
        raise


class Streaming:
    """A stream's two directions."""

    def __init__(self, call: GrpcCall, messages: AsyncIterator[bytes]) -> None:
        self._call, self._messages = call, messages
        limit = call.gate.settings.stream_record_bytes_max
        self._asked, self._answered = Digested(limit), Digested(limit)
        self._opened: int | None = None
        self._refused: RefusedError | None = None
        self._sent: aio.StreamStreamCall[bytes, bytes] | None = None

    async def run(self) -> AsyncIterator[bytes]:
        """Pass messages on until both sides have ended."""
        call = self._call
        first = await anext(aiter(self._messages), None)
        if first is None:
            raise RefusedError("malformed-request", "the stream ended before a message came")
        upstream = call.admit(first)
        stub = upstream.channel.stream_stream(call.method)
        self._sent = sent = stub(
            self._requests(first), metadata=call.metadata(), timeout=call.timeout_seconds()
        )
        try:
            async for answer in sent:
                await self._open(tuple(await sent.initial_metadata() or ()))
                self._answered.add(answer)
                yield answer
            code, text = (await sent.code()).value[0], await sent.details() or ""
        except aio.AioRpcError as error:
            code, text = error.code().value[0], error.details() or ""
        except asyncio.CancelledError:
            if self._refused is None:
                raise
            code, text = grpc_wire.CANCELLED, ""
        await self._end(code, text, answer_metadata(await sent.trailing_metadata() or ()))

    async def _requests(self, first: bytes) -> AsyncIterator[bytes]:
        """Yield the client's messages as far as they are admitted."""
        yield first
        message = first
        try:
            async for message in self._messages:
                self._call.admit_again(message)
                self._asked.add(message)
                yield message
        except RefusedError as error:
            self._refused = error
            self._call.request = message if self._opened is None else self._call.request
            assert self._sent is not None
            self._sent.cancel()

    async def _open(self, leading: Metadata) -> None:
        """Record that answers begin; nothing of them has left before."""
        if self._opened is not None:
            return
        self._call.require_admitted_model(leading)
        receipt = await self._call.record("stream-open", 200)
        self._opened = self._call.last_index
        metadata = (*answer_metadata(leading), ("govern-receipt", receipt))
        await self._call.context.send_initial_metadata(metadata)

    async def _end(self, code: int, text: str, trailing: Metadata) -> None:
        """Record how the stream ended, then say so."""
        call, refused = self._call, self._refused
        if self._opened is None:
            if refused is not None:
                raise refused
            if code != grpc_wire.OK:
                why = f"the upstream refused the stream: {text:.200}"
                raise RefusedError("upstream-failed", why, "error")
            await self._open(())
        reason = refused.reason if refused is not None else None
        code = grpc_wire.CODES[refused.reason] if refused is not None else code
        text = f"{reason}: {refused}" if refused is not None else text
        call.gate.count("stream", reason)
        receipt = await call.record(
            "stream-close", grpc_wire.http_status(code), reason, **self._sums(code),
        )  # fmt: skip
        trailing = (*trailing, ("govern-receipt", receipt))
        if code != grpc_wire.OK:
            await call.abort(code, text, reason, trailing)
        call.context.set_trailing_metadata(trailing)

    def _sums(self, code: int) -> dict[str, Any]:
        asked, answered = self._asked, self._answered
        return {
            "request": asked.kept or b"",
            "response": answered.kept,
            "request_more": {
                "opened": self._opened,
                "chunks": asked.count,
                "chunks_digest": asked.digest,
                "bytes": asked.bytes,
            },
            "response_more": {
                "chunks": answered.count,
                "chunks_digest": answered.digest,
                "bytes": answered.bytes,
                "grpc_status": code,
            },
        }

    def left(self) -> None:
        """The client has left."""
        if self._sent is not None:
            self._sent.cancel()
        if self._opened is None:
            self._call.cancelled()
        else:
            self._call.close_unheard(self._sums(grpc_wire.CANCELLED))
