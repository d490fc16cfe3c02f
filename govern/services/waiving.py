"""Grant, co-sign, revoke and list waivers: one signature a statement, two make a waiver.

The first person states the terms; the second signs the same terms, by their digest. What
the signatures come to is decided in ``govern.domain.waiver``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from govern.domain import predicates
from govern.domain.evidence import EvidenceSet, decision_value
from govern.domain.waiver import GRANTS_MIN, TERMS, ends_at, relied_on, terms_of
from govern.errors import InvalidRequestError, NotFoundError, RefusedError
from govern.policy.document import Pack
from govern.services.recording import Recorder
from govern.services.tracing import evidence_for, statements_about
from govern.transparency.encoding import format_time
from govern.transparency.verify import VerifiedStatement

DAYS_MAX = 366
TEXT_CHARS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Terms:
    """What a waiver says, before anyone has signed it; ``until`` is its last day (UTC)."""

    pack: str
    rule: str
    reason: str
    compensating_control: str
    until: date


def terms_from(fields: Mapping[str, str]) -> Terms:
    """Return terms from text fields.

    Raises:
        InvalidRequestError: one is missing, or ``until`` is no date.
    """
    names = ("pack", "rule", "reason", "compensating_control", "until")
    missing = [name for name in names if not fields.get(name)]
    if missing:
        raise InvalidRequestError(f"a waiver needs the field {missing[0]!r}")
    try:
        until = date.fromisoformat(fields["until"])
    except ValueError:
        raise InvalidRequestError(f"{fields['until']!r} is not a date like 2026-12-31") from None
    return Terms(
        fields["pack"], fields["rule"], fields["reason"], fields["compensating_control"], until
    )


def grant(
    recorder: Recorder, candidate: str, packs: Sequence[Pack], terms: Terms, *, by: str
) -> VerifiedStatement:
    """Sign a waiver's terms as the first person.

    Raises:
        InvalidRequestError: no such rule, an empty or long text, an end that does not fit.
        RefusedError: the rule cannot be waived, or this person may not.
    """
    pack = _waivable(packs, terms.pack, terms.rule)
    _check_terms(terms, recorder.clock())
    end = datetime(terms.until.year, terms.until.month, terms.until.day, tzinfo=UTC)
    predicate = {
        "pack": pack.id,
        "pack_version": pack.version,
        "rule": terms.rule,
        "reason": terms.reason.strip(),
        "compensating_control": terms.compensating_control.strip(),
        "expires_at": format_time(end + timedelta(days=1)),
    }
    return _sign(recorder, candidate, predicate, by)


def cosign(recorder: Recorder, candidate: str, terms: str, *, by: str) -> VerifiedStatement:
    """Sign the terms of a waiver that another person granted.

    Raises:
        NotFoundError: nobody granted these terms for this candidate.
        RefusedError: revoked, ended, or this person may not.
    """
    evidence = evidence_for(recorder, candidate)
    for item in evidence.waivers:
        predicate = item.statement.predicate
        if terms_of(candidate, predicate) == terms:
            return _sign(recorder, candidate, {key: predicate[key] for key in TERMS}, by)
    raise NotFoundError(f"nobody granted a waiver with the terms {terms} for this candidate")


def revoke(
    recorder: Recorder, candidate: str, terms: str, *, reason: str, by: str
) -> VerifiedStatement:
    """Revoke a waiver; admissions whose decision relied on it are revoked with it.

    Raises:
        NotFoundError: no such waiver for this candidate.
        RefusedError: no reason, no compliance role, or revoked already.
    """
    evidence = evidence_for(recorder, candidate)
    known = {terms_of(candidate, item.statement.predicate) for item in evidence.waivers}
    if terms not in known:
        raise NotFoundError(f"no waiver with the terms {terms} for this candidate")
    if terms in {item.statement.predicate.get("terms") for item in evidence.waiver_revocations}:
        raise RefusedError("the waiver has been revoked already")
    if not reason.strip():
        raise RefusedError("a waiver revocation needs a reason")
    if not recorder.trust.has_role(by, "compliance"):
        raise RefusedError(f"{by} is not in compliance in the trust file")
    predicate = {
        "terms": terms,
        "by": by,
        "reason": reason.strip(),
        "at": format_time(recorder.clock()),
        "admissions": _resting_on(recorder, candidate, terms),
    }
    assert evidence.candidate is not None
    subject = [evidence.candidate.statement.subjects[0]]
    return recorder.record(predicates.WAIVER_REVOCATION, subject, predicate, signer=by)


def listed(recorder: Recorder, candidate: str) -> list[dict[str, Any]]:
    """Return every waiver of a candidate with its state, the newest end first.

    ``state`` is ``granted`` by one person, ``in-force``, ``ended`` or ``revoked``.
    """
    evidence = evidence_for(recorder, candidate)
    counting = {row["terms"]: row for row in evidence.waiver_rows()}
    gone = {item.statement.predicate.get("terms") for item in evidence.waiver_revocations}
    rows: dict[str, dict[str, Any]] = {}
    for item in evidence.waivers:
        predicate = item.statement.predicate
        terms = terms_of(candidate, predicate)
        if terms is not None:
            plain = {key: str(predicate[key]) for key in TERMS}
            row = rows.setdefault(terms, {**plain, "terms": terms, "signed_by": []})
            row["signed_by"].append(item.signer)
    now = recorder.clock()
    found = [
        {**row, "state": _state(row, counting.get(terms), terms in gone, now)}
        for terms, row in rows.items()
    ]
    return sorted(found, key=lambda row: (row["expires_at"], row["terms"]), reverse=True)


def _state(
    row: Mapping[str, Any], counting: Mapping[str, Any] | None, gone: bool, now: datetime
) -> str:
    end = ends_at(row["expires_at"])
    if gone:
        return "revoked"
    if end is None or end <= now:
        return "ended"
    enough = counting is not None and len(counting["granted_by"]) >= GRANTS_MIN
    return "in-force" if enough else "granted"


def _waivable(packs: Sequence[Pack], pack_id: str, rule_id: str) -> Pack:
    pack = next((item for item in packs if item.id == pack_id), None)
    rule = next((item for item in pack.rules if item.id == rule_id), None) if pack else None
    if pack is None or rule is None:
        raise InvalidRequestError(f"no rule {pack_id}/{rule_id} in the packs in use")
    if rule.waivable_by is None:
        raise RefusedError(f"{pack_id}/{rule_id} cannot be waived")
    return pack


def _check_terms(terms: Terms, now: datetime) -> None:
    for name, text in (
        ("reason", terms.reason),
        ("compensating control", terms.compensating_control),
    ):
        if not text.strip():
            raise InvalidRequestError(f"a waiver needs a {name}")
        if len(text) > TEXT_CHARS_MAX:
            raise InvalidRequestError(f"a {name} has at most {TEXT_CHARS_MAX} characters")
    today = now.astimezone(UTC).date()
    if not today <= terms.until <= today + timedelta(days=DAYS_MAX):
        raise InvalidRequestError(
            f"a waiver's last day is between today and {DAYS_MAX} days from now, not {terms.until}"
        )


def _sign(
    recorder: Recorder, candidate: str, terms: Mapping[str, str], by: str
) -> VerifiedStatement:
    evidence = evidence_for(recorder, candidate)
    assert evidence.candidate is not None
    digest = terms_of(candidate, terms)
    reasons = _refusals(evidence, terms, digest, by, recorder.clock())
    if reasons:
        raise RefusedError(f"{by} cannot grant this waiver: {reasons[0]}", reasons)
    moment = format_time(recorder.clock())
    predicate = {**terms, "terms": digest, "granted_by": by, "granted_at": moment}
    subject = [evidence.candidate.statement.subjects[0]]
    return recorder.record(predicates.WAIVER, subject, predicate, signer=by)


def _refusals(
    evidence: EvidenceSet, terms: Mapping[str, str], digest: str | None, by: str, now: datetime
) -> list[str]:
    reasons = []
    if not evidence.trust.has_role(by, "compliance"):
        reasons.append("not in compliance in the trust file")
    if by in evidence.makers():
        reasons.append("separation of duties: made or trained the model")
    if digest in {item.statement.predicate.get("terms") for item in evidence.waiver_revocations}:
        reasons.append("these terms were revoked")
    same = [
        item
        for item in evidence.waivers
        if terms_of(evidence.digest, item.statement.predicate) == digest
    ]
    if by in {item.signer for item in same}:
        reasons.append("has signed these terms already; another person must")
    end = ends_at(terms["expires_at"])
    if end is None or end <= now:
        reasons.append("these terms have ended")
    return reasons


def _resting_on(recorder: Recorder, candidate: str, terms: str) -> list[str]:
    """Return the admissions whose decision relied on these terms."""
    index = statements_about(recorder, candidate)
    found = []
    for admission in index.of_kind(predicates.ADMISSION, candidate):
        decision = index.by_digest.get(str(admission.statement.predicate.get("decision")))
        rows = relied_on(decision_value(decision)) if decision else []
        if terms in {row.get("terms") for row in rows}:
            found.append(admission.digest)
    return sorted(found)
