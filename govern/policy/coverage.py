"""What a pack's cases have seen of it: statuses per rule, both truths per condition. Pure.

A condition is every part of ``applies``, ``when``, ``require`` and ``uncertain`` that is
true or false and stands outside a macro; a literal is none. Seen both ways it is covered; this is condition
coverage as DO-178C's glossary defines it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from govern.policy.cases import Case, CaseResult, apply_changes
from govern.policy.document import Pack
from govern.policy.tracing import TRUTHS, Step, Tracer, truths

LITERALS = ("true", "false")
Seen = dict[tuple[str, str, str], set[bool]]


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a rule's expression and the truth values the cases gave it."""

    rule: str
    field: str
    text: str
    seen: frozenset[bool]

    @property
    def missing(self) -> str:
        """What no case showed: ``true``, ``false``, ``true or false``, or empty."""
        names = [str(value).lower() for value in (True, False) if value not in self.seen]
        return " or ".join(names)


@dataclass(frozen=True, slots=True)
class Coverage:
    """What the cases of one pack have seen."""

    pack: str
    conditions: tuple[Condition, ...]
    statuses: Mapping[str, frozenset[str]]

    @property
    def ratio(self) -> float:
        """Share of truth values seen, two per condition; 1.0 where there is no condition."""
        seen = sum(len(item.seen) for item in self.conditions)
        return seen / (2 * len(self.conditions)) if self.conditions else 1.0

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {
            "pack": self.pack,
            "ratio": round(self.ratio, 4),
            "conditions": [
                {"rule": c.rule, "field": c.field, "text": c.text, "missing": c.missing}
                for c in self.conditions
            ],
            "statuses": {rule: sorted(seen) for rule, seen in self.statuses.items()},
        }


def measure(
    pack: Pack, results: Sequence[CaseResult], evidence: Mapping[str, Mapping[str, Any]]
) -> Coverage:
    """Return what the cases have seen of their pack.

    Args:
        pack: the pack.
        results: every case, as judged by it.
        evidence: the documents that cases name.
    """
    tracer, seen = Tracer(pack), Seen()
    for result in results:
        document = apply_changes(evidence[result.case.evidence], result.case.changes)
        _watch(tracer, result.case, document, seen)
    statuses = {
        rule.id: frozenset(
            item.status
            for result in results
            for item in result.decision.rules
            if item.rule == rule.id
        )
        for rule in pack.rules
    }
    conditions = (Condition(*key, frozenset(values)) for key, values in seen.items())
    return Coverage(pack.id, tuple(conditions), statuses)


def _watch(tracer: Tracer, case: Case, document: Mapping[str, Any], seen: Seen) -> None:
    applies = tracer.applies(document, case.as_of)
    if applies is not None:
        _note(seen, "", "applies", applies)
    for rule in tracer.pack.rules:
        for trace in tracer.rule(rule, document, case.as_of):
            for field, step in trace.steps.items():
                if field in TRUTHS:
                    _note(seen, rule.id, field, step)


def _note(seen: Seen, rule: str, field: str, step: Step) -> None:
    for part in step.walk():
        if isinstance(part.value, bool) and part.text not in LITERALS:
            seen.setdefault((rule, field, part.text), set())
    for text, value in truths(step):
        if text not in LITERALS:
            seen[rule, field, text].add(value)
