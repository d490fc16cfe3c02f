"""A policy decision: the outcome, every rule's result, and what was read.

The decision digest is SHA-256 over the canonical JSON of ``to_json()``. No clock finer
than the as-of date enters it, so that CI, service, portal and verifier agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from govern.transparency.canonical import canonical_json
from govern.transparency.digest import digest_of

OUTCOMES = ("allow", "deny", "review")
STATUSES = ("pass", "fail", "uncertain", "error", "not-applicable", "waived")


class RuleResult(NamedTuple):
    """What one rule said (about one item, where the rule looks at several).

    A named tuple: a decision makes a hundred of them, each in a tenth of a dataclass's time.
    ``change`` names one evidence path, its value and the nearest value under which the
    rule, evaluated again, passes. ``waiver`` is the terms digest of the waiver relied on.
    """

    pack: str
    rule: str
    title: str
    severity: str
    status: str
    subject: str | None
    message: str
    citation: str
    value: float | None
    low: float | None
    high: float | None
    threshold: float | None
    reads: tuple[str, ...]
    evidence: tuple[str, ...]
    fix: str | None
    change: Mapping[str, Any] | None = None
    waiver: str | None = None

    @property
    def effect(self) -> str:
        """What this result alone makes of the outcome: ``allow``, ``review`` or ``deny``.

        A failing deny-rule denies; an uncertain one, or a failing review-rule, asks for
        people; an error on either denies. Advice changes nothing.
        """
        if self.severity == "advise" or self.status in ("pass", "not-applicable", "waived"):
            return "allow"
        if self.status == "error":
            return "deny"
        if self.status == "fail" and self.severity == "deny":
            return "deny"
        return "review"

    @property
    def remedy(self) -> str | None:
        """The smallest change that would make the rule pass, in words; else the rule's fix."""
        if self.change is None:
            return self.fix
        start, end = float(self.change["from"]), float(self.change["to"])
        way = "rise" if end > start else "fall"
        after = "" if self.change["then"] == "pass" else "; its interval must clear it too"
        return (
            f"{self.change['path']} is {start:.4g} and must {way} by {abs(end - start):.3g} "
            f"to {end:.4g}{after}"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        value = self._asdict() | {"reads": list(self.reads), "evidence": list(self.evidence)}
        return value if self.change is None else value | {"change": dict(self.change)}


@dataclass(frozen=True, slots=True)
class PolicyDecision:
    """``allow``, ``deny`` or ``review``, with all its reasons."""

    outcome: str
    as_of: str
    candidate: str
    packs: tuple[Mapping[str, Any], ...]
    rules: tuple[RuleResult, ...]
    evidence: tuple[Mapping[str, str], ...]
    approvals: Mapping[str, Any]
    waivers: tuple[Mapping[str, Any], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object whose canonical form the decision digest covers."""
        return {
            "outcome": self.outcome,
            "as_of": self.as_of,
            "candidate": self.candidate,
            "packs": [dict(pack) for pack in self.packs],
            "rules": [rule.to_json() for rule in self.rules],
            "evidence": [dict(item) for item in self.evidence],
            "approvals": dict(self.approvals),
            "waivers": [dict(item) for item in self.waivers],
        }

    @property
    def digest(self) -> str:
        """The decision digest."""
        return digest_of(canonical_json(self.to_json()))

    def reasons(self) -> list[RuleResult]:
        """Return the results that speak against an allow, the gravest first."""
        rank = {"deny": 0, "review": 1}
        against = [rule for rule in self.rules if rule.effect in rank]
        return sorted(against, key=lambda rule: rank[rule.effect])
