"""Which gRPC methods there are, and what a message says about its model. Pure; an allow-list.

Messages are passed as bytes. Of a request only what selects a model is read, by the wire
format of Protocol Buffers (protobuf.dev/programming-guides/encoding) and the field numbers of
the Open Inference Protocol's ``GRPCInferenceService``. Everything else is refused: repository
load and unload, shared memory, trace and log settings, other services.

| method | model named in | answered by |
|---|---|---|
| ModelInfer, ModelStreamInfer | field 1 | the upstream |
| ModelReady, ModelMetadata | field 1 | the upstream |
| ServerLive, ServerReady | | the gate |
"""

from __future__ import annotations

from collections.abc import Iterator

SERVICE = "/inference.GRPCInferenceService/"
UNARY = frozenset(SERVICE + name for name in ("ModelInfer", "ModelReady", "ModelMetadata"))
STREAM = SERVICE + "ModelStreamInfer"
LIVE, READY = SERVICE + "ServerLive", SERVICE + "ServerReady"
TRUE = b"\x08\x01"  # field 1, a bool: of ServerLiveResponse and ServerReadyResponse alike
FALSE = b""
_MODEL_FIELDS = {
    "ModelInfer": 7,  # the highest field number of the request
    "ModelStreamInfer": 7,
    "ModelReady": 2,
    "ModelMetadata": 2,
}
_VARINT, _I64, _LEN, _I32 = 0, 1, 2, 5
_LENGTHS = {_I64: 8, _I32: 4}
_NOT_PROTOBUF = "a message is not what Protocol Buffers are"

OK, CANCELLED, UNKNOWN, INVALID_ARGUMENT, DEADLINE_EXCEEDED = 0, 1, 2, 3, 4
PERMISSION_DENIED, RESOURCE_EXHAUSTED, UNIMPLEMENTED, UNAVAILABLE = 7, 8, 12, 14
UNAUTHENTICATED = 16
CODES: dict[str, int] = {
    "malformed-request": INVALID_ARGUMENT,
    "refused-header": INVALID_ARGUMENT,
    "refused-body": INVALID_ARGUMENT,
    "unauthenticated": UNAUTHENTICATED,
    "caller-not-allowed": PERMISSION_DENIED,
    "not-admitted": PERMISSION_DENIED,
    "suspended": PERMISSION_DENIED,
    "revoked": PERMISSION_DENIED,
    "expired": PERMISSION_DENIED,
    "digest-mismatch": PERMISSION_DENIED,
    "not-found": UNIMPLEMENTED,
    "request-timeout": DEADLINE_EXCEEDED,
    "too-large": RESOURCE_EXHAUSTED,
    "rate-limited": RESOURCE_EXHAUSTED,
    "upstream-failed": UNAVAILABLE,
    "upstream-timeout": DEADLINE_EXCEEDED,
    "cannot-record": UNAVAILABLE,
    "stale-snapshot": UNAVAILABLE,
    "not-ready": UNAVAILABLE,
}
"""gRPC status of each reason in ``problem.REASONS``."""

# google/rpc/code.proto names the HTTP status beside each code.
_HTTP = (200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401)


class BadMessageError(ValueError):
    """A message that must not be forwarded; ``reason`` is one of ``problem.REASONS``."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


def http_status(code: int) -> int:
    """Return the HTTP status that records show for a gRPC status."""
    return _HTTP[code] if 0 <= code < len(_HTTP) else 500


def model_of(method: str, message: bytes) -> str:
    """Return the model that a request names, once nothing else in it could select another.

    Args:
        method: a path of ``UNARY``, or ``STREAM``.
        message: the request as received, without gRPC's five bytes of framing.

    Raises:
        BadMessageError: it is no such message, names a version, or points at shared memory.
    """
    highest = _MODEL_FIELDS[method.removeprefix(SERVICE)]
    texts: dict[int, bytes] = {}
    for number, kind, data in _fields(message):
        if number > highest:
            raise BadMessageError("malformed-request", f"field {number} is not known here")
        if number <= 2:
            if kind != _LEN or number in texts:
                raise BadMessageError("malformed-request", "the model's name has no single meaning")
            texts[number] = data
    if b"shared_memory" in message:
        raise BadMessageError("refused-body", "tensors in shared memory would not be on record")
    if texts.get(2):
        raise BadMessageError("refused-body", "a version could select another model")
    try:
        return texts.get(1, b"").decode()
    except UnicodeDecodeError:
        raise BadMessageError("malformed-request", "the model's name is not UTF-8") from None


def _fields(message: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield number, wire type and content of each field at the top of a message."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            _, end = _varint(message, at)
        elif kind == _LEN:
            length, at = _varint(message, at)
            end = at + length
        else:
            end = at + _LENGTHS.get(kind, len(message) + 1)  # groups are no longer written
        if end > len(message) or number == 0:
            raise BadMessageError("malformed-request", _NOT_PROTOBUF)
        yield number, kind, message[at:end]
        at = end


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place in range(10):
        if at + place >= len(message):
            break
        byte = message[at + place]
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    raise BadMessageError("malformed-request", _NOT_PROTOBUF)


def framed(message: bytes) -> bytes:
    """Return a message with gRPC's length prefix, as records of streams keep them."""
    return b"\0" + len(message).to_bytes(4, "big") + message
