"""Watch what an admitted model answers, judge it by monitor packs, and stop it where they say.

The figures (``govern.checks.monitoring``) are evidence like any other: the one evaluator
decides over them, the outcome is a signed statement (docs/specs/predicates/monitor.md), and
a denial suspends the admission in the service's name. Suspending is the one change that the
service may make by itself, for it only ever stops answers; reinstating takes a person.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import orjson

from govern.checks.monitoring import Answers, Known, measure
from govern.checks.replaying import Exchange
from govern.domain import predicates
from govern.domain.decision import PolicyDecision
from govern.domain.gate_archive import ArchivedRecord
from govern.domain.gate_record import GateRecord
from govern.errors import ConflictError, InvalidRequestError
from govern.policy.document import Pack
from govern.policy.evaluate import evaluate
from govern.services.approving import admission_status, change_admission
from govern.services.recording import Recorder
from govern.transparency.canonical import canonical_json
from govern.transparency.digest import digest_of
from govern.transparency.encoding import format_time
from govern.transparency.verify import VerifiedStatement

ALPHA = 0.05
ROWS_MAX = 2_000_000
Place = tuple[str, int, int]
"""A gate's log, a record's index in it, a row in that record."""


class Reader(Protocol):
    """Reads exchanges of one candidate."""

    def read(self, path: str, request: bytes, response: bytes) -> Exchange:
        """Read an exchange; InvalidRequestError where it is no rows of this model."""


@dataclass(frozen=True, slots=True)
class Fact:
    """What came to be known of one row: its outcome, None if only groups are, and groups."""

    outcome: int | None
    groups: Mapping[str, str]


@dataclass
class Seen:
    """What records under one admission hold.

    Attributes:
        exchanges: rows and answers, in the logs' order.
        places: log, index and number of rows of each exchange.
        answers: records that were answers.
        refusals: requests refused under the admission.
        failures: errors, time-outs, cancelled calls.
        unread: answers that are no rows, erased ones of the whole log included.
        first_at, last_at: times of the first and last answer.
    """

    exchanges: list[Exchange] = field(default_factory=list)
    places: list[tuple[str, int, int]] = field(default_factory=list)
    answers: int = 0
    refusals: int = 0
    failures: int = 0
    unread: int = 0
    rows: int = 0
    first_at: str | None = None
    last_at: str | None = None


def see(
    seen: Seen,
    origin: str,
    records: Iterable[ArchivedRecord | None],
    admission: str,
    reader: Reader,
) -> None:
    """Add one gate's records under an admission to what was seen.

    Raises:
        ConflictError: there are more rows than are looked at.
    """
    for item in records:
        if item is None:
            seen.unread += 1
            continue
        record = GateRecord.from_json(orjson.loads(item.record))
        if record.admission != admission:
            continue
        if record.kind == "inference":
            _see_answer(seen, origin, record, item, reader)
        elif record.kind == "refusal":
            seen.refusals += 1
        elif record.kind in ("error", "timeout", "cancelled"):
            seen.failures += 1


def _see_answer(
    seen: Seen, origin: str, record: GateRecord, item: ArchivedRecord, reader: Reader
) -> None:
    seen.answers += 1
    seen.first_at, seen.last_at = seen.first_at or record.at, record.at
    try:
        exchange = reader.read(record.path, item.request_body or b"", item.response_body or b"")
    except InvalidRequestError:
        seen.unread += 1
        return
    seen.rows += len(exchange.rows)
    if seen.rows > ROWS_MAX:
        raise ConflictError(
            f"more than {ROWS_MAX} rows were answered under this admission; name fewer with --last"
        )
    seen.exchanges.append(exchange)
    seen.places.append((origin, record.seq, len(exchange.rows)))


def figures(
    seen: Seen,
    approved: Answers,
    columns: Sequence[str],
    facts: Mapping[Place, Fact],
    alpha: float = ALPHA,
) -> dict[str, Any]:
    """Return the figures of what was seen; see ``checks.monitoring.measure``.

    Args:
        seen: what records hold.
        approved: the evaluation's rows and the model's answers to them.
        columns: names of the features.
        facts: what came to be known of rows.
        alpha: the chance that any interval ever misses.
    """
    live = Answers(
        np.concatenate([np.empty((0, len(columns))), *(one.rows for one in seen.exchanges)]),
        np.concatenate([np.empty(0, np.int64), *(one.labels for one in seen.exchanges)]),
        np.concatenate([np.empty(0), *(one.scores for one in seen.exchanges)]),
    )
    counts = {name: getattr(seen, name) for name in ("answers", "refusals", "failures", "unread")}
    found = measure(approved, live, columns, _known(seen, facts), alpha)
    return {**counts, "first_at": seen.first_at, "last_at": seen.last_at, **found}


def _known(seen: Seen, facts: Mapping[Place, Fact]) -> Known:
    """Return outcomes and groups in the order of the rows."""
    places = [(origin, index, row) for origin, index, n in seen.places for row in range(n)]
    told = [facts.get(place) for place in places]
    names = sorted({name for fact in facts.values() for name in fact.groups})
    outcomes = [-1 if one is None or one.outcome is None else one.outcome for one in told]
    groups = {
        name: np.array(["" if one is None else one.groups.get(name, "") for one in told], dtype=str)
        for name in names
    }
    return Known(np.array(outcomes, np.int64), groups)


def digest_of_facts(facts: Mapping[Place, Fact]) -> str:
    """Return the digest of what is known, as canonical JSON, sorted by place."""
    rows = [[*place, fact.outcome, dict(fact.groups)] for place, fact in sorted(facts.items())]
    return digest_of(canonical_json(rows))


def judge(
    recorder: Recorder, packs: Sequence[Pack], candidate: str, found: Mapping[str, Any]
) -> PolicyDecision:
    """Return what monitor packs decide about figures, today."""
    cards = [item for item in recorder.about(candidate) if item.kind == predicates.CANDIDATE]
    card = dict(cards[-1].statement.predicate)
    evidence = {
        "candidate": {**card, "digest": candidate},
        "monitor": dict(found),
        "checks": {},
        "waivers": [],
        "evidence": [{"path": "monitor", "digest": digest_of(canonical_json(dict(found)))}],
    }
    return evaluate(packs, evidence, recorder.clock())


@dataclass(frozen=True, slots=True)
class Judged:
    """What a monitor run led to.

    Args:
        statement: digest of the monitor statement.
        status: the admission's status before.
        suspension: digest of the suspension, if there was one.
    """

    statement: str
    status: str
    suspension: str | None


def act(
    recorder: Recorder,
    admission: VerifiedStatement,
    decision: PolicyDecision,
    found: Mapping[str, Any],
    *,
    origins: Sequence[str],
    outcomes: str | None,
    rehearsal: bool,
    signer: str,
) -> Judged:
    """Record what was found and decided, and suspend the admission on a denial.

    Args:
        recorder: records statements.
        admission: what the records were answered under.
        decision: what ``judge`` returned.
        found: the figures.
        origins: the gates' logs that were read.
        outcomes: digest of the outcomes that were joined, if any.
        rehearsal: say what would be suspended, and suspend nothing.
        signer: the service's identity.
    """
    status = admission_status(recorder, admission)
    stop = decision.outcome == "deny" and status == "active"
    predicate = {
        "deployment": str(admission.statement.predicate["deployment"]),
        "admission": admission.digest,
        "logs": sorted(origins),
        "outcomes": outcomes,
        "figures": dict(found),
        "decision": decision.to_json(),
        "rehearsal": rehearsal,
        "action": "none" if not stop else "would suspend" if rehearsal else "suspend",
        "watched_at": format_time(recorder.clock()),
    }
    subject = [admission.statement.subjects[0]]
    statement = recorder.record(predicates.MONITOR, subject, predicate, signer=signer).digest
    if not stop or rehearsal:
        return Judged(statement, status, None)
    reason = f"monitor {statement}: {decision.reasons()[0].message}"[:2000]
    done = change_admission(
        recorder, admission.digest, predicates.SUSPENSION, by=signer, reason=reason
    )
    return Judged(statement, status, done.digest)
