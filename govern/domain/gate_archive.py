"""Payload segments: what a gate keeps of each request, encrypted apart from its log.

Pure: bytes in, objects out; keys are arguments. A segment is a header (magic, index of
its first record) and frames. A frame holds the record's leaf in clear and, under
AES-256-GCM with the leaf as associated data, the salt, the canonical record and the two
bodies. A frame whose payload was erased keeps its leaf, so the log stays whole.

It does not read files, and it does not decide what may be read by whom.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from govern.domain.gate_record import LEAF_BYTES, SALT_BYTES, commitment, parse_leaf
from govern.errors import DigestMismatchError, MalformedError, NotFoundError
from govern.transparency.canonical import canonical_json, parse_json
from govern.transparency.encoding import b64, unb64

MAGIC = b"GVSEG\x00\x01\n"
KEY_ID_BYTES = 8
NONCE_BYTES = 12
FRAME_BYTES_MAX = 256 << 20
_HEADER = struct.Struct(">8sQ")
_FRAME = struct.Struct(">II")
_BODY = struct.Struct(f">{LEAF_BYTES}sB{KEY_ID_BYTES}s{NONCE_BYTES}s")
_PAYLOAD = struct.Struct(f">{SALT_BYTES}sIII")
_ABSENT = 0xFFFFFFFF
_ERASED = 1
_WHOLE = struct.Struct(f">II{LEAF_BYTES}sB{KEY_ID_BYTES}s{NONCE_BYTES}s")  # both, unpadded
Scanned = tuple[int, bytes, bool, bytes, bytes, memoryview]
HEADER_BYTES = _HEADER.size
FRAME_OVERHEAD_BYTES = _FRAME.size + _BODY.size


@dataclass(frozen=True, slots=True)
class Frame:
    """One record as it lies in a segment; ``start`` and ``end`` are byte offsets."""

    leaf: bytes
    erased: bool
    key_id: bytes
    nonce: bytes
    sealed: bytes
    start: int
    end: int

    @property
    def index(self) -> int:
        """The record's sequence number, which is its log index."""
        return parse_leaf(self.leaf)[0]


@dataclass(frozen=True, slots=True)
class ArchivedRecord:
    """A decrypted record whose commitment was compared with its leaf."""

    leaf: bytes
    record: bytes
    salt: bytes
    request_body: bytes | None
    response_body: bytes | None

    def to_export(self) -> bytes:
        """Return the record as a dossier holds it (canonical JSON)."""
        return canonical_json(
            {
                "record": parse_json(self.record),
                "salt": b64(self.salt),
                "request_body": None if self.request_body is None else b64(self.request_body),
                "response_body": None if self.response_body is None else b64(self.response_body),
            }
        )


def segment_header(first: int) -> bytes:
    """Return the header of a segment whose first record has index ``first``."""
    return _HEADER.pack(MAGIC, first)


def parse_segment_header(data: bytes) -> int:
    """Return the index of a segment's first record.

    Raises:
        MalformedError: not a segment.
    """
    if len(data) < HEADER_BYTES:
        raise MalformedError("a payload segment is cut in its header")
    magic, first = _HEADER.unpack_from(data)
    if magic != MAGIC:
        raise MalformedError("not a payload segment of version 1")
    return int(first)


def pack_payload(
    salt: bytes, record: bytes, request_body: bytes | None, response_body: bytes | None
) -> bytes:
    """Return the plaintext of a frame."""
    head = _PAYLOAD.pack(
        salt,
        len(record),
        _ABSENT if request_body is None else len(request_body),
        _ABSENT if response_body is None else len(response_body),
    )
    return b"".join((head, record, request_body or b"", response_body or b""))


def make_frame(leaf: bytes, key_id: bytes, nonce: bytes, sealed: bytes) -> bytes:
    """Return a frame: length and CRC-32 of the rest, then the rest."""
    rest = _BODY.pack(leaf, 0, key_id, nonce) + sealed
    return _FRAME.pack(len(rest), zlib.crc32(rest)) + rest


def erased_frame(frame: Frame) -> bytes:
    """Return the same frame, same length, with its payload overwritten by zeros."""
    rest = _BODY.pack(frame.leaf, _ERASED, frame.key_id, bytes(NONCE_BYTES))
    rest += bytes(len(frame.sealed))
    return _FRAME.pack(len(rest), zlib.crc32(rest)) + rest


def frames(data: bytes, offset: int = HEADER_BYTES) -> Iterator[Frame]:
    """Yield the whole frames from ``offset`` on; see ``scan``."""
    for start, leaf, erased, key_id, nonce, sealed in scan(data, offset):
        end = start + FRAME_OVERHEAD_BYTES + len(sealed)
        yield Frame(leaf, erased, key_id, nonce, bytes(sealed), start, end)


def scan(data: bytes, offset: int = HEADER_BYTES) -> Iterator[Scanned]:
    """Yield the whole frames from ``offset`` on, as tuples and without a copy of the payload.

    Stops at the first frame that is cut or damaged: a crash in the middle of a write
    leaves such a tail, and nobody was answered for it.

    Returns:
        offset of the frame in bytes, leaf, whether erased, key id, nonce, sealed payload.
    """
    view, size, crc32, unpack = memoryview(data), len(data), zlib.crc32, _WHOLE.unpack_from
    while offset + FRAME_OVERHEAD_BYTES <= size:
        length, checksum, leaf, flags, key_id, nonce = unpack(data, offset)
        end = offset + _FRAME.size + length
        if length < _BODY.size or length > FRAME_BYTES_MAX or end > size:
            return
        if crc32(view[offset + _FRAME.size : end]) != checksum:
            return
        sealed = view[offset + FRAME_OVERHEAD_BYTES : end]
        yield offset, leaf, bool(flags & _ERASED), key_id, nonce, sealed
        offset = end


def open_frame(frame: Frame, key: bytes) -> ArchivedRecord:
    """Decrypt a frame and compare it with its leaf.

    Args:
        frame: as read from a segment.
        key: the 32-byte key named by ``frame.key_id``.

    Raises:
        NotFoundError: the payload was erased.
        DigestMismatchError: it was changed.
        MalformedError: the plaintext cannot be taken apart.
    """
    if frame.erased:
        raise NotFoundError(f"record {frame.index} was erased; its leaf remains")
    try:
        plain = AESGCM(key).decrypt(frame.nonce, frame.sealed, frame.leaf)
    except (InvalidTag, ValueError):
        raise DigestMismatchError(
            f"record {frame.index} was changed: it cannot be opened"
        ) from None
    archived = _unpack(frame.leaf, plain)
    seq, _, committed = parse_leaf(frame.leaf)
    if commitment(archived.salt, archived.record) != committed:
        raise DigestMismatchError(f"record {seq} was changed: it does not fit its leaf")
    return archived


def _unpack(leaf: bytes, plain: bytes) -> ArchivedRecord:
    if len(plain) < _PAYLOAD.size:
        raise MalformedError("a payload is cut in its header")
    salt, *lengths = _PAYLOAD.unpack_from(plain)
    parts: list[bytes | None] = []
    at = _PAYLOAD.size
    for length in lengths:
        parts.append(None if length == _ABSENT else plain[at : at + length])
        at += 0 if length == _ABSENT else length
    if at != len(plain) or parts[0] is None:
        raise MalformedError("a payload's lengths do not add up")
    return ArchivedRecord(leaf, parts[0], salt, parts[1], parts[2])


@dataclass(frozen=True, slots=True)
class PayloadKey:
    """The key under which one subject's payloads lie."""

    key_id: bytes
    subject: str
    key: bytes


def keyring_line(item: PayloadKey) -> bytes:
    """Return one line of a keyring file."""
    value = {"id": item.key_id.hex(), "key": b64(item.key), "subject": item.subject}
    return canonical_json(value) + b"\n"


def parse_keyring(data: bytes) -> Mapping[bytes, PayloadKey]:
    """Read a keyring file; a last line without its newline was cut by a crash and is left out.

    Raises:
        MalformedError: a whole line is not a key.
    """
    found: dict[bytes, PayloadKey] = {}
    for line in data.split(b"\n")[:-1]:
        value = parse_json(line)
        try:
            item = PayloadKey(
                bytes.fromhex(value["id"]), str(value["subject"]), unb64(value["key"], "key")
            )
        except (KeyError, TypeError, ValueError):
            raise MalformedError("a keyring line is not a key") from None
        if len(item.key_id) != KEY_ID_BYTES or len(item.key) != 32:
            raise MalformedError("a keyring line has a key of another size")
        found[item.key_id] = item
    return found
