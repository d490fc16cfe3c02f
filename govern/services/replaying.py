"""Ask an archived model again what a gate has on record, and compare the answers.

Records are asked in batches, for speed. Another batch size may move a score by its last
bits, so what is not exact in a batch is asked again alone, as its caller asked it. The
outcome becomes a statement (docs/specs/predicates/replay.md). It says that the bytes that
were admitted give these answers; not that nothing else was answered (that is the log's).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Protocol

import numpy as np
import orjson

from govern.checks.replaying import VERDICTS, Exchange, Repeated, compare, joined
from govern.domain import predicates
from govern.domain.gate_archive import ArchivedRecord
from govern.domain.gate_record import GateRecord
from govern.errors import CandidateError, ConflictError, InvalidRequestError, NotFoundError
from govern.services.recording import Recorder
from govern.transparency.encoding import format_time

BATCH_ROWS = 8_192
ALONE_MAX = 10_000
SHOWN_MAX = 100
OUTCOMES = (*VERDICTS, "not replayed")
ENVIRONMENT = ("kind", "provider", "runtime", "precision", "builds")
"""What of the device evidence could change an answer's last bits."""
NOT_KEPT = "its bodies were not kept"
ERASED = "its content was erased"


class Host(Protocol):
    """An archived model, ready to be asked."""

    device: Mapping[str, Any]

    def read(self, path: str, request: bytes, response: bytes) -> Exchange:
        """Read an exchange; InvalidRequestError where it is no rows of this model."""

    def predict(
        self, rows: np.ndarray, protected: Mapping[str, Any]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Answer rows: labels and scores."""


OpenHost = Callable[[str], Host]
Progress = Callable[[int], None]


@dataclass
class Replay:
    """What came of a replay.

    Attributes:
        counts: records by verdict: ``exact``, ``close``, ``divergent``, ``not replayed``.
        reasons: why records were not replayed, with how many.
        rows: how many rows were asked.
        worst: the largest difference of a score.
        divergent: the first hundred divergent records.
        devices: candidate digest to what it ran on.
        admissions: those that the records quote.
    """

    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    worst: float = 0.0
    divergent: list[dict[str, Any]] = field(default_factory=list)
    devices: dict[str, dict[str, Any]] = field(default_factory=dict)
    admissions: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Held:
    record: GateRecord
    exchange: Exchange


class Replayer:
    """Takes records one by one and asks their models in batches.

    Args:
        open_host: opens a candidate by digest; NotFoundError where its bytes are not archived.
        tolerance: the largest difference of a score that counts as close.
        progress: called with the number of records dealt with.
    """

    def __init__(self, open_host: OpenHost, tolerance: float, progress: Progress) -> None:
        self.outcome = Replay()
        self._open, self._tolerance, self._progress = open_host, tolerance, progress
        self._hosts: dict[str, Host | str] = {}
        self._held: dict[str, list[_Held]] = {}
        self._rows: Counter[str] = Counter()
        self._alone = 0

    def take(self, item: ArchivedRecord | None) -> None:
        """Take the next record; None is one that was erased. What is no answer is passed over."""
        self._progress(1)
        if item is None:
            self._skip(ERASED)
            return
        record = GateRecord.from_json(orjson.loads(item.record))
        if record.kind == "stream-open":
            self._skip("a stream is not replayed")
        if record.kind != "inference" or record.candidate is None:
            return
        host = self._host(record.candidate)
        if isinstance(host, str):
            self._skip(host)
        elif item.request_body is None or item.response_body is None:
            self._skip(NOT_KEPT)
        else:
            self._hold(host, record, item.request_body, item.response_body)

    def finish(self) -> Replay:
        """Ask what is still held, and return the outcome."""
        for candidate in list(self._held):
            self._ask(candidate)
        return self.outcome

    def _host(self, candidate: str) -> Host | str:
        if candidate not in self._hosts:
            try:
                host = self._open(candidate)
                self._hosts[candidate] = host
                self.outcome.devices[candidate] = dict(host.device)
            except (NotFoundError, CandidateError, InvalidRequestError) as why:
                self._hosts[candidate] = f"its model cannot be asked: {why}"
        return self._hosts[candidate]

    def _hold(self, host: Host, record: GateRecord, request: bytes, response: bytes) -> None:
        try:
            exchange = host.read(record.path, request, response)
        except InvalidRequestError as why:
            self._skip(str(why))
            return
        candidate = str(record.candidate)
        self._held.setdefault(candidate, []).append(_Held(record, exchange))
        self._rows[candidate] += max(1, len(exchange.rows))
        if self._rows[candidate] >= BATCH_ROWS:
            self._ask(candidate)

    def _ask(self, candidate: str) -> None:
        held, host = self._held.pop(candidate), self._hosts[candidate]
        self._rows[candidate] = 0
        assert not isinstance(host, str)
        together = self._tried(host, [one.exchange for one in held])
        for place, one in enumerate(held):
            came = together if isinstance(together, str) else together[place]
            inexact = isinstance(came, str) or came.verdict != "exact"
            if inexact and len(held) > 1 and self._alone < ALONE_MAX:
                self._alone += 1
                alone = self._tried(host, [one.exchange])
                came = alone if isinstance(alone, str) else alone[0]
            self._note(one.record, came, len(one.exchange.rows))

    def _tried(self, host: Host, exchanges: Sequence[Exchange]) -> list[Repeated] | str:
        """Return what came, or why nothing did."""
        try:
            return self._again(host, exchanges)
        except CandidateError as why:
            return f"its model failed: {why}"

    def _again(self, host: Host, exchanges: Sequence[Exchange]) -> list[Repeated]:
        rows = joined([one.rows for one in exchanges])
        protected = {
            name: list(chain.from_iterable(one.protected[name] for one in exchanges))
            for name in exchanges[0].protected
        }
        labels, scores = host.predict(rows, protected)
        return compare(exchanges, labels, scores, self._tolerance)

    def _note(self, record: GateRecord, came: Repeated | str, rows: int) -> None:
        if isinstance(came, str):
            self._skip(came)
            return
        outcome = self.outcome
        outcome.counts[came.verdict] += 1
        outcome.rows += rows
        outcome.worst = max(outcome.worst, came.gap)
        if record.admission is not None:
            outcome.admissions.add(record.admission)
        if came.verdict == "divergent" and len(outcome.divergent) < SHOWN_MAX:
            gap = came.gap if np.isfinite(came.gap) else None
            found = {"index": record.seq, "gap": gap, "labels_changed": came.labels_changed}
            outcome.divergent.append({**found, "rows": rows})

    def _skip(self, why: str) -> None:
        self.outcome.counts["not replayed"] += 1
        self.outcome.reasons[why] += 1


def replay(
    records: Iterable[ArchivedRecord | None],
    open_host: OpenHost,
    *,
    tolerance: float,
    progress: Progress,
) -> Replay:
    """Replay records.

    Args:
        records: decrypted and compared with their leaves; None was erased.
        open_host: opens a candidate by digest.
        tolerance: the largest difference of a score that counts as close.
        progress: called with the number of records dealt with.
    """
    replayer = Replayer(open_host, tolerance, progress)
    for item in records:
        replayer.take(item)
    return replayer.finish()


def record_replay(
    recorder: Recorder,
    outcome: Replay,
    *,
    origin: str,
    picked: Mapping[str, Any],
    tolerance: float,
    signer: str,
) -> str:
    """Record what came of a replay; return the statement's digest.

    Args:
        recorder: records statements.
        outcome: as ``replay`` returned it.
        origin: the gate's log.
        picked: which records were asked: ``how``, and what says it again.
        tolerance: as replayed with.
        signer: the evaluator's identity.

    Raises:
        ConflictError: no record was replayed, so that there is nothing to say.
    """
    if not outcome.devices or not outcome.rows:
        why = "; ".join(f"{reason} ({count})" for reason, count in outcome.reasons.most_common(3))
        why = why or "none of the records picked is an answer"
        raise ConflictError(f"no record could be replayed: {why}")
    predicate = {
        "origin": origin,
        "picked": dict(picked),
        "tolerance": tolerance,
        "counts": {name: outcome.counts[name] for name in OUTCOMES},
        "not_replayed": dict(outcome.reasons),
        "rows": outcome.rows,
        "largest_gap": outcome.worst if np.isfinite(outcome.worst) else None,
        "divergent": outcome.divergent,
        "admissions": sorted(outcome.admissions),
        "ran_on": [_ran_on(recorder, *item) for item in sorted(outcome.devices.items())],
        "replayed_at": format_time(recorder.clock()),
    }
    subjects = [("candidate", candidate) for candidate in sorted(outcome.devices)]
    return recorder.record(predicates.REPLAY, subjects, predicate, signer=signer).digest


def _ran_on(recorder: Recorder, candidate: str, device: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a model ran on now, and whether its newest check ran on the same."""
    checks = [item for item in recorder.about(candidate) if item.kind == predicates.TEST_RESULT]
    newest = max(checks, key=lambda item: item.log_index, default=None)
    found: dict[str, Any] = {"candidate": candidate, "device": dict(device)}
    if newest is not None:
        then = newest.statement.predicate["govern"].get("device", {})
        differs = sorted(name for name in ENVIRONMENT if then.get(name) != device.get(name))
        found |= {"checked_in": newest.digest, "environment_differs_in": differs}
    return found
