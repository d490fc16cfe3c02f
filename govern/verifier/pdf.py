"""Take the seal and the attachments out of a report PDF. Pure.

Reads the form that reports have: cross-reference streams and object streams (ISO 32000-2
sections 7.5.7 and 7.5.8), Flate without or with the PNG "up" predictor, no encryption.
It judges nothing: ``pades.py`` verifies the seal. Every size and count has a limit.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import Any

from govern.errors import CompletenessError, MalformedError
from govern.verifier.pdf_values import Dict, Name, Parser, Ref

OBJECTS_MAX = 500_000
SECTIONS_MAX = 32
STREAM_BYTES_MAX = 64 << 20
ATTACHMENTS_MAX = 1_000
_TREE_DEPTH_MAX = 8
_OBJECT = re.compile(rb"(\d{1,9}) (\d{1,5}) obj(?=[\0\t\n\f\r <\[(/])")
_START = re.compile(rb"startxref[\r\n]+(\d{1,12})[\r\n]+%%EOF[\r\n]*")


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream object, still encoded."""

    about: Dict
    raw: bytes


@dataclass(frozen=True, slots=True)
class SealField:
    """The signature dictionary, and where its ``/Contents`` lies, brackets included."""

    about: Dict
    start: int
    end: int


class Pdf:
    """One PDF file.

    Args:
        data: the whole file.

    Raises:
        MalformedError: not a PDF in the form that reports have.
    """

    def __init__(self, data: bytes) -> None:
        if not data.startswith(b"%PDF-"):
            raise MalformedError("not a PDF")
        self.data = data
        self._entries: dict[int, tuple[int, int, int]] = {}
        self._resolving: set[int] = set()
        self._containers: dict[int, tuple[bytes, list[tuple[int, int]]]] = {}
        self._parsed: dict[tuple[int, int], Any] = {}
        self.trailer = self._read_sections(self._start())

    # -- cross-reference sections ---------------------------------------------

    def _start(self) -> int:
        tail = self.data[-64:]
        match = _START.search(tail)
        if match is None or match.end() != len(tail):
            raise MalformedError("the PDF does not end as a PDF: it was cut, or has a tail")
        return int(match[1])

    def _read_sections(self, at: int) -> Dict:
        newest: Dict | None = None
        for _ in range(SECTIONS_MAX):
            section = self._object_at(at)[1]
            if not isinstance(section, Stream) or section.about.get("Type") != "XRef":
                raise MalformedError("PDF: expected a cross-reference stream")
            if "Encrypt" in section.about:
                raise MalformedError("the PDF is encrypted; a report is not")
            self._read_entries(section)
            newest = newest or section.about
            previous = section.about.get("Prev")
            if previous is None:
                return newest
            if not isinstance(previous, int) or previous >= at:
                raise MalformedError("PDF: cross-reference sections do not go backwards")
            at = previous
        raise MalformedError(f"PDF: more than {SECTIONS_MAX} cross-reference sections")

    def _read_entries(self, section: Stream) -> None:
        widths, rows = _ints(section.about.get("W"), 3), inflate(section)
        index = section.about.get("Index") or [0, section.about.get("Size")]
        width = sum(widths)
        if not 0 < width <= 24 or max(widths) > 8:
            raise MalformedError("PDF: cross-reference entries have an odd width")
        at = 0
        for first, count in zip(*[iter(_ints(index, None))] * 2, strict=True):
            if at + count * width > len(rows) or first + count > OBJECTS_MAX:
                raise MalformedError("PDF: a cross-reference section is cut or too large")
            for number in range(first, first + count):
                self._entries.setdefault(number, _entry(rows[at : at + width], widths))
                at += width

    # -- objects ---------------------------------------------------------------

    def resolve(self, value: Any) -> Any:
        """Return what a reference leads to, or the value itself.

        Raises:
            MalformedError: the reference leads nowhere, or in a circle.
        """
        if not isinstance(value, Ref):
            return value
        kind, first, second = self._entries.get(value.number, (0, 0, 0))
        if value.number in self._resolving:
            raise MalformedError("PDF: references go in a circle")
        self._resolving.add(value.number)
        try:
            if kind == 1:
                number, found = self._object_at(first)
                if number != value.number:
                    raise MalformedError(f"PDF: object {value.number} is not where it should be")
                return found
            return self._contained(first, second, value.number) if kind == 2 else None
        finally:
            self._resolving.discard(value.number)

    def _object_at(self, at: int) -> tuple[int, Any]:
        head = _OBJECT.match(self.data, at)
        if head is None:
            raise MalformedError(f"PDF: no object at byte {at}")
        parser = Parser(self.data, head.end())
        value = parser.value()
        if isinstance(value, Dict) and parser.take(b"stream"):
            value = self._stream(value, parser)
        if not parser.take(b"endobj"):
            raise MalformedError(f"PDF: the object at byte {at} does not end")
        return int(head[1]), value

    def _stream(self, about: Dict, parser: Parser) -> Stream:
        length = self.resolve(about.get("Length"))
        start = parser.at + (2 if self.data.startswith(b"\r\n", parser.at) else 1)
        if not isinstance(length, int) or not 0 <= length <= len(self.data) - start:
            raise MalformedError("PDF: a stream has no usable length")
        parser.at = start + length
        if not parser.take(b"endstream"):
            raise MalformedError("PDF: a stream is longer or shorter than it says")
        return Stream(about, self.data[start : start + length])

    def _contained(self, container: int, place: int, number: int) -> Any:
        if container not in self._containers:
            self._containers[container] = self._open_container(container)
        data, places = self._containers[container]
        if place >= len(places) or places[place][0] != number:
            raise MalformedError(f"PDF: object {number} is not in its object stream")
        if (container, place) not in self._parsed:
            self._parsed[container, place] = Parser(data, places[place][1]).value()
        return self._parsed[container, place]

    def _open_container(self, container: int) -> tuple[bytes, list[tuple[int, int]]]:
        """Return an object stream's bytes, and number and offset of each object in it."""
        if self._entries.get(container, (0, 0, 0))[0] != 1:
            raise MalformedError("PDF: an object stream lies in an object stream")
        stream = self.resolve(Ref(container, 0))
        if not isinstance(stream, Stream) or stream.about.get("Type") != "ObjStm":
            raise MalformedError("PDF: expected an object stream")
        data, count = inflate(stream), stream.about.get("N")
        first = stream.about.get("First")
        if not isinstance(first, int) or not isinstance(count, int) or count > OBJECTS_MAX:
            raise MalformedError("PDF: an object stream has no usable header")
        numbers = [int(word) for word in data[:first].split()]
        if len(numbers) != 2 * count:
            raise MalformedError("PDF: an object stream's header is cut")
        return data, [(numbers[2 * at], first + numbers[2 * at + 1]) for at in range(count)]

    # -- what a report holds ----------------------------------------------------

    def _dict(self, value: Any, what: str) -> Dict:
        found = self.resolve(value)
        if not isinstance(found, Dict):
            raise MalformedError(f"PDF: {what} is missing or of another kind")
        return found

    def root(self) -> Dict:
        """Return the document catalogue."""
        return self._dict(self.trailer.get("Root"), "the catalogue")

    def seal(self) -> SealField:
        """Return the one signature.

        Raises:
            CompletenessError: there is none, or more than one.
        """
        form = self.resolve(self.root().get("AcroForm"))
        fields = self.resolve(form.get("Fields")) if isinstance(form, Dict) else None
        if not isinstance(fields, list) or len(fields) != 1:
            count = len(fields) if isinstance(fields, list) else 0
            raise CompletenessError(f"the report has {count} signature fields instead of one")
        field = self._dict(fields[0], "the signature field")
        value = field.get("V")
        if field.get("FT") != "Sig" or not isinstance(value, Ref):
            raise CompletenessError("the report is not signed")
        if self._entries.get(value.number, (0, 0, 0))[0] != 1:
            raise MalformedError("PDF: the signature lies inside an object stream")
        about = self._dict(value, "the signature")
        if "Contents" not in about:
            raise CompletenessError("the report's signature is empty")
        return SealField(about, *about.spans["Contents"])

    def attachments(self) -> dict[str, bytes]:
        """Return the embedded files by name.

        Raises:
            MalformedError: two have one name, or a limit is exceeded.
        """
        names = self.resolve(self.root().get("Names"))
        tree = names.get("EmbeddedFiles") if isinstance(names, Dict) else None
        found: dict[str, bytes] = {}
        for spec in self._leaves(tree, 0) if tree is not None else []:
            name = _text(self.resolve(spec.get("UF", spec.get("F"))))
            files = self._dict(spec.get("EF"), f"the attachment {name!r:.60}")
            stream = self.resolve(files.get("F"))
            if not isinstance(stream, Stream) or name in found:
                raise MalformedError(f"PDF: attachment {name!r:.60} is there twice or not a file")
            found[name] = inflate(stream)
            if len(found) > ATTACHMENTS_MAX or sum(map(len, found.values())) > STREAM_BYTES_MAX:
                raise MalformedError(
                    f"PDF: over {ATTACHMENTS_MAX} attachments or {STREAM_BYTES_MAX} bytes of them"
                )
        return found

    def _leaves(self, node: Any, depth: int) -> list[Dict]:
        if depth > _TREE_DEPTH_MAX:
            raise MalformedError("PDF: the tree of attachments is too deep")
        tree = self._dict(node, "the tree of attachments")
        pairs, kids = self.resolve(tree.get("Names", [])), self.resolve(tree.get("Kids", []))
        if not isinstance(pairs, list) or not isinstance(kids, list) or len(kids) > ATTACHMENTS_MAX:
            raise MalformedError("PDF: the tree of attachments is broken")
        here = [self._dict(spec, "an attachment") for spec in pairs[1::2]]
        return here + [leaf for kid in kids for leaf in self._leaves(kid, depth + 1)]


def _entry(row: bytes, widths: list[int]) -> tuple[int, int, int]:
    one, two = widths[0], widths[0] + widths[1]
    kind = int.from_bytes(row[:one], "big") if one else 1
    return kind, int.from_bytes(row[one:two], "big"), int.from_bytes(row[two:], "big")


def _ints(value: Any, count: int | None) -> list[int]:
    good = isinstance(value, list) and all(type(item) is int and item >= 0 for item in value)
    if not good or len(value) != (count or len(value)) or (count is None and len(value) % 2):
        raise MalformedError("PDF: a cross-reference stream has no usable header")
    return list(value)


def _text(value: Any) -> str:
    if not isinstance(value, bytes) or len(value) > 1024:
        raise MalformedError("PDF: an attachment has no name")
    try:
        return value[2:].decode("utf-16-be") if value[:2] == b"\xfe\xff" else value.decode("ascii")
    except UnicodeDecodeError:
        raise MalformedError("PDF: an attachment's name cannot be read") from None


def inflate(stream: Stream) -> bytes:
    """Return a stream's bytes, decoded within the limit.

    Raises:
        MalformedError: another filter, broken, or over the limit.
    """
    filters = stream.about.get("Filter")
    if filters is None:
        return stream.raw
    if filters not in (Name("FlateDecode"), [Name("FlateDecode")]):
        raise MalformedError("PDF: a stream needed here has another filter than Flate")
    engine = zlib.decompressobj()
    try:
        data = engine.decompress(stream.raw, STREAM_BYTES_MAX + 1)
    except zlib.error:
        raise MalformedError("PDF: a compressed stream is broken") from None
    if len(data) > STREAM_BYTES_MAX:
        raise MalformedError(f"PDF: a stream unpacks to over {STREAM_BYTES_MAX} bytes")
    if not engine.eof or engine.unused_data.strip(b"\r\n"):
        raise MalformedError("PDF: a compressed stream is cut or has a tail")
    return _unpredict(data, stream.about.get("DecodeParms"))


def _unpredict(data: bytes, parameters: Any) -> bytes:
    """Undo the PNG "up" predictor (ISO 32000-2 section 7.4.4.4), or nothing."""
    if parameters is None or not isinstance(parameters, Dict) or "Predictor" not in parameters:
        return data
    columns = parameters.get("Columns", 1)
    if parameters["Predictor"] != 12 or not isinstance(columns, int) or not 0 < columns < 256:
        raise MalformedError("PDF: a stream needed here has another predictor")
    if len(data) % (columns + 1) or set(data[:: columns + 1]) - {2}:
        raise MalformedError("PDF: a predicted stream is broken")
    out, above = bytearray(), bytes(columns)
    for at in range(1, len(data), columns + 1):
        row = zip(data[at : at + columns], above, strict=True)
        above = bytes((one + two) & 0xFF for one, two in row)
        out += above
    return bytes(out)
