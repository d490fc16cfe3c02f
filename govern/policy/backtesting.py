"""What a set of packs would have done to past decisions, and from which day. Pure.

A recorded decision keeps the evidence it read. It is decided again as of its own day.
Where that would not have denied, the days after it are looked at too: evidence grows old
and packs come into force, so an allowed candidate may come to be denied, which would have
suspended it. Between two days on which a pack starts or ends, age is all that changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from govern.domain.decision import PolicyDecision
from govern.errors import MalformedError
from govern.policy.document import Pack
from govern.policy.evaluate import evaluate

NOTHING = "none"
EFFECTS = ("same", "denied", "allowed", "reviewed", "suspended", "not decided")


@dataclass(frozen=True, slots=True)
class Recorded:
    """One past decision and the evidence document it read.

    Args:
        candidate: the candidate digest.
        name: the candidate's name.
        as_of: the day it was made as of.
        outcome: what it said: allow, deny or review.
        digest: its decision digest.
        until: the last day of the admission under it; None: there was none.
        evidence: what rules read.
    """

    candidate: str
    name: str
    as_of: date
    outcome: str
    digest: str
    until: date | None
    evidence: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return one line's object of a decisions file."""
        return {
            "candidate": self.candidate,
            "name": self.name,
            "as_of": self.as_of.isoformat(),
            "outcome": self.outcome,
            "decision_digest": self.digest,
            "until": self.until.isoformat() if self.until else None,
            "evidence": dict(self.evidence),
        }

    @classmethod
    def from_json(cls, value: Any) -> Recorded:
        """Read one line's object.

        Raises:
            MalformedError: a field is missing or of another kind.
        """
        try:
            texts = [value[key] for key in ("candidate", "name", "outcome", "decision_digest")]
            if not all(isinstance(text, str) for text in texts):
                raise MalformedError("candidate, name, outcome and decision_digest are texts")
            if not isinstance(value["evidence"], dict):
                raise MalformedError("evidence is an object")
            until = value.get("until")
            return cls(
                candidate=value["candidate"],
                name=value["name"],
                as_of=date.fromisoformat(value["as_of"]),
                outcome=value["outcome"],
                digest=value["decision_digest"],
                until=date.fromisoformat(until) if until is not None else None,
                evidence=value["evidence"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise MalformedError(f"not a recorded decision: {error!r:.80}") from None


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of one past decision under other packs.

    Args:
        recorded: the decision.
        before: its outcome, as recorded or under the base packs.
        after: its outcome under the packs in question; ``none``: none was in force then.
        effect: one of ``EFFECTS``.
        since: from which day the effect holds; None for ``same``.
        rules: the rules, as ``pack/rule``, that speak against it under those packs.
    """

    recorded: Recorded
    before: str
    after: str
    effect: str
    since: date | None
    rules: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object without the evidence."""
        return {
            "candidate": self.recorded.candidate,
            "name": self.recorded.name,
            "as_of": self.recorded.as_of.isoformat(),
            "before": self.before,
            "after": self.after,
            "effect": self.effect,
            "since": self.since.isoformat() if self.since else None,
            "rules": list(self.rules),
        }


def backtest(
    recorded: Recorded, packs: Sequence[Pack], base: Sequence[Pack] | None = None
) -> Replayed:
    """Decide one past decision again.

    Args:
        recorded: the decision.
        packs: the packs in question.
        base: the packs to compare with; None: with what was recorded.
    """
    day = recorded.as_of
    before = recorded.outcome if base is None else _word(decide_on(recorded, base, day))
    decision = decide_on(recorded, packs, day)
    after = _word(decision)
    since: date | None = day
    effect = _effect(before, after)
    if before in ("allow", "review") and after != "deny" and recorded.until is not None:
        later = first_denial(recorded, packs, recorded.until)
        own = None if base is None or later is None else first_denial(recorded, base, later)
        if later is not None and own is None:
            effect, since, decision = "suspended", later, decide_on(recorded, packs, later)
    against = sorted({f"{rule.pack}/{rule.rule}" for rule in decision.reasons()})
    return Replayed(
        recorded, before, after, effect, since if effect != "same" else None, tuple(against)
    )


def decide_on(recorded: Recorded, packs: Sequence[Pack], day: date) -> PolicyDecision:
    """Decide about recorded evidence as of a day; checks are older by the days between."""
    document = aged(recorded.evidence, (day - recorded.as_of).days)
    return evaluate(packs, document, datetime(day.year, day.month, day.day, tzinfo=UTC))


def aged(evidence: Mapping[str, Any], days: int) -> Mapping[str, Any]:
    """Return the evidence with every check so many days older."""
    checks = evidence.get("checks")
    if not days or not isinstance(checks, Mapping):
        return evidence
    older = {}
    for name, check in checks.items():
        age = check.get("age_days") if isinstance(check, Mapping) else None
        older[name] = {**check, "age_days": age + days} if isinstance(age, int) else check
    return {**evidence, "checks": older}


def first_denial(recorded: Recorded, packs: Sequence[Pack], last: date) -> date | None:
    """Return the first day after the decision, up to ``last``, that denies; None: none does.

    Between two days on which a pack starts or ends it is taken that age can only turn an
    outcome to a denial, never back; so the first day is found by halving.
    """
    for start, end in _stretches(recorded.as_of, last, packs):
        if not _denies(recorded, packs, end):
            continue
        low, high = start, end
        while low < high:
            middle = low + (high - low) // 2
            low, high = (low, middle) if _denies(recorded, packs, middle) else (_next(middle), high)
        return low
    return None


def _stretches(first: date, last: date, packs: Sequence[Pack]) -> list[tuple[date, date]]:
    turns = {pack.effective_from for pack in packs}
    turns |= {_next(pack.effective_to) for pack in packs if pack.effective_to is not None}
    starts = sorted({_next(first), *(turn for turn in turns if first < turn <= last)})
    starts = [start for start in starts if start <= last]
    ends = [start - timedelta(days=1) for start in starts[1:]] + [last]
    return list(zip(starts, ends, strict=False))


def _denies(recorded: Recorded, packs: Sequence[Pack], day: date) -> bool:
    return _word(decide_on(recorded, packs, day)) == "deny"


def _next(day: date) -> date:
    return day + timedelta(days=1) if day < date.max else day


def _word(decision: PolicyDecision) -> str:
    return decision.outcome if decision.rules else NOTHING


def _effect(before: str, after: str) -> str:
    if before == after:
        return "same"
    return {"deny": "denied", "allow": "allowed", "review": "reviewed"}.get(after, "not decided")
