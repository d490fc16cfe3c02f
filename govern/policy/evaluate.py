"""The one evaluator: packs and evidence in, a decision out. Pure.

Every rule of every pack that applies is evaluated; all reasons come at once. A rule
that cannot be evaluated is an error and denies. Zero rules evaluated is a denial.
A pack superseded by one in force is left to its successor; a pack that ended without a
successor is an error, so that an organisation cannot forget one. No clock: ``now`` says
the date.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from itertools import pairwise
from typing import Any

from govern.domain.decision import PolicyDecision, RuleResult
from govern.domain.waiver import counts
from govern.errors import PolicyError
from govern.policy.cleaning import answer_in, candidate_of, countable, index_of
from govern.policy.document import TIERS, Pack, Rule
from govern.policy.expressions import Failed, Inputs, as_number, as_truth
from govern.policy.repair import smallest_change

ITEMS_MAX = 10_000
NUMBERS = ("value", "low", "high", "threshold")
_UNMEASURED: Mapping[str, float | None] = dict.fromkeys(NUMBERS)
_AGAINST = ("fail", "uncertain", "error")


class _Index:
    """The evidence index: paths and digests of the statements; answers are remembered."""

    def __init__(self, rows: Sequence[Mapping[str, str]]) -> None:
        self.rows = rows
        self._paths = tuple(str(row["path"]) for row in rows)
        self._read: dict[tuple[str, ...], tuple[str, ...]] = {}

    def read(self, reads: tuple[str, ...]) -> tuple[str, ...]:
        """Return the digests of the statements that paths lead to."""
        if reads not in self._read:
            places = _places(reads, self._paths)
            self._read[reads] = tuple(str(self.rows[place]["digest"]) for place in places)
        return self._read[reads]


@dataclass(frozen=True, slots=True)
class _Asked:
    """One pack's question: the pack, the evidence, the day, and the inputs made of them."""

    pack: Pack
    evidence: Mapping[str, Any]
    day: date
    inputs: Inputs
    index: _Index


def evaluate(packs: Sequence[Pack], evidence: Mapping[str, Any], now: datetime) -> PolicyDecision:
    """Decide about one candidate.

    Args:
        packs: every pack that might apply; order does not matter.
        evidence: the evidence document (``govern.domain.assembling.evidence_document``).
        now: only its UTC date is used, as the as-of date.

    Returns:
        the decision, with one result per rule and item.

    Raises:
        PolicyError: two packs have one id.
    """
    day = now.date()
    read = countable(evidence)
    index = _Index(index_of(evidence))
    inputs = Inputs(read, day.isoformat())
    results: list[RuleResult] = []
    used: list[Pack] = []
    for pack in packs_for(packs, day):
        asked = _Asked(pack, read, day, inputs, index)
        found = _evaluate_pack(asked)
        if found is not None:
            used.append(pack)
            results += found
    return PolicyDecision(
        outcome=_outcome(results),
        as_of=day.isoformat(),
        candidate=str(candidate_of(evidence).get("digest", "")),
        packs=tuple(_describe(pack) for pack in used),
        rules=tuple(results),
        evidence=tuple(index.rows),
        approvals=_approvals(used, evidence),
        waivers=_relied_on(results, evidence),
    )


def packs_for(packs: Sequence[Pack], day: date) -> list[Pack]:
    """Return the packs to ask on a day, by id: in force and not superseded, or lapsed.

    Raises:
        PolicyError: two packs have one id.
    """
    chosen = sorted(packs, key=lambda pack: pack.id)
    for first, second in pairwise(chosen):
        if first.id == second.id:
            raise PolicyError(f"two packs have the id {first.id!r}; remove one")
    replaced = {pack.supersedes for pack in chosen if pack.in_force(day)}
    return [
        pack
        for pack in chosen
        if pack.id not in replaced and (pack.in_force(day) or pack.lapsed(day))
    ]


def _evaluate_pack(asked: _Asked) -> list[RuleResult] | None:
    """Return the results, or None where the pack does not apply."""
    pack = asked.pack
    if not pack.in_force(asked.day):
        text = (
            f"the pack ended on {pack.effective_to} and nothing supersedes it; renew it, "
            "supersede it, or mark it rescinded"
        )
        return [_about_pack(pack, "effective_to", "Whether this pack is up to date", text)]
    applies = pack.applies.truth(asked.inputs) if pack.applies else True
    if applies is False:
        return None
    if isinstance(applies, Failed):
        text = f"cannot be evaluated: {applies.message}"
        return [_about_pack(pack, "applies", "Whether this pack applies", text)]
    found = pack.together.evaluate(asked.inputs)
    if isinstance(found, Failed):  # something errs: what, each rule says for itself
        return [result for rule in pack.rules for result in _evaluate_rule(asked, rule)]
    return [
        result
        for rule, values in zip(pack.rules, found, strict=True)
        for result in _results(asked, rule, values)
    ]


def _outcome(results: Sequence[RuleResult]) -> str:
    effects = {result.effect for result in results}
    counted = [
        result
        for result in results
        if result.status != "not-applicable" and result.severity != "advise"
    ]  # advice alone has evaluated nothing that could deny
    if not counted or "deny" in effects:
        return "deny"
    return "review" if "review" in effects else "allow"


def _evaluate_rule(asked: _Asked, rule: Rule) -> list[RuleResult]:
    when = rule.optional.get("when")
    wanted = when.truth(asked.inputs) if when else True
    if isinstance(wanted, Failed):
        return [_result(asked, rule, "error", message=wanted.message)]
    return _results(asked, rule, rule.together.evaluate(asked.inputs) if wanted else None)


def _results(asked: _Asked, rule: Rule, values: Any) -> list[RuleResult]:
    """Judge what a rule's expressions gave: ``Failed`` where one errs, None for none of them."""
    if values is None:
        return [_result(asked, rule, "not-applicable", message="does not apply here")]
    if "for_each" in rule.optional:
        return _evaluate_list(asked, rule, values)
    if isinstance(values, Failed):  # one of them errs: which one, each says for itself
        values = [rule.named(key).evaluate(asked.inputs) for key in rule.asked]
    return [_judge(asked, rule, dict(zip(rule.asked, values, strict=True)), None)]


def _evaluate_list(asked: _Asked, rule: Rule, rows: Any) -> list[RuleResult]:
    """Judge a list's items, evaluated at once; item by item where one of them errs."""
    calm = not isinstance(rows, Failed) and all(_calm(rule, row) for row in rows)
    items = rows if calm else rule.optional["for_each"].evaluate(asked.inputs)
    if isinstance(items, Failed):
        return [_result(asked, rule, "error", message=items.message)]
    if not isinstance(items, list) or len(items) > ITEMS_MAX:
        message = f"for_each gives no list of at most {ITEMS_MAX} items"
        return [_result(asked, rule, "error", message=message)]
    if not items:
        return [_result(asked, rule, "not-applicable", message="nothing to look at")]
    if isinstance(rows, Failed):
        return [_evaluate_item(asked, rule, item) for item in items]
    return [
        _judge(asked, rule, dict(zip(rule.asked, row, strict=True)), item)
        for row, item in zip(rows, items, strict=True)
    ]


def _calm(rule: Rule, row: Sequence[Any]) -> bool:
    """Say whether an item passes, so that nobody will ask for the item itself."""
    found = dict(zip(rule.asked, row, strict=True))
    return found["require"] is True and found.get("uncertain", False) is False


def _evaluate_item(asked: _Asked, rule: Rule, item: Any) -> RuleResult:
    inputs = asked.inputs.with_item(item)
    found = {key: rule.named(key).evaluate(inputs) for key in rule.asked}
    return _judge(asked, rule, found, item)


def _judge(asked: _Asked, rule: Rule, found: Mapping[str, Any], item: Any) -> RuleResult:
    """Turn what the expressions gave into a status."""
    if len(found) == 1 and found["require"] is True:  # the usual case
        return _result(asked, rule, "pass", message=_message(asked, rule, _UNMEASURED))
    subject = found.get("subject")
    subject = subject if isinstance(subject, str) else None
    numbers = {key: as_number(found[key]) if key in found else None for key in NUMBERS}
    holds = as_truth(found["require"], rule.require.text)
    doubt = (
        as_truth(found["uncertain"], rule.optional["uncertain"].text)
        if "uncertain" in found
        else False
    )
    broken = _first_failure(holds, doubt, found, numbers)
    if broken is not None:
        return _result(asked, rule, "error", subject=subject, message=broken, numbers=numbers)
    status = "fail" if holds is False else "uncertain" if doubt else "pass"
    waiver = _waiver(asked, rule) if status != "pass" else None
    change = None
    if status != "pass":
        change = smallest_change(rule, status, numbers, asked.inputs, item)
    return _result(
        asked,
        rule,
        "waived" if waiver else status,
        subject=subject,
        message=_message(asked, rule, numbers),
        numbers=numbers,
        change=change,
        waiver=waiver,
    )


def _first_failure(
    holds: bool | Failed,
    doubt: bool | Failed,
    found: Mapping[str, Any],
    numbers: Mapping[str, float | None],
) -> str | None:
    """Say what could not be evaluated; a declared number that is none is an error too."""
    for verdict in (holds, doubt):
        if isinstance(verdict, Failed):
            return verdict.message
    for key in NUMBERS:
        if key in found and numbers[key] is None:
            detail = found[key].message if isinstance(found[key], Failed) else "no finite number"
            return f"{key}: {detail}"
    return None


def _message(asked: _Asked, rule: Rule, numbers: Mapping[str, float | None]) -> str:
    text = rule.message
    for key, value in numbers.items() if "{" in text else ():
        hole = "{" + key + "}"
        if hole in text:
            text = text.replace(hole, "not measured" if value is None else f"{value:.3g}")
    if rule.declared:
        text = text.replace("{declared}", answer_in(asked.evidence, rule.declared))
    return text


def _waiver(asked: _Asked, rule: Rule) -> str | None:
    """Return the terms of the waiver that covers this rule today and lasts longest."""
    author = candidate_of(asked.evidence).get("author")
    rows = asked.evidence.get("waivers")
    if rule.waivable_by is None or not isinstance(author, str) or not isinstance(rows, list):
        return None
    names = {"pack": asked.pack.id, "version": asked.pack.version, "rule": rule.id}
    good = [
        row
        for row in rows
        if isinstance(row, Mapping)
        and counts(row, day=asked.day, **names)
        and author not in row["granted_by"]
    ]
    best = max(good, key=lambda row: (row["expires_at"], row["terms"]), default=None)
    return None if best is None else str(best["terms"])


def _relied_on(
    results: Sequence[RuleResult], evidence: Mapping[str, Any]
) -> tuple[Mapping[str, Any], ...]:
    terms = {result.waiver for result in results if result.waiver is not None}
    rows = [row for row in evidence["waivers"] if row["terms"] in terms] if terms else []
    return tuple(dict(row) for row in sorted(rows, key=lambda row: str(row["terms"])))


def _result(
    asked: _Asked,
    rule: Rule,
    status: str,
    *,
    message: str,
    subject: str | None = None,
    numbers: Mapping[str, float | None] = _UNMEASURED,
    change: Mapping[str, Any] | None = None,
    waiver: str | None = None,
) -> RuleResult:
    return RuleResult(
        pack=asked.pack.id,
        rule=rule.id,
        title=rule.title,
        severity=rule.severity,
        status=status,
        subject=subject,
        message=f"cannot be evaluated: {message}" if status == "error" else message,
        citation=rule.citation,
        value=numbers["value"],
        low=numbers["low"],
        high=numbers["high"],
        threshold=numbers["threshold"],
        reads=rule.reads,
        evidence=asked.index.read(rule.reads),
        fix=rule.fix if status in _AGAINST else None,
        change=change,
        waiver=waiver,
    )


@lru_cache(maxsize=4096)
def _places(reads: tuple[str, ...], paths: tuple[str, ...]) -> tuple[int, ...]:
    """Say which of some statements' paths are read; the same for most candidates."""
    roots = ["lineage" if path.startswith("lineage.") else path for path in paths]
    return tuple(
        place for place, root in enumerate(roots) if any(_within(read, root) for read in reads)
    )


def _within(read: str, root: str) -> bool:
    """Say whether one path is the other or leads through it, either way."""
    return f"{read}.".startswith(f"{root}.") or f"{root}.".startswith(f"{read}.")


def _about_pack(pack: Pack, what: str, title: str, message: str) -> RuleResult:
    return RuleResult(
        pack=pack.id,
        rule=what,
        title=title,
        severity="deny",
        status="error",
        subject=None,
        message=message,
        citation=pack.instrument,
        value=None,
        low=None,
        high=None,
        threshold=None,
        reads=("candidate",) if what == "applies" else (),
        evidence=(),
        fix="Give the candidate's card every field that the pack's `applies` names."
        if what == "applies"
        else None,
    )


def _describe(pack: Pack) -> dict[str, Any]:
    return {
        "id": pack.id,
        "version": pack.version,
        "title": pack.title,
        "status": pack.status,
        "digest": pack.digest,
    }


def _approvals(packs: Sequence[Pack], evidence: Mapping[str, Any]) -> dict[str, Any]:
    """The strictest quorum that any pack asks for at the candidate's tier; never under one.

    A tier that no pack knows gets the strictest quorum named anywhere.
    """
    tier = str(candidate_of(evidence).get("risk_tier", ""))
    numbers, roles = [1], {"reviewer"}
    for pack in packs:
        known = {key: pack.approvals[key] for key in TIERS if key in pack.approvals}
        strictest = max(known.values(), default=1)
        default = known.get("default", 1) if tier in TIERS else strictest
        numbers.append(known.get(tier, default))
        roles |= set(pack.approvals.get("roles", []))
    return {"quorum": max(numbers), "roles": sorted(roles), "tier": tier}
