"""SSH's strings with their length in four bytes (RFC 4251 section 5), split and made."""

from __future__ import annotations

import struct

from govern.errors import MalformedError


def ssh_string(data: bytes) -> bytes:
    """Return ``data`` behind its length."""
    return struct.pack(">I", len(data)) + data


def ssh_strings(data: bytes, count: int, *, rest: bool = False) -> list[bytes]:
    """Split ``count`` length-prefixed strings; ``rest`` lets more follow.

    Raises:
        MalformedError: the data is cut, or something follows.
    """
    found = []
    for _ in range(count):
        size = int.from_bytes(data[:4], "big")
        if len(data) < 4 + size:
            raise MalformedError("an SSH signature is cut")
        found.append(data[4 : 4 + size])
        data = data[4 + size :]
    if data and not rest:
        raise MalformedError("an SSH signature has something behind it")
    return found
