"""What every format is made from: a decision, where its rules stand, and the exit code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from govern.domain.decision import PolicyDecision, RuleResult

ALLOW, DENY, USAGE, REVIEW, INVALID, NOTHING = range(6)
_EXITS = {"allow": ALLOW, "deny": DENY, "review": REVIEW}


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file, 1-based."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class CiReport:
    """One evaluated candidate.

    Args:
        decision: what ``evaluate`` said.
        name: the candidate's name and version.
        notes: sentences about what was and was not verified.
        places: where each pack stands, by ``pack`` and ``pack/rule``.
        seconds: how long verifying and evaluating took.
    """

    decision: PolicyDecision
    name: str
    notes: Sequence[str]
    places: Mapping[str, Place]
    seconds: float

    @property
    def exit_code(self) -> int:
        """0 allow, 1 deny, 3 review, 5 nothing was evaluated."""
        if all(rule.status == "not-applicable" for rule in self.decision.rules):
            return NOTHING
        return _EXITS[self.decision.outcome]

    @property
    def headline(self) -> str:
        """One line: the outcome, the candidate and how many rules said what."""
        counts = ", ".join(f"{count} {status}" for status, count in self.counts().items() if count)
        said = "nothing was evaluated" if self.exit_code == NOTHING else self.decision.outcome
        return f"{said}: {self.name} ({counts or 'no rule applied'})"

    def counts(self) -> dict[str, int]:
        """Return how many results have each status."""
        statuses = ("pass", "fail", "uncertain", "error", "waived", "not-applicable")
        all_ = [rule.status for rule in self.decision.rules]
        return {status: all_.count(status) for status in statuses}

    def place(self, rule: RuleResult) -> Place:
        """Return where a rule is written."""
        whole = self.places.get(rule.pack, Place(f"policies/{rule.pack}/policy.yaml", 1))
        return self.places.get(f"{rule.pack}/{rule.rule}", whole)


def rule_id(rule: RuleResult) -> str:
    """Return ``pack/rule``."""
    return f"{rule.pack}/{rule.rule}"


def label(rule: RuleResult) -> str:
    """Return ``pack/rule`` with the item it looked at."""
    return rule_id(rule) + (f" [{rule.subject}]" if rule.subject else "")


def is_advice(rule: RuleResult) -> bool:
    """Say whether a rule speaks against the candidate and changes nothing."""
    return rule.severity == "advise" and rule.status in ("fail", "uncertain", "error")


def sentence(rule: RuleResult) -> str:
    """Return the message, the citation and what to do."""
    fix = f" Do: {rule.fix}" if rule.fix else ""
    return f"{rule.title}. {rule.message} ({rule.citation}){fix}"
