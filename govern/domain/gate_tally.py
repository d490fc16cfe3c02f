"""Count a gate's records by admission and kind, from its payload segments.

Pure: bytes in, counts out. Every record is decrypted and compared with its leaf on the way;
the bodies are not looked at. An erased record tells its time and nothing else, so it is
counted apart and never attributed.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from govern.domain.gate_archive import PayloadKey, parse_segment_header, scan
from govern.domain.gate_record import LEAF_BYTES, SALT_BYTES, GateRecord
from govern.errors import CompletenessError, DigestMismatchError
from govern.transparency.canonical import parse_json

ANSWERS = ("inference", "stream-open")
FAILURES = ("error", "timeout", "cancelled")
_LENGTHS = struct.Struct(">III")
_COMMITTED_AT = LEAF_BYTES - 32
_HEAD_BYTES = SALT_BYTES + _LENGTHS.size
_TEXT = rb'(?:"[^"\\]*+"|null)'  # a text with escapes is read the long way
_START = re.compile(
    rb'\{"admission":(?:null|"(sha256:[0-9a-f]{64})"),"at":' + _TEXT + rb',"caller":' + _TEXT
    + rb',"candidate":' + _TEXT + rb',"deployment":' + _TEXT + rb',"kind":"([a-z-]+)",'
)  # fmt: skip
"""How a record begins in canonical JSON (docs/specs/gate_record.md): keys come sorted."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Records of one gate, or of a part of its log.

    Args:
        records: how many there are, erased ones included.
        erased: how many of them tell nothing any more.
        counts: number of records by admission (None: under none) and kind.
    """

    records: int = 0
    erased: int = 0
    counts: Mapping[tuple[str | None, str], int] = field(default_factory=dict)

    def under(self, admission: str) -> dict[str, int]:
        """Return ``records``, ``answers``, ``refusals`` and ``failures`` under an admission.

        A stream's end is a record of its own and no second answer, so that the four need
        not add up.
        """
        mine = {kind: count for (own, kind), count in self.counts.items() if own == admission}
        return {
            "records": sum(mine.values()),
            "answers": sum(mine.get(kind, 0) for kind in ANSWERS),
            "refusals": mine.get("refusal", 0),
            "failures": sum(mine.get(kind, 0) for kind in FAILURES),
        }

    def admissions(self) -> set[str]:
        """Return the admissions that records name."""
        return {admission for admission, _ in self.counts if admission is not None}


def add_up(tallies: Iterable[Tally]) -> Tally:
    """Return the sum of the parts of one log."""
    total: Counter[tuple[str | None, str]] = Counter()
    records = erased = 0
    for tally in tallies:
        total.update(tally.counts)
        records, erased = records + tally.records, erased + tally.erased
    return Tally(records, erased, dict(total))


def tally_segment(data: bytes, keys: Mapping[bytes, PayloadKey], end: int | None = None) -> Tally:
    """Count the records of one segment.

    Args:
        data: the segment's bytes.
        keys: the gate's payload keys by key id.
        end: index of the next segment's first record, where this one stops counting.

    Raises:
        MalformedError: not a segment.
        CompletenessError: a record is missing.
        DigestMismatchError: a record was changed.
    """
    counts: Counter[tuple[str | None, str]] = Counter()
    ciphers = {key_id: AESGCM(item.key) for key_id, item in keys.items()}
    first = expected = parse_segment_header(data)
    erased = 0
    for _, leaf, gone, key_id, nonce, sealed in scan(data):
        if expected == end:
            break
        if _index(leaf) != expected:
            raise CompletenessError(f"record {expected} is missing")
        expected += 1
        cipher = ciphers.get(key_id)
        if gone or cipher is None:
            erased += 1
        else:
            counts[_describe(_record(cipher, nonce, sealed, leaf))] += 1
    if end is not None and expected != end:
        raise CompletenessError(f"record {expected} is missing")
    return Tally(expected - first, erased, dict(counts))


def _record(cipher: AESGCM, nonce: bytes, sealed: memoryview, leaf: bytes) -> bytes:
    """Return a record's canonical bytes once they fit the leaf."""
    try:
        plain = cipher.decrypt(nonce, sealed, leaf)
    except InvalidTag:
        raise DigestMismatchError(f"record {_index(leaf)} was changed") from None
    length = _LENGTHS.unpack_from(plain, SALT_BYTES)[0] if len(plain) >= _HEAD_BYTES else 0
    record = plain[_HEAD_BYTES : _HEAD_BYTES + length]
    if hashlib.sha256(plain[:SALT_BYTES] + record).digest() != leaf[_COMMITTED_AT:]:
        raise DigestMismatchError(f"record {_index(leaf)} does not fit its leaf")
    return record


def _describe(record: bytes) -> tuple[str | None, str]:
    """Return a record's admission and kind."""
    start = _START.match(record)
    if start is None:
        read = GateRecord.from_json(parse_json(record))
        return read.admission, read.kind
    return _named(*start.groups())


@lru_cache(maxsize=1024)
def _named(admission: bytes | None, kind: bytes) -> tuple[str | None, str]:
    return None if admission is None else admission.decode(), kind.decode()


def _index(leaf: bytes) -> int:
    return int.from_bytes(leaf[:8], "big")
