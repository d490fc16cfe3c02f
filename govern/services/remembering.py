"""Past decisions with the evidence they read, from verified statements."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from govern.domain import predicates
from govern.domain.assembling import StatementIndex, evidence_document, load_decision
from govern.domain.evidence import decision_digest, decision_value
from govern.errors import MalformedError, RevokedKeyError
from govern.policy.backtesting import Recorded
from govern.transparency.encoding import parse_time
from govern.transparency.trust import TrustRoot
from govern.transparency.verify import VerifiedStatement


def recorded_decisions(index: StatementIndex, trust: TrustRoot) -> Iterator[Recorded]:
    """Yield every decision, oldest first, with the evidence as it stood when it was made.

    A decision that read a statement which is void since is left out.

    Raises:
        EvidenceError: a decision does not fit the evidence that it quotes.
    """
    ends = _admitted_until(index)
    for decision in index.of_kind(predicates.SVR):
        try:
            evidence = load_decision(index, decision, trust)
        except RevokedKeyError:
            continue
        value = decision_value(decision)
        day = _day(value.get("as_of"))
        assert evidence.candidate is not None
        yield Recorded(
            candidate=evidence.digest,
            name=str(evidence.candidate.statement.predicate.get("name", "")),
            as_of=day,
            outcome=str(value.get("outcome")),
            digest=decision_digest(decision),
            until=ends.get(decision.digest),
            evidence=evidence_document(evidence, day),
        )


def _admitted_until(index: StatementIndex) -> dict[str, date]:
    """Return the last day of the longest admission under each decision."""
    ends: dict[str, date] = {}
    for admission in index.of_kind(predicates.ADMISSION):
        decision = str(admission.statement.predicate.get("decision"))
        end = _end(admission)
        ends[decision] = max(end, ends.get(decision, end))
    return ends


def _end(admission: VerifiedStatement) -> date:
    return parse_time(admission.statement.predicate.get("expires_at")).date()


def _day(text: object) -> date:
    try:
        return date.fromisoformat(str(text))
    except ValueError:
        raise MalformedError(f"a decision is as of {text!r:.40}, which is no date") from None
