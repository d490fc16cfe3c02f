"""Rewrite heads between client and upstream. Pure, apart from fresh trace ids.

Requests are written anew from the parsed form; bodies are passed byte for byte. Dropped:
hop-by-hop headers and those that ``Connection`` names, the gate's own credentials, and
from answers any ``Govern-Receipt`` that an upstream might invent.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from functools import lru_cache

from serving_gate.heads import HEADS_REMEMBERED, RequestHead, ResponseHead

_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"expect",
        b"host",
        b"content-length",
        b"govern-subject",
        b"traceparent",
    )
)
_CREDENTIALS = frozenset((b"authorization", b"x-api-key", b"x-amz-security-token"))
_ANSWER_DROPPED = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"govern-receipt",
        b"content-length",
    )
)
_TRACEPARENT = re.compile(rb"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_random = random.SystemRandom()
_bits = random.Random(_random.getrandbits(256)).getrandbits


def trace_of(fields: Mapping[bytes, bytes]) -> str:
    """Return the W3C trace id of a request, or a new one."""
    given = fields.get(b"traceparent")
    if given is not None:
        found = _TRACEPARENT.fullmatch(given)
        if found is not None and found.group(1) != b"0" * 32:
            return found.group(1).decode()
    return f"{_bits(128):032x}"


def upstream_request(
    head: RequestHead,
    path: bytes,
    body: bytes,
    authority: bytes,
    *,
    trace: str,
    drop_credentials: bool,
) -> bytes:
    """Return the request as it is sent to the upstream."""
    length = b"content-length: %d\r\n" % len(body) if body or head.method == b"POST" else b""
    return b"%s %s HTTP/1.1\r\nhost: %s\r\ntraceparent: 00-%s-%016x-01\r\n%s%s%s\r\n%s" % (
        head.method,
        path,
        authority,
        trace.encode(),
        _bits(64) | 1,
        _passed_lines(head.base or head, drop_credentials),
        head.extra,
        length,
        body,
    )


def probe_request(path: bytes, body: bytes, authority: bytes) -> bytes:
    """Return a probe as it is sent to the upstream."""
    head = b"POST %s HTTP/1.1\r\nhost: %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % (path, authority, len(body)) + body


@lru_cache(maxsize=HEADS_REMEMBERED)
def _passed_lines(head: RequestHead, drop_credentials: bool) -> bytes:
    """Return the client's header lines that go on to the upstream."""
    dropped = _HOP | _connection_names(head.fields)
    if drop_credentials:
        dropped |= _CREDENTIALS
    return b"".join(
        [b"%s: %s\r\n" % (name, value) for name, value in head.headers if name not in dropped]
    )


@lru_cache(maxsize=HEADS_REMEMBERED)
def response_lines(head: ResponseHead) -> bytes:
    """Return status line and headers of an answer, without the closing empty line."""
    named = _connection_names(head.fields)
    parts = [b"HTTP/1.1 %d %s\r\n" % (head.status, head.reason)]
    for name, value in head.headers:
        if name not in _ANSWER_DROPPED and name not in named:
            parts.append(b"%s: %s\r\n" % (name, value))
    if head.length is not None and head.status not in (204, 304):
        parts.append(b"content-length: %d\r\n" % head.length)
    return b"".join(parts)


def passed_metadata(head: RequestHead, *, drop_credentials: bool) -> tuple[tuple[str, bytes], ...]:
    """Return a gRPC call's metadata that goes on to the upstream; the transport's own stays."""
    dropped = _HOP | _CREDENTIALS if drop_credentials else _HOP
    return tuple(
        (name.decode(), value)
        for name, value in head.headers
        if name not in dropped and not name.startswith(b"grpc-") and name != b"user-agent"
    )


def traceparent(trace: str) -> str:
    """Return the W3C header of a call within a trace, with a parent id of our own."""
    return f"00-{trace}-{_bits(64) | 1:016x}-01"


def _connection_names(fields: Mapping[bytes, bytes]) -> frozenset[bytes]:
    value = fields.get(b"connection")
    if value is None or value in (b"keep-alive", b"close"):
        return frozenset()
    return frozenset(name.strip(b" \t").lower() for name in value.split(b","))
