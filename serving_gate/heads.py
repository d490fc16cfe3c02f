"""HTTP/1.1 heads, read strictly: one meaning or none. Pure.

A head is matched as a whole against the grammar of RFC 9112, without its leniencies: no
bare CR or LF, no obs-fold, no space before a colon, no control characters, no empty
header names. Framing is accepted only when a single reading is possible: one
Content-Length of digits, or exactly ``Transfer-Encoding: chunked``, never both.

Clients and upstreams repeat themselves: the last few hundred heads are remembered with
their reading, which depends on nothing but their bytes. The few lines in which a client's
heads do differ are read apart, so that the rest is remembered all the same. A refused head
is read each time.

It does not judge paths or credentials: see ``protocols.py`` and ``callers.py``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

HEAD_BYTES_MAX = 32 << 10
HEADERS_MAX = 100
TARGET_BYTES_MAX = 4096
HEADS_REMEMBERED = 512
_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_HEADER_LINES = rb"((?:" + _TOKEN + rb":[\t\x20-\x7e\x80-\xff]*\r\n)*)\r\n"
_REQUEST = re.compile(
    rb"([A-Z]{1,20}) ([!-~]{1,%d}) HTTP/1\.([01])\r\n" % TARGET_BYTES_MAX + _HEADER_LINES
)
_RESPONSE = re.compile(
    rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?\r\n" + _HEADER_LINES
)
_VARYING = re.compile(
    rb"\r\n(?i:(content-length|traceparent|x-request-id)):([\t\x20-\x7e\x80-\xff]*)(?=\r\n)"
)
_SINGLE = frozenset(
    (
        b"content-length",
        b"transfer-encoding",
        b"host",
        b"content-type",
        b"authorization",
        b"expect",
        b"x-api-key",
        b"content-encoding",
        b"inference-header-content-length",
        b"govern-subject",
        b"connection",
        b"te",
        b"upgrade",
    )
)
Headers = tuple[tuple[bytes, bytes], ...]


class BadHeadError(ValueError):
    """A head that has no single meaning; the text says why, ``status`` what to answer."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


@dataclass(slots=True, eq=False)
class RequestHead:
    """A request head whose framing has one meaning; never changed, not frozen for speed alone.

    Args:
        method: in capitals.
        target: the path as sent.
        headers: names in lower case and values, lines that vary last.
        fields: the same; of a name given twice the last.
        length: bytes of the body, where it is not chunked.
        chunked: whether the body comes in chunks.
        keep_alive: whether another request may follow.
        expects_continue: whether the client waits before it sends the body.
        base: the part that is shared by requests with the same other lines; None: this itself.
        extra: the lines that vary and go on to the upstream.
    """

    method: bytes
    target: bytes
    headers: Headers
    fields: Mapping[bytes, bytes]
    length: int
    chunked: bool
    keep_alive: bool
    expects_continue: bool
    base: RequestHead | None = None
    extra: bytes = b""


@dataclass(frozen=True, slots=True, eq=False)
class ResponseHead:
    """A response head. ``length`` is None where the body ends with the connection."""

    status: int
    reason: bytes
    headers: Headers
    fields: Mapping[bytes, bytes]
    length: int | None
    chunked: bool
    keep_alive: bool


@lru_cache(maxsize=HEADS_REMEMBERED)
def read_request(data: bytes) -> RequestHead:
    """Read a request head, up to and including its empty line.

    Raises:
        BadHeadError: it is malformed or could be understood in two ways.
    """
    parts = _VARYING.split(data)
    if len(parts) == 1:
        return _read_request(data)
    base = _read_request(b"".join(parts[::3]))
    varied = {
        name.lower(): value.strip(b" \t")
        for name, value in zip(parts[1::3], parts[2::3], strict=True)
    }
    count = len(parts) // 3
    if len(varied) != count or len(base.headers) + count > HEADERS_MAX or not _plain(base):
        return _read_request(data)  # what is odd is read as a whole, and mostly refused
    identity = varied.get(b"x-request-id")
    return RequestHead(
        base.method,
        base.target,
        (*base.headers, *varied.items()),
        {**base.fields, **varied},
        _length(varied) or 0,
        False,
        base.keep_alive,
        base.expects_continue,
        base,
        b"" if identity is None else b"x-request-id: %s\r\n" % identity,
    )


def _plain(base: RequestHead) -> bool:
    """Say whether lines of their own cannot change what the others mean."""
    if base.chunked:
        return False
    return base.fields.get(b"connection", b"close").lower() in (b"close", b"keep-alive")


@lru_cache(maxsize=HEADS_REMEMBERED)
def _read_request(data: bytes) -> RequestHead:
    match = _REQUEST.fullmatch(data)
    if match is None:
        raise _why(data)
    method, target, minor, lines = match.groups()
    if target[:1] != b"/" or b"#" in target:
        raise BadHeadError("the request target must be a path")
    headers, fields = _fields(lines)
    if minor == b"1" and b"host" not in fields:
        raise BadHeadError("an HTTP/1.1 request names its Host")
    chunked = _chunked(fields, minor)
    length = 0 if chunked else _length(fields) or 0
    expects = fields.get(b"expect")
    if expects is not None and expects.lower() != b"100-continue":
        raise BadHeadError("the only expectation understood is 100-continue", 417)
    if b"upgrade" in fields:
        raise BadHeadError("this gate does not switch protocols", 400)
    keep = minor == b"1" and fields.get(b"connection", b"").lower() != b"close"
    return RequestHead(method, target, headers, fields, length, chunked, keep, bool(expects))


@lru_cache(maxsize=HEADS_REMEMBERED)
def read_response(data: bytes, method: bytes) -> ResponseHead:
    """Read the head of an upstream's answer to ``method``.

    Raises:
        BadHeadError: it is malformed or its framing has two meanings.
    """
    match = _RESPONSE.fullmatch(data)
    if match is None:
        raise BadHeadError("the upstream's answer is not HTTP/1.1", 502)
    minor, code, reason, lines = match.groups()
    headers, fields = _fields(lines)
    status = int(code)
    chunked = _chunked(fields, minor)
    length = None if chunked else _length(fields)
    if method == b"HEAD" or status < 200 or status in (204, 304):
        length, chunked = 0, False
    keep = minor == b"1" and fields.get(b"connection", b"").lower() != b"close"
    return ResponseHead(
        status,
        reason or b"",
        headers,
        fields,
        length,
        chunked,
        keep and (chunked or length is not None),
    )


def _fields(lines: bytes) -> tuple[Headers, dict[bytes, bytes]]:
    headers: list[tuple[bytes, bytes]] = []
    fields: dict[bytes, bytes] = {}
    for line in lines.split(b"\r\n")[:-1]:
        name, _, value = line.partition(b":")
        name, value = name.lower(), value.strip(b" \t")
        if name in fields and name in _SINGLE:
            raise BadHeadError(f"the header {name.decode()} is given twice")
        fields[name] = value
        headers.append((name, value))
    if len(headers) > HEADERS_MAX:
        raise BadHeadError(f"more than {HEADERS_MAX} headers", 431)
    return tuple(headers), fields


def _chunked(fields: dict[bytes, bytes], minor: bytes) -> bool:
    encoding = fields.get(b"transfer-encoding")
    if encoding is None:
        return False
    if minor == b"0" or encoding.lower() != b"chunked":
        raise BadHeadError("the only transfer encoding understood is chunked, in HTTP/1.1", 501)
    if b"content-length" in fields:
        raise BadHeadError("both Content-Length and Transfer-Encoding are given")
    return True


def _length(fields: dict[bytes, bytes]) -> int | None:
    text = fields.get(b"content-length")
    if text is None:
        return None
    if not text.isdigit() or len(text) > 15:
        raise BadHeadError("Content-Length is not a number")
    return int(text)


def _why(data: bytes) -> BadHeadError:
    """Find words for a head that does not match; only the sentence depends on it."""
    lines = data.split(b"\r\n")
    if b"\n" in data.replace(b"\r\n", b"") or b"\r" in data.replace(b"\r\n", b""):
        return BadHeadError("a line ends with a bare CR or LF")
    words = lines[0].split(b" ")
    if len(words) != 3 or not re.fullmatch(rb"[A-Z]{1,20}", words[0]):
        return BadHeadError("the request line is malformed")
    if not re.fullmatch(rb"HTTP/1\.[01]", words[2]):
        return BadHeadError("this gate speaks HTTP/1.1", 505)
    if len(words[1]) > TARGET_BYTES_MAX:
        return BadHeadError("the request target is too long", 414)
    if any(line[:1] in b" \t" for line in lines[1:] if line):
        return BadHeadError("a header is folded over lines")
    return BadHeadError("a header line is malformed")


_CHUNK = re.compile(rb"([0-9a-fA-F]{1,8})\r\n")


class Chunks:
    """Takes a chunked body apart; extensions and trailers are refused."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.done = False
        self._left = 0
        self._state = "size"

    def feed(self, buffer: bytearray) -> None:
        """Move body bytes from ``buffer`` to ``data``, as far as they have come.

        Raises:
            BadHeadError: the chunk framing is malformed.
        """
        steps = {"size": self._size, "data": self._data, "end": self._end}
        while not self.done and steps[self._state](buffer):
            pass

    def _size(self, buffer: bytearray) -> bool:
        at = buffer.find(b"\n", 0, 12)
        if at < 0 and len(buffer) < 11:
            return False
        match = _CHUNK.fullmatch(bytes(buffer[: at + 1]))
        if match is None:
            raise BadHeadError("a chunk's size line is malformed or has an extension")
        self._left = int(match.group(1), 16)
        self._state = "data" if self._left else "end"
        self._last = not self._left
        del buffer[: at + 1]
        return True

    def _data(self, buffer: bytearray) -> bool:
        part = buffer[: self._left]
        self.data += part
        self._left -= len(part)
        del buffer[: len(part)]
        if self._left == 0:
            self._state = "end"
        return self._left == 0

    def _end(self, buffer: bytearray) -> bool:
        if len(buffer) < 2:
            return False
        if buffer[:2] != b"\r\n":
            raise BadHeadError("a chunk does not end where it should, or has a trailer")
        del buffer[:2]
        self.done, self._state = self._last, "size"
        return True
