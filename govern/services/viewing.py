"""Read models: stored statements become plain values that pages and the API show.

It reads what the recorder verified before storing it, and decides nothing: outcomes, reasons
and figures are quoted from the statements. Who may vote is enforced in ``approving``; here it
is only foretold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from govern.domain import predicates
from govern.domain.closure import committed_by
from govern.errors import NotFoundError
from govern.services import ports, reviewing
from govern.services.viewing_lineage import (
    View,
    dependencies,
    lineage_view,
    predicate_of,
    read_statement,
)

STATEMENTS_MAX = 2_000
_ORDER = {"error": 0, "fail": 1, "uncertain": 2, "waived": 3, "pass": 5, "not-applicable": 6}


class ReadRecords(Protocol):
    """What viewing reads."""

    def statement(self, digest: str) -> ports.StoredStatement | None:
        """Return one statement row."""

    def statements_for(self, subject: str, kind: str | None = None) -> list[ports.StoredStatement]:
        """Return statements about a digest, oldest first."""

    def recent_statements(
        self, *, kind: str | None = None, before: int | None = None, limit: int = 50
    ) -> list[ports.StoredStatement]:
        """Return the newest statements."""

    def candidate(self, digest: str) -> ports.CandidateRow | None:
        """Return one inventory line."""

    def list_candidates(
        self,
        query: str = "",
        status: str | None = None,
        tier: str | None = None,
        sort: str = "-registered_at",
        page: int = 1,
        size: int = 50,
    ) -> ports.CandidatePage:
        """Search the inventory."""

    def list_admissions(
        self,
        *,
        candidate: str | None = None,
        deployment: str | None = None,
        status: str | None = None,
        limit: int = 500,
    ) -> list[ports.AdmissionRow]:
        """Return admissions, newest first."""

    def list_requests(
        self, *, state: str | None = None, candidate: str | None = None, limit: int = 200
    ) -> list[ports.ApprovalRequest]:
        """Return approval requests."""

    def request(self, request_id: str) -> ports.ApprovalRequest | None:
        """Return one approval request."""

    def messages_for(self, request_id: str) -> list[ports.RequestMessage]:
        """Return what was said about a request."""

    def evidence_opened(self, request_id: str, email: str) -> dict[str, str]:
        """Return what a reviewer opened."""

    def list_jobs(
        self, *, candidate: str | None = None, state: str | None = None, limit: int = 100
    ) -> list[ports.Job]:
        """Return jobs, newest first."""

    def count_statements(self) -> int:
        """Return how many statements there are."""


def gather(records: ReadRecords, candidate: str) -> list[ports.StoredStatement]:
    """Return every statement about a candidate and the lineage behind it, in log order."""
    found: dict[str, ports.StoredStatement] = {}
    wanted, seen = [candidate], set[str]()
    while wanted and len(found) < STATEMENTS_MAX:
        digest = wanted.pop()
        if digest in seen:
            continue
        seen.add(digest)
        for row in records.statements_for(digest):
            found[row.digest] = row
            if row.predicate_type == predicates.PROVENANCE:
                wanted += [item["digest"] for item in dependencies(predicate_of(row))]
    return sorted(found.values(), key=lambda row: row.log_index)


def candidate_view(records: ReadRecords, digest: str, now: datetime) -> View:
    """Return everything one candidate's page shows.

    Raises:
        NotFoundError: no such candidate.
    """
    row = records.candidate(digest)
    if row is None:
        raise NotFoundError("no candidate has this digest")
    statements = gather(records, digest)
    own = [item for item in statements if item.subject == digest]
    card = _newest(own, predicates.CANDIDATE)
    decision = decision_view(_newest(own, predicates.SVR))
    return {
        "row": row,
        "card": {} if card is None else predicate_of(card),
        "decision": decision,
        "sentence": verdict_sentence(row, decision),
        "checks": check_views(own, now),
        "lineage": lineage_view(statements),
        "votes": vote_views(own, decision),
        "admissions": records.list_admissions(candidate=digest),
        "requests": records.list_requests(candidate=digest),
        "jobs": records.list_jobs(candidate=digest, limit=10),
        "statements": [statement_line(item) for item in reversed(statements)],
        "barred": barred(statements, digest),
    }


def _newest(
    rows: Sequence[ports.StoredStatement], predicate_type: str
) -> ports.StoredStatement | None:
    return next((row for row in reversed(rows) if row.predicate_type == predicate_type), None)


def decision_view(row: ports.StoredStatement | None) -> View | None:
    """Return a decision with its reasons in reading order: what hurts comes first."""
    if row is None:
        return None
    predicate = predicate_of(row)
    value: View = predicate.get("govern", {})
    rules = sorted(value.get("rules", []), key=_rule_order)
    return {
        "digest": row.digest,
        "decision_digest": predicate.get("decision_digest"),
        "requested_by": predicate.get("requested_by"),
        "decided_at": row.created_at,
        "outcome": value.get("outcome", "deny"),
        "as_of": value.get("as_of"),
        "packs": value.get("packs", []),
        "evidence": value.get("evidence", []),
        "approvals": value.get("approvals", {}),
        "reasons": [item for item in rules if effect(item) != "allow"],
        "advice": [
            item
            for item in rules
            if item.get("severity") == "advise" and item["status"] in ("fail", "uncertain", "error")
        ],
        "waived": [item for item in rules if item["status"] == "waived"],
        "passed": [item for item in rules if item["status"] == "pass"],
        "silent": [item for item in rules if item["status"] == "not-applicable"],
    }


def effect(rule: Mapping[str, Any]) -> str:
    """Return what one rule's result makes of the outcome (as ``RuleResult.effect``)."""
    status, severity = rule.get("status"), rule.get("severity")
    if severity == "advise" or status in ("pass", "not-applicable", "waived"):
        return "allow"
    if status == "error" or (status == "fail" and severity == "deny"):
        return "deny"
    return "review"


def _rule_order(rule: Mapping[str, Any]) -> tuple[int, int, str, str]:
    weight = {"deny": 0, "review": 1, "allow": 2}[effect(rule)]
    return (
        weight,
        _ORDER.get(str(rule.get("status")), 4),
        str(rule.get("pack")),
        str(rule.get("rule")),
    )


def verdict_sentence(row: ports.CandidateRow, decision: Mapping[str, Any] | None) -> str:
    """Say in one sentence where a candidate stands."""
    if decision is None:
        if row.status == "checked":
            return "Checked, and no policy decision has been made yet."
        return "Registered, and nothing has been checked yet."
    reasons = len(decision["reasons"])
    many = f"{reasons} reason{'' if reasons == 1 else 's'}"
    first = decision["reasons"][0]["title"] if reasons else ""
    if decision["outcome"] == "deny":
        return f"Denied for {many}; first: {_lower(first)}."
    if decision["outcome"] == "review":
        return f"People must decide, for {many}; first: {_lower(first)}."
    if row.status == "admitted":
        return "Allowed by policy, approved by people and admitted."
    if row.status == "suspended":
        return "Allowed by policy, and its admission is suspended."
    quorum = decision["approvals"].get("quorum", 1)
    return f"Allowed by policy; {quorum} approval{'' if quorum == 1 else 's'} from people needed."


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def check_views(rows: Sequence[ports.StoredStatement], now: datetime) -> dict[str, View]:
    """Return the newest result of each check, by check name."""
    found: dict[str, View] = {}
    for row in rows:
        if row.predicate_type != predicates.TEST_RESULT:
            continue
        result = predicate_of(row).get("govern", {})
        found[str(result.get("check"))] = {
            "digest": row.digest,
            "signer": row.signer,
            "created_at": row.created_at,
            "age_days": max((now - moment(row.created_at)).days, 0),
            **result,
        }
    return found


def moment(text: str) -> datetime:
    """Read an RFC 3339 time that was written by us."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)


def vote_views(
    rows: Sequence[ports.StoredStatement], decision: Mapping[str, Any] | None
) -> list[View]:
    """Return the votes, newest decision first; a vote on an older decision is void."""
    current = None if decision is None else decision["digest"]
    votes = []
    for row in rows:
        if row.predicate_type == predicates.APPROVAL:
            vote = predicate_of(row)
            votes.append(
                {
                    **vote,
                    "digest": row.digest,
                    "signer": row.signer,
                    "void": vote.get("decision") != current,
                }
            )
    return sorted(votes, key=lambda vote: bool(vote["void"]))


def barred(rows: Iterable[ports.StoredStatement], candidate: str) -> dict[str, str]:
    """Foretell who may not approve, with the reason, from the same statements."""
    reasons: dict[str, str] = {}
    for row in rows:
        predicate = predicate_of(row)
        if row.predicate_type == predicates.CANDIDATE and row.subject == candidate:
            reasons[row.signer] = "is the candidate's author"
        elif row.predicate_type == predicates.PROVENANCE:
            definition = predicate.get("buildDefinition", {})
            person = definition.get("internalParameters", {}).get("trained_by")
            if definition.get("buildType") == predicates.BUILD_TRAINING and person:
                reasons.setdefault(person, "trained the model")
            for author in committed_by(definition.get("internalParameters")):
                reasons.setdefault(author, "committed the code that trained the model")
        elif row.predicate_type == predicates.TEST_RESULT:
            reasons.setdefault(row.signer, "ran the checks")
        elif row.predicate_type == predicates.SVR and predicate.get("requested_by"):
            reasons.setdefault(predicate["requested_by"], "requested the decision")
    return reasons


def statement_line(row: ports.StoredStatement) -> View:
    """Return one line of a statement table."""
    return {
        "digest": row.digest,
        "kind": row.kind,
        "signer": row.signer,
        "log_index": row.log_index,
        "created_at": row.created_at,
        "subject": row.subject,
    }


def inventory_view(records: ReadRecords, **query: Any) -> ports.CandidatePage:
    """Return one page of the inventory; see ``list_candidates``."""
    return records.list_candidates(**query)


def approval_queue(records: ReadRecords, now: datetime, state: str = "open") -> list[View]:
    """Return approval requests with age, tier and the votes so far, the longest waiting first."""
    found = []
    for request in records.list_requests(state=state):
        candidate = records.candidate(request.candidate)
        statement = records.statement(request.decision)
        decision = decision_view(statement)
        votes = vote_views(records.statements_for(request.candidate, "approval"), decision)
        cast = [vote for vote in votes if not vote["void"]]
        messages = records.messages_for(request.id)
        found.append(
            {
                "stepped_back": reviewing.stepped_back(messages),
                "handed_to": reviewing.handed_to(messages),
                "request": request,
                "candidate": candidate,
                "decision": decision,
                "age_hours": int((now - moment(request.requested_at)).total_seconds() // 3600),
                "voted": [vote["approver"] for vote in cast],
                "approved": sum(vote["vote"] == "approve" for vote in cast),
                "quorum": 1 if decision is None else decision["approvals"].get("quorum", 1),
            }
        )
    return found


def approval_view(records: ReadRecords, request_id: str, viewer: str, now: datetime) -> View:
    """Return everything the approval page shows to one reviewer.

    Raises:
        NotFoundError: no such request.
    """
    request = records.request(request_id)
    if request is None:
        raise NotFoundError("no approval request has this id")
    view = candidate_view(records, request.candidate, now)
    reviewed = decision_view(records.statement(request.decision))
    votes = [vote for vote in view["votes"] if vote.get("decision") == request.decision]
    messages = records.messages_for(request_id)
    opened = records.evidence_opened(request_id, viewer)
    shown = [row["digest"] for row in (reviewed or {}).get("evidence", [])]
    view |= {
        "request": request,
        "decision": reviewed,
        "replaced": view["decision"] is not None
        and reviewed is not None
        and view["decision"]["digest"] != reviewed["digest"],
        "votes": votes,
        "messages": messages,
        "stepped_back": reviewing.stepped_back(messages),
        "handed_to": reviewing.handed_to(messages),
        "opened": {key: at for key, at in opened.items() if key != request.decision},
        "review": reviewing.review_facts(opened, shown, request.decision, now),
        "concerns": [] if reviewed is None else reviewed["reasons"] + reviewed["waived"],
    }
    barred_by = dict(view["barred"])
    barred_by.setdefault(request.requested_by, "requested the approval")
    view["barred"] = barred_by
    return view


def deployments_view(records: ReadRecords, now: datetime) -> list[View]:
    """Return each deployment with its admissions, the newest first."""
    found: dict[str, View] = {}
    for row in records.list_admissions():
        entry = found.setdefault(row.deployment, {"deployment": row.deployment, "admissions": []})
        expires = moment(row.expires_at)
        status = "expired" if row.status == "active" and expires <= now else row.status
        entry["admissions"].append(
            {
                "row": row,
                "candidate": records.candidate(row.candidate),
                "status": status,
                "days_left": max((expires - now).days, 0),
            }
        )
    return [found[name] for name in sorted(found)]


def log_view(
    records: ReadRecords, *, kind: str | None = None, before: int | None = None, limit: int = 50
) -> View:
    """Return one page of the lineage log, newest first."""
    rows = records.recent_statements(kind=kind, before=before, limit=limit)
    return {
        "rows": [statement_line(row) for row in rows],
        "total": records.count_statements(),
        "before": rows[-1].log_index if len(rows) == limit else None,
    }


def statement_view(records: ReadRecords, digest: str) -> View:
    """Return one statement for reading: its line and its whole content.

    Raises:
        NotFoundError: no such statement.
    """
    row = records.statement(digest)
    if row is None:
        raise NotFoundError("no statement has this digest")
    return {"line": statement_line(row), "statement": read_statement(row), "row": row}
