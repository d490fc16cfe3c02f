"""Parse PDF values out of bytes (ISO 32000-2 section 7.3). Pure.

Names become ``Name``, strings ``bytes``, dictionaries ``Dict`` with the place of each
value in the file. Depth is limited; nothing is repaired, what is odd is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from govern.errors import MalformedError

DEPTH_MAX = 32
_SPACE = re.compile(rb"(?:[\0\t\n\f\r ]|%[^\r\n]*)*")
_NAME = re.compile(rb"/([^\0\t\n\f\r ()<>\[\]{}/%]*)")
_NUMBER = re.compile(rb"[+-]?(?:\d{1,15}(?:\.\d{0,15})?|\.\d{1,15})(?=[\0\t\n\f\r ()<>\[\]{}/%]|$)")
_REF = re.compile(
    rb"(\d{1,9})[\0\t\n\f\r ]+(\d{1,5})[\0\t\n\f\r ]+R(?=[\0\t\n\f\r ()<>\[\]{}/%]|$)"
)
_WORD = re.compile(rb"true|false|null")
_HEX = re.compile(rb"<([0-9A-Fa-f\0\t\n\f\r ]*)>")
_PLAIN = re.compile(rb"[^()\\]+")
_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f", b"\n": b""}
_OCTAL = re.compile(rb"[0-7]{1,3}")


class Name(str):
    """A PDF name, without its slash."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Ref:
    """An indirect reference."""

    number: int
    generation: int


class Dict(dict[str, Any]):
    """A dictionary; ``spans`` tells where each value lies: start and end offsets."""

    def __init__(self) -> None:
        super().__init__()
        self.spans: dict[str, tuple[int, int]] = {}


class Parser:
    """Reads values from ``data``, starting at ``at``."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data, at

    def skip(self) -> None:
        """Go over white space and comments."""
        match = _SPACE.match(self.data, self.at)
        assert match is not None
        self.at = match.end()

    def take(self, token: bytes) -> bool:
        """Skip white space, then ``token`` if it comes next."""
        self.skip()
        if not self.data.startswith(token, self.at):
            return False
        self.at += len(token)
        return True

    def value(self, depth: int = 0) -> Any:
        """Return the next value.

        Raises:
            MalformedError: there is none, or it is nested too deeply.
        """
        if depth > DEPTH_MAX:
            raise MalformedError(f"PDF values are nested deeper than {DEPTH_MAX}")
        self.skip()
        head = self.data[self.at : self.at + 2]
        if head == b"<<":
            return self._dictionary(depth)
        if head[:1] == b"[":
            return self._array(depth)
        if head[:1] == b"(":
            return self._string()
        return self._scalar()

    def _match(self, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
        match = pattern.match(self.data, self.at)
        if match is not None:
            self.at = match.end()
        return match

    def _scalar(self) -> Any:
        if match := self._match(_NAME):
            return Name(match[1].decode("latin-1"))
        if match := self._match(_REF):
            return Ref(int(match[1]), int(match[2]))
        if match := self._match(_NUMBER):
            return float(match[0]) if b"." in match[0] else int(match[0])
        if match := self._match(_WORD):
            return {b"true": True, b"false": False, b"null": None}[match[0]]
        if match := self._match(_HEX):
            digits = re.sub(rb"[^0-9A-Fa-f]", b"", match[1]).decode()
            return bytes.fromhex(digits + "0" * (len(digits) % 2))
        raise MalformedError(f"PDF: no value at byte {self.at}")

    def _dictionary(self, depth: int) -> Dict:
        found, self.at = Dict(), self.at + 2
        while not self.take(b">>"):
            key = self._match(_NAME)
            if key is None:
                raise MalformedError(f"PDF: a dictionary is broken at byte {self.at}")
            name = key[1].decode("latin-1")
            if name in found:
                raise MalformedError(f"PDF: a dictionary holds /{name[:40]} twice")
            self.skip()
            start = self.at
            found[name] = self.value(depth + 1)
            found.spans[name] = (start, self.at)
        return found

    def _array(self, depth: int) -> list[Any]:
        items: list[Any] = []
        self.at += 1
        while not self.take(b"]"):
            items.append(self.value(depth + 1))
        return items

    def _string(self) -> bytes:
        out, depth, self.at = bytearray(), 1, self.at + 1
        while True:
            if plain := self._match(_PLAIN):
                out += plain[0]
            char = self.data[self.at : self.at + 1]
            self.at += 1
            if char == b"\\":
                out += self._escape()
                continue
            depth += {b"(": 1, b")": -1}.get(char, 0)
            if not char or depth > DEPTH_MAX:
                raise MalformedError("PDF: a string does not end")
            if depth == 0:
                return bytes(out)
            out += char

    def _escape(self) -> bytes:
        if octal := self._match(_OCTAL):
            return bytes([int(octal[0], 8) & 0xFF])
        char = self.data[self.at : self.at + 1]
        self.at += 1
        return _ESCAPES.get(char, char)
