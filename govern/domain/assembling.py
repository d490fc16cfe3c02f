"""Sort verified statements into evidence sets, and turn a set into what policy reads.

Pure. Statements may come in any order and from any store; this is the one place that
knows which go where, for the control plane, the gate and the offline verifier alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

from govern.domain import predicates
from govern.domain.closure import materials, told_by, trained_by
from govern.domain.evidence import EvidenceSet, decision_value
from govern.domain.voiding import counts, require_not_void, resting_on
from govern.domain.waiver import is_revoked
from govern.errors import EvidenceError, UntrustedSignerError
from govern.transparency.digest import hex_of
from govern.transparency.encoding import format_time, parse_time
from govern.transparency.trust import TrustRoot
from govern.transparency.verify import VerifiedStatement

MEMBERS_MAX = 16


class StatementIndex:
    """Verified statements, found by digest, by kind, and by what they are about.

    What is void (``govern.domain.voiding``) is kept apart: it is not found, but named where
    something rests on it.
    """

    def __init__(self, statements: Iterable[VerifiedStatement]) -> None:
        self.by_digest: dict[str, VerifiedStatement] = {}
        self.void: dict[str, VerifiedStatement] = {}
        for item in sorted(statements, key=lambda item: item.log_index):
            if not counts(item):
                self.void.setdefault(item.digest, item)
                continue
            first = self.by_digest.setdefault(item.digest, item)  # counts from its first entry
            if first.signer != item.signer:
                raise UntrustedSignerError(
                    f"{item.signer} signed a copy of a statement of {first.signer}"
                )

    def of_kind(self, kind: str, subject: str | None = None) -> list[VerifiedStatement]:
        """Return statements of a kind (about a subject), oldest first."""
        found = (
            item
            for item in self.by_digest.values()
            if item.kind == kind and (subject is None or item.statement.has_subject(subject))
        )
        return sorted(found, key=lambda item: item.log_index)

    def get(self, digest: str, what: str) -> VerifiedStatement:
        """Return one statement.

        Raises:
            EvidenceError: it is not here.
            RevokedKeyError: it is here and void.
        """
        if digest not in self.by_digest:
            if digest in self.void:
                raise resting_on(self.void[digest], what)
            raise EvidenceError(f"{what} {digest} is missing")
        return self.by_digest[digest]

    def lineage_of(self, candidate: str) -> list[VerifiedStatement]:
        """Return training runs, feature builds and data sets behind a candidate's bytes."""
        found: dict[str, VerifiedStatement] = {}
        wanted = [candidate]
        while wanted:
            digest = wanted.pop()
            for kind in (predicates.PROVENANCE, predicates.DATASET):
                for item in self.of_kind(kind, digest):
                    if item.digest not in found:
                        found[item.digest] = item
                        wanted += materials(item) if kind == predicates.PROVENANCE else []
        return list(found.values())


def load_candidate(
    index: StatementIndex, candidate: str, trust: TrustRoot, *, before: int | None = None
) -> EvidenceSet:
    """Load candidate, lineage, checks and waivers.

    Args:
        index: verified statements.
        candidate: the candidate digest.
        trust: the trust root.
        before: only statements with a smaller log index count (None: all).
    """
    evidence = EvidenceSet(trust)
    statement = _newest(_until(index.of_kind(predicates.CANDIDATE, candidate), before))
    if statement is None:
        raise EvidenceError(f"no candidate statement for {candidate}")
    _refuse_older_registration(index, statement, before)
    quoted = statement.statement.predicate.get("model_signature", "")
    evidence.add_candidate(statement, index.get(str(quoted), "the model signature"))
    evidence.add_lineage(_until(index.lineage_of(candidate), before))
    for check in _until(index.of_kind(predicates.TEST_RESULT, candidate), before):
        if not _reads_void(check, index):
            evidence.add_check(check)
    for waiver in _until(index.of_kind(predicates.WAIVER, candidate), before):
        evidence.add_waiver(waiver)
    for revocation in _until(index.of_kind(predicates.WAIVER_REVOCATION, candidate), before):
        evidence.add_waiver_revocation(revocation)
    return evidence


def load_decision(
    index: StatementIndex, decision: VerifiedStatement, trust: TrustRoot
) -> EvidenceSet:
    """Load everything up to a decision, as it stood in the log when it was made.

    Raises:
        RevokedKeyError: it read a statement that is void.
        EvidenceError, UntrustedSignerError: see ``EvidenceSet``.
    """
    candidate = decision.statement.subject
    for row in _rows(decision_value(decision).get("evidence")):
        if row.get("digest") in index.void:
            raise resting_on(index.void[row["digest"]], "the decision")
    evidence = load_candidate(index, candidate, trust, before=decision.log_index)
    evidence.add_decision(decision)
    return evidence


def load_admission(index: StatementIndex, admission: str, trust: TrustRoot) -> EvidenceSet:
    """Load the whole chain up to one admission.

    Raises:
        RevokedKeyError: it rests on a statement that is void.
        EvidenceError, UntrustedSignerError: see ``EvidenceSet``.
    """
    statement = index.get(admission, "the admission")
    predicate = statement.statement.predicate
    decision = index.get(str(predicate.get("decision")), "the decision")
    evidence = load_decision(index, decision, trust)
    quoted = predicate.get("approvals")
    if not isinstance(quoted, list):
        raise EvidenceError("the admission lists no approvals")
    for digest in quoted:
        evidence.add_approval(index.get(str(digest), "the approval"))
    _refuse_hidden_rejection(index, evidence, statement)
    evidence.add_admission(statement)
    require_not_void(evidence.statements(), "the admission")
    _require_members(index, statement, trust)
    return evidence


def members_of(admission: VerifiedStatement) -> tuple[str, ...]:
    """Return the admissions that a composition quotes: of the other models that it serves.

    Raises:
        EvidenceError: they are not a short list of different digests.
    """
    upstream = admission.statement.predicate.get("upstream")
    quoted = upstream.get("members", []) if isinstance(upstream, dict) else []
    if not isinstance(quoted, list) or not all(isinstance(item, str) for item in quoted):
        raise EvidenceError("the members of a composition are a list of admission digests")
    if len(set(quoted)) != len(quoted) or len(quoted) > MEMBERS_MAX:
        raise EvidenceError(f"a composition has at most {MEMBERS_MAX} members, each named once")
    return tuple(quoted)


def _require_members(index: StatementIndex, admission: VerifiedStatement, trust: TrustRoot) -> None:
    """A composition is admitted only where each of its members is, before it and as long."""
    for digest in members_of(admission):
        member = index.get(digest, "a member's admission")
        if member.kind != predicates.ADMISSION or member.log_index >= admission.log_index:
            raise EvidenceError("a composition quotes what was not admitted before it")
        if members_of(member):
            raise EvidenceError("a member of a composition is a composition itself")
        load_admission(index, digest, trust)
        ends = [item.statement.predicate.get("expires_at") for item in (member, admission)]
        if parse_time(ends[0]) < parse_time(ends[1]):
            raise EvidenceError("a composition is admitted for longer than one of its members")


def _rows(value: Any) -> list[dict[str, Any]]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _reads_void(check: VerifiedStatement, index: StatementIndex) -> bool:
    """A void check of a registration or lineage that is void too says nothing of their successors."""
    rows = _rows(check.statement.predicate.get("configuration"))
    quoted = {row.get("digest", {}).get("sha256") for row in rows}
    return bool(check.void) and any(hex_of(digest) in quoted for digest in index.void)


def _refuse_older_registration(
    index: StatementIndex, chosen: VerifiedStatement, before: int | None
) -> None:
    """A registration that became void does not bring back the one before it."""
    for item in _until(list(index.void.values()), before):
        same = item.kind == chosen.kind and item.statement.has_subject(chosen.statement.subject)
        if same and item.log_index > chosen.log_index:
            raise resting_on(item, "the candidate's registration")


def _refuse_hidden_rejection(
    index: StatementIndex, evidence: EvidenceSet, admission: VerifiedStatement
) -> None:
    quoted = {item.digest for item in evidence.approvals}
    assert evidence.decision is not None
    for vote in index.of_kind(predicates.APPROVAL, evidence.digest):
        same = vote.statement.predicate.get("decision") == evidence.decision.digest
        if same and vote.digest not in quoted and vote.log_index < admission.log_index:
            raise EvidenceError(f"the admission leaves out the vote of {vote.signer}")


def evidence_document(evidence: EvidenceSet, as_of: date) -> dict[str, Any]:
    """Return the evidence as the plain JSON that policy rules read.

    Args:
        evidence: loaded at least up to its lineage.
        as_of: the date that ages are counted from.
    """
    assert evidence.candidate is not None
    predicate = dict(evidence.candidate.statement.predicate)
    return {
        "candidate": {**predicate, "digest": evidence.digest},
        "lineage": _lineage_document(evidence),
        "checks": {
            name: _check_document(check, as_of) for name, check in sorted(evidence.checks.items())
        },
        "waivers": evidence.waiver_rows(),
        "evidence": evidence.evidence_index(),
    }


def standing(
    index: StatementIndex, admission: VerifiedStatement, trust: TrustRoot, at: datetime
) -> str:
    """Return ``active``, ``suspended`` or ``revoked`` as the log had it at a time.

    The revocation of a waiver revokes the admissions whose decision relied on it. A
    composition stands no better than the worst of its members.

    Raises:
        UntrustedSignerError: a change was signed by someone who may not make it.
        EvidenceError: a member's admission is missing.
    """
    members = [index.get(digest, "a member's admission") for digest in members_of(admission)]
    return worst(_own_standing(index, item, trust, at) for item in (admission, *members))


def worst(states: Iterable[str]) -> str:
    """Return the state in which all of several admissions together are."""
    return max(states, key=("active", "suspended", "revoked").index)


def _own_standing(
    index: StatementIndex, admission: VerifiedStatement, trust: TrustRoot, at: datetime
) -> str:
    kinds = {
        predicates.SUSPENSION: "suspended",
        predicates.REINSTATEMENT: "active",
        predicates.REVOCATION: "revoked",
    }
    changes = [
        item
        for kind in kinds
        for item in index.of_kind(kind)
        if item.statement.predicate.get("admission") == admission.digest and item.proven_at <= at
    ]
    status = "active"
    for change in sorted(changes, key=lambda item: item.log_index):
        if not may_change(trust, change.signer, change.kind):
            trust.require_role(change.signer, "platform", f"a {predicates.name_of(change.kind)}")
        status = status if status == "revoked" else kinds[change.kind]
    return "revoked" if _rests_on_revoked_waiver(index, admission, at) else status


def may_change(trust: TrustRoot, who: str, kind: str) -> bool:
    """Say whether somebody may suspend, reinstate or revoke an admission.

    The service may suspend by itself, where a monitor says so: that only ever stops answers.
    """
    suspends = kind == predicates.SUSPENSION and trust.has_role(who, "service")
    return suspends or trust.has_role(who, "platform")


def _rests_on_revoked_waiver(
    index: StatementIndex, admission: VerifiedStatement, at: datetime
) -> bool:
    decision = index.by_digest.get(str(admission.statement.predicate.get("decision")))
    revocations = index.of_kind(predicates.WAIVER_REVOCATION, admission.statement.subject)
    return decision is not None and is_revoked(decision_value(decision), revocations, at)


def _lineage_document(evidence: EvidenceSet) -> dict[str, Any]:
    datasets, features, training = [], [], []
    for item in evidence.lineage:
        name, digest = item.statement.subjects[0]
        row = {"name": name, "digest": digest, "recorded_at": format_time(item.proven_at)}
        if item.kind == predicates.DATASET:
            datasets.append(row)
        elif item.statement.has_subject(evidence.digest):
            training.append({**row, "by": trained_by(item), **told_by(item)})
        else:
            features.append(row)
    return {
        "complete": not evidence.gaps,
        "gaps": list(evidence.gaps),
        "datasets": datasets,
        "features": features,
        "training": training,
        "trained_by": sorted({row["by"] for row in training if row["by"]}),
        "signatures_verified": True,
    }


def _check_document(check: VerifiedStatement, as_of: date) -> dict[str, Any]:
    result = dict(check.statement.predicate["govern"])
    age = (as_of - check.proven_at.date()).days
    checked = {"age_days": age, "checked_at": format_time(check.proven_at)}
    return {**result, **checked, "evaluated_by": check.signer}


def _until(items: Sequence[VerifiedStatement], before: int | None) -> list[VerifiedStatement]:
    return [item for item in items if before is None or item.log_index < before]


def _newest(items: Sequence[VerifiedStatement]) -> VerifiedStatement | None:
    return max(items, key=lambda item: item.log_index, default=None)


def as_of_date(now: datetime) -> date:
    """Return the date a decision made at ``now`` is made as of (UTC)."""
    return now.date()
