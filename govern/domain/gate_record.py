"""What a gate writes for one request: record, commitment, leaf, receipt.

A leaf is 48 bytes: sequence (u64 BE), unix microseconds (u64 BE), commitment (32). The
commitment is SHA-256(salt || canonical record) with a random 32-byte salt, so a leaf
tells nothing about the record, and erasing record and salt leaves every proof valid.
A record of kind ``anchor`` is about no request: it holds a checkpoint of the lineage log.
One of kind ``probe`` says that an upstream answered a signed probe otherwise, or all as signed.
"""

from __future__ import annotations

import hashlib
import re
import struct
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from govern.errors import MalformedError
from govern.transparency.canonical import canonical_json
from govern.transparency.digest import check_digest
from govern.transparency.encoding import b64, unb64

LEAF_BYTES = 48
SALT_BYTES = 32
KINDS = (
    "inference",
    "refusal",
    "error",
    "timeout",
    "cancelled",
    "stream-open",
    "stream-close",
    "anchor",
    "probe",
)


@dataclass(frozen=True, slots=True)
class GateRecord:
    """One request as the gate saw it; bodies appear only as salted commitments."""

    seq: int
    at: str
    kind: str
    deployment: str | None
    admission: str | None
    candidate: str | None
    caller: str | None
    method: str
    path: str
    request: dict[str, Any]
    response: dict[str, Any]
    status: int
    reason: str | None
    latency_us: int
    upstream: str | None
    trace: str | None
    v: int = 1

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object; its canonical form is what the commitment covers."""
        return asdict(self)

    def to_bytes(self) -> bytes:
        """Return the canonical bytes."""
        return canonical_json(self.to_json())

    @classmethod
    def from_json(cls, value: Any) -> GateRecord:
        """Read a record.

        Raises:
            MalformedError: a field is missing, unknown or of another kind.
        """
        try:
            record = cls(**value)
        except TypeError as error:
            raise MalformedError(f"not a gate record: {str(error)[:100]}") from None
        if record.v != 1 or record.kind not in KINDS or not isinstance(record.seq, int):
            raise MalformedError(f"gate record of unknown version or kind {record.kind!r:.40}")
        return record


ANCHORED = "checkpoint"
"""The key of an anchor's ``request`` under which the lineage log's signed note stands."""


def commitment(salt: bytes, data: bytes) -> bytes:
    """Return SHA-256(salt || data), 32 bytes.

    Raises:
        MalformedError: the salt is not 32 bytes long.
    """
    if len(salt) != SALT_BYTES:
        raise MalformedError(f"a salt has {SALT_BYTES} bytes, got {len(salt)}")
    return hashlib.sha256(salt + data).digest()


def make_leaf(seq: int, at_us: int, committed: bytes) -> bytes:
    """Return the 48 bytes of a leaf."""
    return struct.pack(">QQ32s", seq, at_us, committed)


def parse_leaf(leaf: bytes) -> tuple[int, int, bytes]:
    """Return sequence, unix microseconds and commitment.

    Raises:
        MalformedError: it is not 48 bytes long.
    """
    if len(leaf) != LEAF_BYTES:
        raise MalformedError(f"a gate leaf has {LEAF_BYTES} bytes, got {len(leaf)}")
    seq, at_us, committed = struct.unpack(">QQ32s", leaf)
    return seq, at_us, committed


def leaf_time(at_us: int) -> datetime:
    """Return the moment that a leaf's unix microseconds name.

    Raises:
        MalformedError: there is no such moment.
    """
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)
    except OverflowError:
        raise MalformedError(f"a gate leaf names no moment: {at_us} microseconds") from None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a caller keeps: where in which log the record of the answer stands."""

    origin: str
    index: int
    leaf: bytes
    admission: str | None


def receipt_header(origin: str, index: int, leaf: bytes, admission: str | None) -> str:
    """Return the value of ``Govern-Receipt`` (an RFC 9651 item with parameters)."""
    tail = f'; admission="{admission}"' if admission else ""
    return f'v1; origin="{origin}"; index={index}; leaf=:{b64(leaf)}:{tail}'


_RECEIPT = re.compile(
    r'v1; origin="([!#-\[\]-~ ]{1,200})"; index=(\d{1,15}); leaf=:([A-Za-z0-9+/=]{64}):'
    r'(?:; admission="(sha256:[0-9a-f]{64})")?'
)


def parse_receipt_header(text: str) -> Receipt:
    """Read the value of ``Govern-Receipt``.

    Raises:
        MalformedError: another form.
    """
    match = _RECEIPT.fullmatch(text)
    if match is None:
        raise MalformedError("not a Govern-Receipt of version 1")
    origin, index, leaf, admission = match.groups()
    return Receipt(
        origin, int(index), unb64(leaf, "leaf"), check_digest(admission) if admission else None
    )
