"""Votes and admissions: who may, under which decision, and until when."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from govern.domain import predicates
from govern.domain.assembling import (
    MEMBERS_MAX,
    StatementIndex,
    load_admission,
    load_decision,
    may_change,
    members_of,
    standing,
)
from govern.domain.ballot import (
    NAMESPACE,
    OWN_SIGNATURE,
    ballot,
    own_key,
    require_fit,
    signs_alone,
)
from govern.domain.evidence import EvidenceSet, decision_digest
from govern.domain.probes import probes_of
from govern.errors import (
    ConflictError,
    NotFoundError,
    RefusedError,
    RevokedKeyError,
    UntrustedSignerError,
    VerificationError,
)
from govern.services.own_keys import require_counting_on
from govern.services.recording import Recorder
from govern.services.tracing import statements_about
from govern.transparency.encoding import format_time, parse_time
from govern.transparency.sshsig import parse_sshsig, verify_sshsig
from govern.transparency.verify import VerifiedStatement

VOTES = ("approve", "reject", "dissent")
COMMENT_CHARS_MAX = 10_000
WORDS_AGE_MAX = timedelta(minutes=15)
CLOCK_SKEW = timedelta(seconds=5)


def newest_decision(index: StatementIndex, candidate: str) -> VerifiedStatement:
    """Return the newest decision about a candidate.

    Raises:
        NotFoundError: there is none.
    """
    decisions = index.of_kind(predicates.SVR, candidate)
    if not decisions:
        raise NotFoundError(f"no decision about {candidate}; run `govern check run` first")
    return decisions[-1]


def under_review(recorder: Recorder, decision: str) -> tuple[EvidenceSet, StatementIndex]:
    """Load a decision with the votes cast on it so far.

    Raises:
        NotFoundError: no such decision.
        ConflictError: a newer decision has replaced it, so approvals under it are void.
    """
    statement = recorder.find(decision)
    if statement is None or statement.kind != predicates.SVR:
        raise NotFoundError(f"no decision {decision}")
    candidate = statement.statement.subject
    index = statements_about(recorder, candidate)
    newest = newest_decision(index, candidate)
    if newest.digest != decision:
        raise ConflictError(
            f"decision {decision[:19]}… was replaced by {newest.digest[:19]}…; review that one"
        )
    evidence = load_decision(index, statement, recorder.trust)
    for vote in index.of_kind(predicates.APPROVAL, candidate):
        if vote.statement.predicate.get("decision") == decision:
            evidence.add_approval(vote)
    return evidence, index


def vote(
    recorder: Recorder,
    decision: str,
    *,
    approver: str,
    choice: str,
    comment: str,
    evidence_read: Sequence[str] = (),
    sign: Callable[[bytes], str] | None = None,
    review: Mapping[str, Any] | None = None,
) -> VerifiedStatement:
    """Record one reviewer's vote on a decision.

    Args:
        decision: the decision's statement digest.
        approver: e-mail address; the vote is signed in this name.
        choice: ``approve``, ``reject`` or ``dissent``.
        comment: why; required for reject and dissent.
        evidence_read: digests of the statements that were opened.
        sign: signs the ballot with a key of the reviewer's own and returns an SSHSIG
            signature; needed where the trust file names such a key.
        review: how the review went (``govern.services.reviewing.review_facts``), if known.

    Raises:
        RefusedError: the person may not vote, and why.
        ConflictError: the decision was replaced, or is a denial that nobody can approve.
    """
    evidence, _ = under_review(recorder, decision)
    words = _words(recorder, evidence, approver, choice, comment, evidence_read, review)
    if sign is not None:
        return _record_signed(recorder, evidence, words, sign(ballot(words)))
    if signs_alone(recorder.trust, approver):
        why = "the trust file names a key of this person's own; sign with --ssh-key, or a passkey"
        raise RefusedError(f"{approver} cannot {choice}: {why}", [why])
    return _record(recorder, evidence, words)


def prepare(
    recorder: Recorder,
    decision: str,
    *,
    approver: str,
    choice: str,
    comment: str,
    evidence_read: Sequence[str] = (),
    review: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the predicate of a vote cast now; nothing is recorded.

    Raises:
        RefusedError, ConflictError: see ``vote``.
    """
    evidence, _ = under_review(recorder, decision)
    return _words(recorder, evidence, approver, choice, comment, evidence_read, review)


def cast(recorder: Recorder, words: Mapping[str, Any], signature: str) -> VerifiedStatement:
    """Record a prepared vote with a signature by a key of the reviewer's own.

    Args:
        recorder: the lineage log's recorder.
        words: what ``prepare`` returned.
        signature: an armored SSHSIG signature over the ballot.

    Raises:
        RefusedError: the signature would not count, or the person may not vote any more.
        ConflictError: the words are older than ``WORDS_AGE_MAX``, or the decision was replaced.
    """
    age = recorder.clock() - parse_time(words["approved_at"])
    if not -CLOCK_SKEW <= age <= WORDS_AGE_MAX:
        raise ConflictError("this vote was prepared too long ago; prepare it again")
    evidence, _ = under_review(recorder, words["decision"])
    _require_may(evidence, words["approver"], words["vote"], words["comment"])
    return _record_signed(recorder, evidence, words, signature)


def _words(
    recorder: Recorder,
    evidence: EvidenceSet,
    approver: str,
    choice: str,
    comment: str,
    evidence_read: Sequence[str],
    review: Mapping[str, Any] | None,
) -> dict[str, Any]:
    _require_may(evidence, approver, choice, comment)
    assert evidence.decision is not None
    return {
        "decision": evidence.decision.digest,
        "decision_digest": decision_digest(evidence.decision),
        "approver": approver,
        "role": "reviewer",
        "vote": choice,
        "comment": comment,
        "evidence_read": sorted(evidence_read),
        "approved_at": format_time(recorder.clock()),
        **({"review": dict(review)} if review else {}),
    }


def _require_may(evidence: EvidenceSet, approver: str, choice: str, comment: str) -> None:
    reasons = vote_refusals(evidence, approver, choice, comment)
    if reasons:
        raise RefusedError(f"{approver} cannot {choice}: {reasons[0]}", reasons)


def _record_signed(
    recorder: Recorder, evidence: EvidenceSet, words: Mapping[str, Any], signature: str
) -> VerifiedStatement:
    _require_signature(recorder, words, signature, evidence.tier())
    return _record(recorder, evidence, {**words, OWN_SIGNATURE: signature})


def _record(
    recorder: Recorder, evidence: EvidenceSet, predicate: Mapping[str, Any]
) -> VerifiedStatement:
    assert evidence.candidate is not None
    subject = [evidence.candidate.statement.subjects[0]]
    return recorder.record(predicates.APPROVAL, subject, predicate, signer=predicate["approver"])


def _require_signature(recorder: Recorder, words: Mapping[str, Any], text: str, tier: str) -> None:
    """Refuse a signature before it is on record if it would not count there."""
    approver = words["approver"]
    try:
        signature = parse_sshsig(text)
        verify_sshsig(signature, ballot(words), NAMESPACE)
        key = own_key(signature, recorder.trust, approver, recorder.clock())
        require_fit(signature, key, tier)
        require_counting_on(recorder, approver, signature)
    except UntrustedSignerError:
        why = "the trust file does not name this key as the reviewer's own: `govern key enrol`"
        raise RefusedError(f"{approver} cannot vote: {why}", [why]) from None
    except VerificationError as error:
        raise RefusedError(f"{approver}'s own signature: {error}", [str(error)]) from None


def vote_refusals(evidence: EvidenceSet, approver: str, choice: str, comment: str) -> list[str]:
    """Return every reason why this vote cannot be cast; empty when it can."""
    assert evidence.decision is not None
    reasons = []
    if choice not in VOTES:
        reasons.append(f"a vote is one of {', '.join(VOTES)}")
    barred = evidence.reason_against(approver)
    if barred:
        reasons.append(f"separation of duties: {approver} {barred}")
    if not evidence.trust.has_role(approver, "reviewer"):
        reasons.append("not a reviewer in the trust file")
    if approver in {item.signer for item in evidence.approvals}:
        reasons.append("has voted on this decision already")
    if choice in ("reject", "dissent") and not comment.strip():
        reasons.append(f"a {choice} needs a comment that says why")
    if len(comment) > COMMENT_CHARS_MAX:
        reasons.append(f"a comment has at most {COMMENT_CHARS_MAX} characters")
    outcome = evidence.decision.statement.predicate["govern"].get("outcome")
    if choice == "approve" and outcome == "deny":
        reasons.append("the decision is deny; it cannot be approved")
    return reasons


def admit(
    recorder: Recorder,
    candidate: str,
    *,
    deployment: str,
    environment: str,
    upstream: Mapping[str, Any],
    days: int,
    admitted_by: str,
) -> VerifiedStatement:
    """Admit a candidate to a deployment for a number of days.

    Raises:
        RefusedError: the decision, the votes or a member of a composition do not permit it.
        MalformedError: ``upstream.probes`` are not what they should be.
    """
    probes_of(upstream)
    index = statements_about(recorder, candidate)
    decision = newest_decision(index, candidate)
    evidence, _ = under_review(recorder, decision.digest)
    problem = evidence.admission_problem()
    if problem:
        raise RefusedError(f"{candidate[:19]}… cannot be admitted: {problem}", [problem])
    if not recorder.trust.has_role(admitted_by, "platform"):
        raise RefusedError(f"{admitted_by} is not a platform engineer in the trust file")
    now = recorder.clock().replace(microsecond=0)  # timestamps prove whole seconds
    expires = min([_expiry(evidence, now, days), *_member_ends(recorder, upstream, now)])
    assert evidence.candidate is not None
    predicate = {
        "deployment": deployment,
        "environment": environment,
        "candidate": evidence.candidate.digest,
        "decision": decision.digest,
        "approvals": sorted(item.digest for item in evidence.approvals),
        "admitted_by": admitted_by,
        "admitted_at": format_time(now),
        "not_before": format_time(now),
        "expires_at": format_time(expires),
        "upstream": dict(upstream),
    }
    subject = [evidence.candidate.statement.subjects[0]]
    admission = recorder.record(predicates.ADMISSION, subject, predicate, signer=admitted_by)
    load_admission(statements_about(recorder, candidate), admission.digest, recorder.trust)
    return admission


def _member_ends(
    recorder: Recorder, upstream: Mapping[str, Any], now: datetime
) -> Iterator[datetime]:
    """Yield when the members of a composition end, which it cannot outlive.

    Raises:
        RefusedError: one is not admitted now, or is a composition itself.
    """
    quoted = upstream.get("members", [])
    if not isinstance(quoted, list) or len(quoted) > MEMBERS_MAX:
        raise RefusedError(f"members are a list of at most {MEMBERS_MAX} admission digests")
    if len({str(digest) for digest in quoted}) != len(quoted):
        raise RefusedError("a member of a composition is named once")
    for digest in quoted:
        member = recorder.find(str(digest))
        if member is None or member.kind != predicates.ADMISSION:
            raise RefusedError(f"the member {str(digest)[:80]} is no admission")
        end = parse_time(member.statement.predicate["expires_at"])
        status = admission_status(recorder, member) if now < end else "expired"
        if status != "active":
            raise RefusedError(f"the member {digest[:19]}… cannot be composed: it is {status}")
        if members_of(member):
            raise RefusedError(f"the member {digest[:19]}… is a composition itself")
        yield end


def _expiry(evidence: EvidenceSet, now: datetime, days: int) -> datetime:
    """Return the end of an admission: never after a waiver that its decision relied on.

    Raises:
        RefusedError: that waiver has ended, or was revoked.
    """
    assert evidence.decision is not None
    end, wanted = evidence.waiver_end(), now + timedelta(days=days)
    if end is None:
        return wanted
    if end <= now:
        raise RefusedError(f"a waiver that the decision relies on ended at {format_time(end)}")
    return min(end, wanted)


def change_admission(
    recorder: Recorder, admission: str, kind: str, *, by: str, reason: str
) -> VerifiedStatement:
    """Record a suspension, reinstatement or revocation of an admission.

    Args:
        kind: the predicate type.

    Raises:
        NotFoundError: no such admission.
        ConflictError: the change does not fit its present status.
        RefusedError: the person may not, or gave no reason.
    """
    statement = recorder.find(admission)
    if statement is None or statement.kind != predicates.ADMISSION:
        raise NotFoundError(f"no admission {admission}")
    status = admission_status(recorder, statement)
    allowed = {
        predicates.SUSPENSION: ("active",),
        predicates.REINSTATEMENT: ("suspended",),
        predicates.REVOCATION: ("active", "suspended"),
    }[kind]
    if status not in allowed:
        raise ConflictError(
            f"the admission is {status}; it cannot take a {predicates.name_of(kind)}"
        )
    if not reason.strip():
        raise RefusedError(f"a {predicates.name_of(kind)} needs a reason")
    if not may_change(recorder.trust, by, kind):
        raise RefusedError(f"{by} is not a platform engineer in the trust file")
    predicate = {
        "admission": admission,
        "by": by,
        "reason": reason,
        "at": format_time(recorder.clock()),
    }
    subject = [statement.statement.subjects[0]]
    try:
        return recorder.record(kind, subject, predicate, signer=by)
    except VerificationError as error:
        raise ConflictError(str(error)) from error


def admission_status(recorder: Recorder, admission: VerifiedStatement) -> str:
    """Return ``active``, ``suspended`` or ``revoked`` from the statements in the log.

    What rests on a statement that a revoked key made void is as good as revoked.
    """
    index = statements_about(recorder, admission.statement.subject)
    try:
        load_admission(index, admission.digest, recorder.trust)
    except RevokedKeyError:
        return "revoked"
    return standing(index, admission, recorder.trust, recorder.clock())
