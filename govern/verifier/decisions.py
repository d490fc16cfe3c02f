"""Steps (3) and (4) of a dossier or report: admissions on closed evidence, decisions replayed.

Reads no file. The rules themselves are in ``govern.domain.evidence`` and ``govern.policy``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from govern.domain import predicates
from govern.domain.assembling import (
    StatementIndex,
    evidence_document,
    load_admission,
    load_decision,
    standing,
)
from govern.domain.decision import PolicyDecision
from govern.domain.evidence import EvidenceSet, decision_digest, decision_value
from govern.domain.voiding import resting_on
from govern.errors import (
    CompletenessError,
    ExpiredError,
    MalformedError,
    MissingPartError,
    PolicyError,
    ReplayError,
    RevokedKeyError,
)
from govern.transparency.encoding import format_time, parse_time
from govern.transparency.trust import TrustRoot
from govern.transparency.verify import VerifiedStatement
from govern.verifier.proved import Proved


def verify_admissions(
    index: StatementIndex,
    trust: TrustRoot,
    proved: Proved,
    *,
    made_at: datetime,
    as_of: datetime | None,
) -> dict[str, EvidenceSet]:
    """Load every admission's evidence, and say how each one stands.

    An admission that has ended is still evidence: what it rests on verifies, and its state
    is told. Only a question about a time (``as_of``) is answered with a refusal.

    Args:
        index: verified statements.
        trust: the trust root.
        proved: takes the sentences.
        made_at: when the evidence was sealed or the report made.
        as_of: the time at which each deployment here must have an admission in force;
            None: nobody asks.

    Returns:
        the evidence by the admission's digest.

    Raises:
        EvidenceError, UntrustedSignerError: the evidence does not hold.
        RevokedKeyError: no admission is left: what revoked keys signed too late is void.
        ExpiredError: no admission to a deployment was in force at ``as_of``.
    """
    at, admitted = as_of or made_at, {}
    states: dict[str, list[str | None]] = {}
    refused = [resting_on(item, "the dossier") for item in _void_admissions(index)]
    for admission in index.of_kind(predicates.ADMISSION):
        try:
            evidence = load_admission(index, admission.digest, trust)
        except RevokedKeyError as error:
            refused.append(error)
            proved.cannot(f"The admission at log entry {admission.log_index}: {error}.")
            continue
        ended = _ended(index, evidence, trust, at)
        states.setdefault(str(admission.statement.predicate["deployment"]), []).append(ended)
        admitted[admission.digest] = evidence
        proved.say(
            f"{_describe(evidence, admission)} At {format_time(at)}: "
            f"{ended or 'the admission was in force'}."
        )
    if refused and not admitted:
        raise refused[0]
    proved.counts["admissions"] = len(admitted)
    proved.counts["in_force"] = sum(found.count(None) for found in states.values())
    if as_of is not None:
        _require_in_force(states, as_of)
    return admitted


def _describe(evidence: EvidenceSet, admission: VerifiedStatement) -> str:
    votes = [vote.statement.predicate["vote"] for vote in evidence.approvals]
    name = evidence.candidate.statement.predicate.get("name") if evidence.candidate else "?"
    return (
        f"{name} was admitted to {admission.statement.predicate['deployment']} on closed "
        f"evidence: {len(evidence.checks)} checks, a decision, {votes.count('approve')} "
        f"approvals and {votes.count('dissent')} dissent."
    )


def _ended(
    index: StatementIndex, evidence: EvidenceSet, trust: TrustRoot, at: datetime
) -> str | None:
    """Return why an admission was not in force at ``at``, or None."""
    assert evidence.admission is not None
    try:
        require_standing(index, evidence.admission, trust, at)
        evidence.require_current(at)
    except ExpiredError as ended:
        return str(ended)
    return None


def _require_in_force(states: Mapping[str, Sequence[str | None]], as_of: datetime) -> None:
    for deployment, found in sorted(states.items()):
        if None not in found:
            raise ExpiredError(
                f"nothing admitted to {deployment} was in force at {format_time(as_of)}: "
                f"{found[-1]}"
            )


def _void_admissions(index: StatementIndex) -> list[VerifiedStatement]:
    return [item for item in index.void.values() if item.kind == predicates.ADMISSION]


def require_standing(
    index: StatementIndex, admission: VerifiedStatement, trust: TrustRoot, at: datetime
) -> None:
    """Refuse an admission that was suspended or revoked at ``at``.

    Raises:
        ExpiredError: it was.
    """
    status = standing(index, admission, trust, at)
    if status != "active":
        raise ExpiredError(f"the admission was {status}")


def replay_decisions(
    index: StatementIndex, trust: TrustRoot, packs: Mapping[str, bytes], proved: Proved
) -> None:
    """Evaluate every decision again, under the packs it names.

    Args:
        packs: pack digest to bytes.

    Raises:
        CompletenessError: a pack is missing.
        MissingPartError: the policy engine is not installed.
        ReplayError: another outcome, or the same by other reasons.
    """
    outcomes, read = [], dict[bytes, Any]()
    for decision in index.of_kind(predicates.SVR):
        value = decision_value(decision)
        try:
            evidence = load_decision(index, decision, trust)
        except RevokedKeyError as error:
            proved.cannot(f"The decision at log entry {decision.log_index}: {error}.")
            continue
        again = _evaluate_again(value, evidence, packs, read)
        if again.digest != decision_digest(decision):
            raise ReplayError(
                f"replaying the decision about {value.get('candidate')} gives {again.outcome} "
                f"({again.digest[:19]}…) instead of {value.get('outcome')}"
            )
        outcomes.append(value.get("outcome"))
    proved.say(
        f"{len(outcomes)} policy decisions replay to the same digest: "
        f"{', '.join(map(str, outcomes))}.",
        decisions=len(outcomes),
    )


def _evaluate_again(
    value: Mapping[str, Any],
    evidence: EvidenceSet,
    packs: Mapping[str, bytes],
    read: dict[bytes, Any],
) -> PolicyDecision:
    """Make a decision again; the policy engine is loaded here, where it is needed first.

    ``read`` keeps packs that were read for an earlier decision, by their bytes.
    """
    try:
        from govern.policy.document import load_pack
        from govern.policy.evaluate import evaluate
    except ImportError as error:
        raise MissingPartError(
            f"replaying a decision needs {error.name}: pip install cel-expr-python pyyaml"
        ) from None
    as_of = parse_time(f"{value.get('as_of')}T00:00:00Z")
    sources = [_source(pack, packs) for pack in value.get("packs", [])]
    try:
        loaded = [
            read.get(source) or read.setdefault(source, load_pack(source)) for source in sources
        ]
    except PolicyError as error:
        raise MalformedError(f"a policy pack of a decision: {error}") from None
    try:
        return evaluate(loaded, evidence_document(evidence, as_of.date()), as_of)
    except PolicyError as error:
        raise ReplayError(f"a decision cannot be replayed: {error}") from None


def _source(named: Mapping[str, Any], packs: Mapping[str, bytes]) -> bytes:
    if named.get("digest") not in packs:
        raise CompletenessError(f"policy pack {named.get('id')} of a decision is missing")
    return packs[named["digest"]]
