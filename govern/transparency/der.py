"""A small strict DER reader and writer (ITU-T X.690), for RFC 3161 tokens.

Definite lengths in their shortest form only; depth and size are limited.
"""

from __future__ import annotations

from dataclasses import dataclass

from govern.errors import MalformedError

DER_BYTES_MAX = 1 << 20

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, NULL, OID = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06
UTF8, SEQUENCE, SET, GENERALIZED_TIME = 0x0C, 0x30, 0x31, 0x18


@dataclass(frozen=True, slots=True)
class Node:
    """One element: tag byte, content, and the element's whole encoding."""

    tag: int
    content: bytes
    encoded: bytes

    def children(self) -> list[Node]:
        """Return the elements inside."""
        return read_all(self.content)

    def expect(self, tag: int) -> Node:
        """Return self if it has this tag.

        Raises:
            MalformedError: it has another.
        """
        if self.tag != tag:
            raise MalformedError(f"DER: expected tag {tag:#04x}, got {self.tag:#04x}")
        return self


def tlv(tag: int, *parts: bytes) -> bytes:
    """Return one element."""
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def integer(value: int) -> bytes:
    """Return a non-negative INTEGER."""
    return tlv(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def oid(dotted: str) -> bytes:
    """Return an OBJECT IDENTIFIER."""
    first, second, *rest = map(int, dotted.split("."))
    out = bytearray()
    for arc in [first * 40 + second, *rest]:
        group = [arc & 0x7F]
        while arc := arc >> 7:
            group.append(0x80 | arc & 0x7F)
        out += bytes(reversed(group))
    return tlv(OID, bytes(out))


def read_all(data: bytes) -> list[Node]:
    """Return the elements that ``data`` consists of.

    Raises:
        MalformedError: it is cut, too large, or not in shortest form.
    """
    if len(data) > DER_BYTES_MAX:
        raise MalformedError(f"DER of {len(data)} bytes is over {DER_BYTES_MAX}")
    nodes, at = [], 0
    while at < len(data):
        node, at = _read(data, at)
        nodes.append(node)
    return nodes


def read_one(data: bytes) -> Node:
    """Return the one element that ``data`` is."""
    nodes = read_all(data)
    if len(nodes) != 1:
        raise MalformedError(f"DER: expected one element, got {len(nodes)}")
    return nodes[0]


def read_first(data: bytes) -> tuple[Node, bytes]:
    """Return the first element, and what follows it.

    Raises:
        MalformedError: it is cut, too large, or not in shortest form.
    """
    if len(data) > DER_BYTES_MAX:
        raise MalformedError(f"DER of {len(data)} bytes is over {DER_BYTES_MAX}")
    node, at = _read(data, 0)
    return node, data[at:]


def _read(data: bytes, start: int) -> tuple[Node, int]:
    if start + 2 > len(data) or data[start] & 0x1F == 0x1F:
        raise MalformedError("DER is cut or has a long tag")
    size, at = data[start + 1], start + 2
    if size & 0x80:
        count = size & 0x7F
        size = int.from_bytes(data[at : at + count], "big")
        if not 1 <= count <= 4 or at + count > len(data) or data[at] == 0 or size < 0x80:
            raise MalformedError("DER length is not in its shortest form")
        at += count
    if at + size > len(data):
        raise MalformedError("DER is cut")
    return Node(data[start], data[at : at + size], data[start : at + size]), at + size
