"""Steps (6) to (8) of a dossier: gate logs, the records shown, the receipts callers kept.

Memory does not grow with a gate's log: entries are looked at bundle by bundle, receipts
line by line beside them.
"""

from __future__ import annotations

import struct
from binascii import b2a_base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from govern.domain import predicates
from govern.domain.assembling import StatementIndex, load_admission
from govern.domain.evidence import EvidenceSet, require_service
from govern.domain.gate_record import LEAF_BYTES, GateRecord, commitment, parse_leaf
from govern.errors import (
    CompletenessError,
    DigestMismatchError,
    EvidenceError,
    MalformedError,
    ProofError,
)
from govern.transparency.canonical import canonical_json, parse_json
from govern.transparency.encoding import parse_time, unb64
from govern.transparency.trust import TrustRoot
from govern.transparency.verify import VerifiedStatement
from govern.verifier.anchors import LineageSeen
from govern.verifier.decisions import require_standing
from govern.verifier.logs import KnownState, open_note, walk_log, witnessed
from govern.verifier.proved import Proved
from govern.verifier.reading import Files, Lines
from govern.verifier.times import check_gate_key

RECEIPTS = "receipts.txt"


@dataclass(frozen=True, slots=True)
class Shown:
    """What a dossier shows, as far as it is verified already.

    ``lineage`` is the lineage log's origin.
    """

    files: Files
    index: StatementIndex
    trust: TrustRoot
    admitted: Mapping[str, EvidenceSet]
    lineage: str


def verify_gates(shown: Shown, seal: VerifiedStatement, proved: Proved) -> list[KnownState]:
    """Verify every gate log that the seal names, with records and receipts.

    Returns:
        the states of the lineage log that these gates put on record.

    Raises:
        CompletenessError: an anchored gate is not shown, an entry is missing, a gap.
        ProofError: a log was rewritten.
        DigestMismatchError, EvidenceError, ExpiredError: a record or receipt does not fit.
    """
    gates = seal.statement.predicate.get("gates", [])
    origins = {gate["origin"] for gate in gates}
    for item in shown.index.of_kind(predicates.ANCHOR):
        if item.statement.predicate.get("origin") not in origins:
            raise CompletenessError(
                f"the gate {item.statement.predicate.get('origin')} is anchored and not shown"
            )
    return [state for gate in gates for state in _verify_gate(shown, gate, proved)]


def _verify_gate(shown: Shown, gate: Mapping[str, Any], proved: Proved) -> list[KnownState]:
    folder, records = f"gates/{gate['name']}", [int(number) for number in gate["records"]]
    checkpoint, log = open_note(shown.files, folder, shown.trust, gate["origin"])
    witnessed(shown.files, folder, shown.trust)
    states = [
        *_anchors(shown, gate["origin"], folder),
        KnownState(int(gate["size"]), unb64(gate["root"], "root"), folder),
    ]
    look = _Look(shown, folder, gate["origin"], records)
    walk_log(shown.files, folder, checkpoint, states, look)  # (6)
    receipts = look.finish(checkpoint.size, gate.get("receipts", 0))
    _require_anchors(shown, gate["origin"], look.lineage)
    anchors = _anchors_of(shown.index, gate["origin"])
    check_gate_key(log, checkpoint.size, look.newest, anchors)
    proved.say(
        f"The gate log {gate['origin']} is whole: {checkpoint.size} records without a gap; no "
        f"state of it that was anchored was rewritten; {len(records)} records shown here fit "
        "their leaves and their admissions.",
        gate_entries=checkpoint.size,
        records=len(records),
    )
    if receipts:
        proved.say(
            f"{receipts} receipts that callers of {gate['origin']} kept are in its log, "
            "each where it says.",
            receipts=receipts,
        )
    if len(records) < checkpoint.size:
        proved.cannot(
            f"What {checkpoint.size - len(records)} of {checkpoint.size} entries of "
            f"{gate['origin']} say: their records are not shown, or their content was erased; "
            "that they were made, when, and in which order is proved."
        )
    return list(look.lineage.states.values())


def _require_anchors(shown: Shown, origin: str, lineage: LineageSeen) -> None:
    for item in shown.index.of_kind(predicates.ANCHOR):
        said = item.statement.predicate
        if said.get("origin") == origin and said.get("lineage_record") is not None:
            lineage.require(int(said["lineage_record"]))


def _anchors(shown: Shown, origin: str, folder: str) -> Iterator[KnownState]:
    for item in _anchors_of(shown.index, origin):
        said = item.statement.predicate
        require_service(item, shown.trust)
        yield KnownState(int(said["tree_size"]), unb64(said["root"], "root"), folder)


def _anchors_of(index: StatementIndex, origin: str) -> list[VerifiedStatement]:
    anchors = index.of_kind(predicates.ANCHOR)
    return [item for item in anchors if item.statement.predicate.get("origin") == origin]


class _Look:
    """Looks at a gate's entries as they pass: sequence, records, anchors, receipts."""

    def __init__(self, shown: Shown, folder: str, origin: str, records: Sequence[int]) -> None:
        self._shown, self._folder = shown, folder
        self.lineage = LineageSeen(shown.trust, shown.lineage, folder)
        self._records = sorted(set(records), reverse=True)
        self._receipts = _Receipts(shown, folder, origin)
        self.newest: bytes | None = None

    def __call__(self, first: int, entries: Sequence[bytes]) -> None:
        """Check one bundle."""
        if set(map(len, entries)) != {LEAF_BYTES}:
            for entry in entries:
                parse_leaf(entry)
        joined = b"".join(entries)
        if not _is_sequence(joined, first):
            self._name_gap(first, entries)
        end = first + len(entries)
        while self._records and self._records[-1] < end:
            number = self._records.pop()
            if number < first:
                raise MalformedError(f"{self._folder} has no record {number}")
            self._check_record(number, entries[number - first])  # (7)
        self._receipts.check(first, joined)  # (8)

    def _name_gap(self, first: int, entries: Sequence[bytes]) -> None:
        for index, entry in enumerate(entries, first):
            seq = parse_leaf(entry)[0]
            if seq != index:
                raise CompletenessError(
                    f"{self._folder}: leaf {index} carries sequence number {seq}"
                )

    def finish(self, size: int, receipts: Any) -> int:
        """Refuse what lies beyond the log's end; return how many receipts were seen."""
        if self._records:
            raise CompletenessError(f"record {self._records[-1]} lies beyond the log's {size}")
        if self._receipts.ahead is not None:
            raise CompletenessError(
                f"a receipt names entry {self._receipts.ahead}, the log has {size}"
            )
        if self._receipts.count != receipts:
            raise CompletenessError(
                f"{self._folder}: {receipts} receipts were sealed, {self._receipts.count} are here"
            )
        return self._receipts.count

    def _check_record(self, number: int, leaf: bytes) -> None:
        record, at_us = verify_record(self._shown.files, self._folder, number, leaf)
        if record.kind == "anchor":
            self.lineage.add(record)
        else:
            _verify_admitted(record, self._shown, at_us)


def _is_sequence(joined: bytes, first: int) -> bool:
    """Say whether leaves count on from ``first``, a multiple of 256, one after another.

    Compares each byte of the big-endian numbers over all leaves at once.
    """
    count, start = len(joined) // LEAF_BYTES, first.to_bytes(8, "big")
    high = all(joined[at::LEAF_BYTES] == start[at : at + 1] * count for at in range(7))
    return high and joined[7::LEAF_BYTES] == bytes(range(count))


class _Receipts:
    """The receipts of one gate, read beside its log, in the log's order."""

    def __init__(self, shown: Shown, folder: str, origin: str) -> None:
        path = f"{folder}/{RECEIPTS}"
        self._lines = Lines(shown.files, path if path in shown.files else None)
        self._head = f'v1; origin="{origin}"; index='.encode()
        self._tails = {f'; admission="{digest}"'.encode() for digest in shown.admitted} | {b""}
        self._path = path
        self._line = b""
        self.ahead: int | None = None
        self.count = 0
        self._next(-1)

    def check(self, first: int, joined: bytes) -> None:
        """Check the receipts that name one of these leaves, which lie one after another."""
        count = len(joined) // LEAF_BYTES
        letters = b2a_base64(joined, newline=False)  # 64 a leaf: 48 bytes leave no padding
        if self.ahead == first and self._take_all(first, count, letters):
            return
        while self.ahead is not None and self.ahead < first + count:
            index = self.ahead
            start = self._start(index, letters, index - first)
            if not self._line.startswith(start):
                raise ProofError(f"{self._path}: entry {index} of the log is another one")
            if self._line[len(start) :] not in self._tails:
                raise EvidenceError(
                    f"{self._path}: the receipt of entry {index} quotes an admission that is "
                    "not here"
                )
            self.count += 1
            self._next(index)

    def _take_all(self, first: int, count: int, letters: bytes) -> bool:
        """Take a receipt for every leaf, all quoting one admission; say whether they are so."""
        tail = self._line[len(self._start(first, letters, 0)) :]
        if tail not in self._tails:
            return False
        wanted = _lines(self._head, tail, first, letters)
        before = len(self._line) + 1
        if self._line + b"\n" != wanted[:before] or not self._lines.skip(wanted[before:]):
            return False
        self.count += count
        self._next(first + count - 1)
        return True

    def _start(self, index: int, letters: bytes, place: int) -> bytes:
        return b"%b%d; leaf=:%b:" % (self._head, index, letters[64 * place : 64 * place + 64])

    def _next(self, before: int) -> None:
        line = self._lines.next()
        if line is None:
            self.ahead = None
            return
        number = line[len(self._head) :].partition(b";")[0]
        if not line.startswith(self._head) or not number.isdigit() or len(number) > 15:
            raise MalformedError(f"{self._path}: a line is not a receipt of this gate")
        if int(number) <= before:
            raise MalformedError(f"{self._path}: receipts are not in the log's order")
        self._line, self.ahead = line, int(number)


def _lines(head: bytes, tail: bytes, first: int, letters: bytes) -> bytes:
    """Return the receipts of leaves one after another from ``first``; 64 letters a leaf.

    One template for all of them makes them in less than half the time of one by one.
    """
    count = len(letters) // 64
    values: list[int | bytes] = [0] * (2 * count)
    values[::2] = range(first, first + count)
    values[1::2] = struct.unpack("64s" * count, letters)
    start, end = head.replace(b"%", b"%%"), tail.replace(b"%", b"%%")
    return (b"%b%%d; leaf=:%%b:%b\n" % (start, end)) * count % tuple(values)


def verify_record(files: Files, folder: str, number: int, leaf: bytes) -> tuple[GateRecord, int]:
    """Check one record against its leaf; return it and its time, unix microseconds.

    Raises:
        CompletenessError: it is missing.
        MalformedError, DigestMismatchError: it was changed.
    """
    path = f"{folder}/records/{number:09d}.json"
    if path not in files:
        raise CompletenessError(f"record {number} is missing from {folder}")
    data = files[path]
    value = parse_json(data)
    if not isinstance(value, dict) or data != canonical_json(value):
        raise MalformedError(f"{path} is not canonical JSON")
    record = GateRecord.from_json(value.get("record"))
    salt = unb64(value.get("salt"), "salt")
    seq, at_us, committed = parse_leaf(leaf)
    if record.seq != seq or commitment(salt, record.to_bytes()) != committed:
        raise DigestMismatchError(f"record {number} was changed: it does not fit its leaf")
    for side, body in (("request", record.request), ("response", record.response)):
        _verify_body(value.get(f"{side}_body"), body, salt, f"{side} of record {number}")
    if parse_time(record.at) != datetime.fromtimestamp(at_us // 10**6, UTC) + timedelta(
        microseconds=at_us % 10**6
    ):
        raise DigestMismatchError(f"record {number} names another time than its leaf")
    return record, at_us


def _verify_body(encoded: Any, described: Mapping[str, Any], salt: bytes, what: str) -> None:
    if encoded is None:
        return
    body = unb64(encoded, what)
    if commitment(salt, body) != unb64(described.get("commitment"), what):
        raise DigestMismatchError(f"the {what} was changed")


def _verify_admitted(record: GateRecord, shown: Shown, at_us: int) -> None:
    if record.admission is None:
        if record.kind == "inference":
            raise EvidenceError(f"record {record.seq} is an answer without an admission")
        return
    evidence = shown.admitted.get(record.admission)
    if evidence is None or evidence.admission is None:
        load_admission(shown.index, record.admission, shown.trust)
        raise EvidenceError(f"record {record.seq} quotes an admission that is not here")
    if record.candidate != evidence.digest:
        raise EvidenceError(f"record {record.seq} names another model than its admission")
    if record.deployment != evidence.admission.statement.predicate.get("deployment"):
        raise EvidenceError(f"record {record.seq} is of another deployment than its admission")
    if record.kind == "inference":
        at = datetime.fromtimestamp(at_us / 1e6, UTC)
        evidence.require_current(at)
        require_standing(shown.index, evidence.admission, shown.trust, at)
