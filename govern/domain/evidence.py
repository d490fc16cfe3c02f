"""The one meaning of "admitted": evidence loaded in order, each quoting what came before.

``EvidenceSet`` does no I/O. It is given verified statements (see
``govern.transparency.verify``) and the trust root, and holds these rules:

* candidate, then lineage, checks, waivers, decision, approvals, admission: in that order;
* a candidate quotes the signature over its model folder, by digest;
* lineage is closed: a training run that made the candidate's bytes, from features that
  are here, from data sets that are here; what is missing is a named gap, never invented;
* a check names the candidate's bytes and quotes the candidate and lineage statements;
* waivers are granted one signature at a time, by compliance, and revoked the same way;
* a decision lists exactly the evidence it read, all of it older in the log than itself;
* an approval quotes the decision statement and the decision digest, is signed by the
  approver, who holds the role and neither trained, committed, evaluated nor requested,
  and, where the trust file names a key of the approver's own, by that key as well;
* an admission quotes candidate, decision and approvals; enough approvals, no rejection,
  and an end no later than that of any waiver the decision relied on.

Calling out of order is the programmer's fault (``RuntimeError``); bad evidence is the
world's (``VerificationError`` family).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from govern.domain import predicates
from govern.domain.ballot import require_own_signature
from govern.domain.closure import committed_by, lineage_gaps, trained_by
from govern.domain.waiver import end_of, relied_on, waiver_rows
from govern.errors import EvidenceError, ExpiredError, UntrustedSignerError
from govern.transparency.canonical import canonical_json
from govern.transparency.digest import digest_of, hex_of
from govern.transparency.encoding import format_time, parse_time
from govern.transparency.trust import TrustRoot
from govern.transparency.verify import VerifiedStatement

_STAGES = ("empty", "candidate", "lineage", "checks", "decision", "approvals", "admission")


class EvidenceSet:
    """Everything that speaks for one candidate, loaded in order.

    Args:
        trust: who may sign what.
    """

    def __init__(self, trust: TrustRoot) -> None:
        self.trust = trust
        self.candidate: VerifiedStatement | None = None
        self.signature: VerifiedStatement | None = None
        self.lineage: tuple[VerifiedStatement, ...] = ()
        self.gaps: tuple[str, ...] = ()
        self.checks: dict[str, VerifiedStatement] = {}
        self.waivers: list[VerifiedStatement] = []
        self.waiver_revocations: list[VerifiedStatement] = []
        self.decision: VerifiedStatement | None = None
        self.approvals: list[VerifiedStatement] = []
        self.admission: VerifiedStatement | None = None
        self._stage = "empty"

    # -- the steps, in order -------------------------------------------------

    def add_candidate(self, candidate: VerifiedStatement, signature: VerifiedStatement) -> None:
        """Load the candidate and the signature over its model folder."""
        self._advance("empty", "candidate")
        _expect_kind(candidate, predicates.CANDIDATE)
        _expect_kind(signature, predicates.MODEL_SIGNATURE)
        if _text(candidate, "model_signature") != signature.digest:
            raise EvidenceError("the candidate quotes another model signature")
        if candidate.statement.subject != signature.statement.subject:
            raise EvidenceError("candidate and model signature name different bytes")
        self.trust.require_role(candidate.signer, "author", "the candidate")
        if _text(candidate, "author") != candidate.signer:
            raise EvidenceError("the candidate was not signed by its author")
        self.candidate, self.signature = candidate, signature

    def add_lineage(self, statements: Sequence[VerifiedStatement]) -> None:
        """Load data sets, feature builds and training runs; name what is missing."""
        self._advance("candidate", "lineage")
        for statement in statements:
            if statement.kind not in (predicates.DATASET, predicates.PROVENANCE):
                raise EvidenceError(
                    f"{predicates.name_of(statement.kind)} is not part of a lineage"
                )
        for statement in statements:
            named = trained_by(statement)
            if named is not None and named != statement.signer:
                raise EvidenceError(f"a training run by {named} was signed by {statement.signer}")
        self.lineage = tuple(sorted(statements, key=lambda item: item.log_index))
        self.gaps = tuple(lineage_gaps(self.digest, self.lineage))

    def add_check(self, check: VerifiedStatement) -> None:
        """Load one check; a newer one of the same name replaces an older one."""
        self._advance("lineage", "checks")
        _expect_kind(check, predicates.TEST_RESULT)
        name = _check_name(check)
        if not check.statement.has_subject(self.digest):
            raise EvidenceError(f"the {name} check is about another candidate")
        if check.statement.predicate["govern"].get("candidate") != self.digest:
            raise EvidenceError(f"the {name} check's result names another candidate")
        self.trust.require_role(check.signer, "evaluator", f"the {name} check")
        quoted = {item.get("digest", {}).get("sha256") for item in _configuration(check)}
        wanted = {hex_of(self._candidate.digest), *(hex_of(item.digest) for item in self.lineage)}
        if not wanted <= quoted:
            raise EvidenceError(f"the {name} check does not quote this candidate and lineage")
        old = self.checks.get(name)
        if old is None or old.log_index < check.log_index:
            self.checks[name] = check

    def add_waiver(self, waiver: VerifiedStatement) -> None:
        """Load a waiver for this candidate; whether it counts is the policy's to say."""
        self._advance("lineage", "checks")
        _expect_kind(waiver, predicates.WAIVER)
        if not waiver.statement.has_subject(self.digest):
            raise EvidenceError("the waiver is about another candidate")
        self.trust.require_role(waiver.signer, "compliance", "the waiver")
        self.waivers.append(waiver)

    def add_waiver_revocation(self, revocation: VerifiedStatement) -> None:
        """Load the revocation of a waiver for this candidate."""
        self._advance("lineage", "checks")
        _expect_kind(revocation, predicates.WAIVER_REVOCATION)
        if not revocation.statement.has_subject(self.digest):
            raise EvidenceError("the waiver revocation is about another candidate")
        self.trust.require_role(revocation.signer, "compliance", "the waiver revocation")
        self.waiver_revocations.append(revocation)

    def waiver_rows(self) -> list[dict[str, Any]]:
        """Return what the loaded grants and revocations come to (``govern.domain.waiver``)."""
        return waiver_rows(self.digest, self.waivers, self.waiver_revocations, self.makers())

    def makers(self) -> set[str]:
        """Return who made the candidate: its author and whoever trained it."""
        trainers = {trained_by(run) for run in self.lineage} - {None}
        return {self._candidate.signer, *(str(person) for person in trainers)}

    def add_decision(self, decision: VerifiedStatement) -> None:
        """Load the policy decision."""
        self._advance("lineage", "decision", "checks")
        _expect_kind(decision, predicates.SVR)
        if not decision.statement.has_subject(self.digest):
            raise EvidenceError("the decision is about another candidate")
        self.trust.require_role(decision.signer, "decider", "the decision")
        value = decision_value(decision)
        if value.get("candidate") != self.digest:
            raise EvidenceError("the decision's value names another candidate")
        if value.get("evidence") != self.evidence_index():
            raise EvidenceError("the decision read other evidence than what is here")
        newest = max(item.log_index for item in self._read_by_decision())
        if decision.log_index < newest:
            raise EvidenceError("the decision is older in the log than evidence it claims to read")
        self.decision = decision

    def add_approval(self, approval: VerifiedStatement) -> None:
        """Load one vote: approve, reject or dissent."""
        self._advance("decision", "approvals")
        _expect_kind(approval, predicates.APPROVAL)
        decision = self._decision
        if not approval.statement.has_subject(self.digest):
            raise EvidenceError("the approval is about another candidate")
        if _text(approval, "decision") != decision.digest:
            raise EvidenceError("the approval quotes another decision")
        if _text(approval, "decision_digest") != decision_digest(decision):
            raise EvidenceError("the approval quotes another decision digest")
        if _text(approval, "approver") != approval.signer:
            raise EvidenceError("the approval was not signed by the approver it names")
        self.trust.require_role(approval.signer, "reviewer", "the approval")
        barred = self.reason_against(approval.signer)
        if barred:
            raise EvidenceError(f"{approval.signer} cannot approve: {barred}")
        if approval.signer in {item.signer for item in self.approvals}:
            raise EvidenceError(f"{approval.signer} voted twice")
        require_own_signature(approval, self.trust, self.tier())
        self.approvals.append(approval)

    def add_admission(self, admission: VerifiedStatement) -> None:
        """Load the admission."""
        self._advance("decision", "admission", "approvals")
        _expect_kind(admission, predicates.ADMISSION)
        if not admission.statement.has_subject(self.digest):
            raise EvidenceError("the admission is about another candidate")
        self.trust.require_role(admission.signer, "platform", "the admission")
        if _text(admission, "admitted_by") != admission.signer:
            raise EvidenceError("the admission was not signed by the person it names")
        if _text(admission, "candidate") != self._candidate.digest:
            raise EvidenceError("the admission quotes another candidate")
        if _text(admission, "decision") != self._decision.digest:
            raise EvidenceError("the admission quotes another decision")
        quoted = admission.statement.predicate.get("approvals")
        if quoted != sorted(item.digest for item in self.approvals):
            raise EvidenceError("the admission quotes other approvals than what is here")
        problem = self.admission_problem() or self._outlives_waiver(admission)
        if problem:
            raise EvidenceError(problem)
        self.admission = admission

    # -- what follows from what was loaded -----------------------------------

    def statements(self) -> list[VerifiedStatement]:
        """Return every statement loaded, in log order."""
        parts = [self.candidate, self.signature, self.decision, self.admission]
        found = [item for item in parts if item is not None]
        found += [*self.lineage, *self.checks.values(), *self.waivers, *self.waiver_revocations]
        return sorted([*found, *self.approvals], key=lambda item: item.log_index)

    @property
    def digest(self) -> str:
        """The candidate digest: the root digest of the model folder."""
        return self._candidate.statement.subject

    def barred(self) -> dict[str, str]:
        """Return who may not approve, with the reason (separation of duties)."""
        reasons = {self._candidate.signer: "is the candidate's author"}
        for run in self.lineage:
            person = trained_by(run)
            if person:
                reasons.setdefault(person, "trained the model")
            definition = run.statement.predicate.get("buildDefinition", {})
            for author in committed_by(definition.get("internalParameters")):
                reasons.setdefault(author, "committed the code that trained the model")
        for check in self.checks.values():
            reasons.setdefault(check.signer, "ran the checks")
        if self.decision is not None:
            requester = self.decision.statement.predicate.get("requested_by")
            if isinstance(requester, str):
                reasons.setdefault(requester, "requested the decision")
            for row in relied_on(decision_value(self.decision)):
                for person in row.get("granted_by", []):
                    reasons.setdefault(str(person), "granted a waiver that the decision relies on")
        return reasons

    def reason_against(self, person: str) -> str | None:
        """Return why a person may not approve, or None; tools write addresses in any case."""
        reasons = self.barred()
        return reasons.get(person) or reasons.get(person.lower())

    def admission_problem(self) -> str | None:
        """Say why the loaded decision and votes do not permit an admission, or None."""
        value = decision_value(self._decision)
        if value.get("outcome") == "deny":
            return "the decision is deny; nothing can be admitted under it"
        rejected = [item.signer for item in self.approvals if _vote(item) == "reject"]
        if rejected:
            return f"{rejected[0]} rejected it"
        approved = {item.signer for item in self.approvals if _vote(item) == "approve"}
        quorum = self.quorum()
        if len(approved) < quorum:
            return f"{quorum} approvals are needed, {len(approved)} are here"
        return None

    def _outlives_waiver(self, admission: VerifiedStatement) -> str | None:
        """Say that an admission would serve on after a waiver that it rests on, or None."""
        end = self.waiver_end()
        if end is not None and parse_time(_text(admission, "expires_at")) > end:
            return f"the admission outlives a waiver that ends at {format_time(end)}"
        return None

    def waiver_end(self) -> datetime | None:
        """Return when the first waiver that the decision relied on ends, or None."""
        return end_of(decision_value(self._decision))

    def quorum(self) -> int:
        """Return how many approvals are needed: the decision's number, never under the trust's."""
        asked = decision_value(self._decision).get("approvals", {}).get("quorum", 1)
        return max(int(asked), self.trust.thresholds.get("approval", 1))

    def tier(self) -> str:
        """Return the risk tier that the decision gives, by which votes are counted."""
        return str(decision_value(self._decision).get("approvals", {}).get("tier", ""))

    def evidence_index(self) -> list[dict[str, str]]:
        """Return path and digest of everything a decision reads, in one fixed order."""
        rows = [{"path": "candidate", "digest": self._candidate.digest}]
        rows += [
            {"path": f"lineage.{place}", "digest": item.digest}
            for place, item in enumerate(self.lineage)
        ]
        rows += [
            {"path": f"checks.{name}", "digest": self.checks[name].digest}
            for name in sorted(self.checks)
        ]
        rows += [
            {"path": "waivers", "digest": digest}
            for digest in sorted(item.digest for item in (*self.waivers, *self.waiver_revocations))
        ]
        return rows

    def require_current(self, now: datetime) -> None:
        """Refuse an admission outside its window.

        Raises:
            ExpiredError: ``now`` is before ``not_before`` or at or after ``expires_at``.
        """
        admission = self._require(self.admission, "admission")
        predicate = admission.statement.predicate
        if now < parse_time(predicate.get("not_before")):
            raise ExpiredError(f"the admission starts at {predicate['not_before']}")
        if now >= parse_time(predicate.get("expires_at")):
            raise ExpiredError(f"the admission expired at {predicate['expires_at']}")

    # -- helpers ---------------------------------------------------------------

    def _read_by_decision(self) -> list[VerifiedStatement]:
        waivers = (*self.waivers, *self.waiver_revocations)
        return [self._candidate, *self.lineage, *self.checks.values(), *waivers]

    @property
    def _candidate(self) -> VerifiedStatement:
        return self._require(self.candidate, "candidate")

    @property
    def _decision(self) -> VerifiedStatement:
        return self._require(self.decision, "decision")

    @staticmethod
    def _require(value: VerifiedStatement | None, what: str) -> VerifiedStatement:
        if value is None:
            raise RuntimeError(f"load the {what} first")
        return value

    def _advance(self, lowest: str, stage: str, also: str | None = None) -> None:
        """Move to ``stage`` from ``lowest``, ``also`` or ``stage`` itself."""
        repeats = stage in ("checks", "approvals")
        allowed = {lowest, also} | ({stage} if repeats else set())
        if self._stage not in allowed:
            raise RuntimeError(f"cannot load {stage} after {self._stage}")
        self._stage = stage


def decision_value(decision: VerifiedStatement) -> dict[str, Any]:
    """Return the decision itself, as ``evaluate`` made it."""
    value = decision.statement.predicate.get("govern")
    if not isinstance(value, dict):
        raise EvidenceError("the decision statement holds no decision")
    return value


def decision_digest(decision: VerifiedStatement) -> str:
    """Return the digest of the decision's canonical value."""
    return digest_of(canonical_json(decision_value(decision)))


def _vote(approval: VerifiedStatement) -> str:
    return _text(approval, "vote")


def _check_name(check: VerifiedStatement) -> str:
    result = check.statement.predicate.get("govern")
    name = result.get("check") if isinstance(result, dict) else None
    if not isinstance(name, str) or not name:
        raise EvidenceError("a test result here names its check")
    return name


def _configuration(check: VerifiedStatement) -> list[dict[str, Any]]:
    items = check.statement.predicate.get("configuration", [])
    return [item for item in items if isinstance(item, dict)]


def _expect_kind(statement: VerifiedStatement, kind: str) -> None:
    if statement.kind != kind:
        wanted, got = predicates.name_of(kind), predicates.name_of(statement.kind)
        raise EvidenceError(f"expected a {wanted} statement, got {got}")


def _text(statement: VerifiedStatement, key: str) -> str:
    value = statement.statement.predicate.get(key)
    if not isinstance(value, str):
        raise EvidenceError(f"{predicates.name_of(statement.kind)} lacks the text {key!r}")
    return value


def require_service(statement: VerifiedStatement, trust: TrustRoot) -> None:
    """Refuse a statement that only the service may sign.

    Raises:
        UntrustedSignerError: another identity signed it.
    """
    if not trust.has_role(statement.signer, "service"):
        what = predicates.name_of(statement.kind)
        raise UntrustedSignerError(f"{what} was signed by {statement.signer}, not the service")
