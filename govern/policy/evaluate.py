"""The one evaluator: packs and evidence in, a decision out. Pure.

Every rule of every pack that applies is evaluated; all reasons come at once. A rule
that cannot be evaluated is an error and denies. Zero rules evaluated is a denial.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from govern.domain.decision import PolicyDecision, RuleResult
from govern.errors import PolicyError
from govern.policy.document import Pack, Rule
from govern.policy.expressions import Failed

ITEMS_MAX = 10_000
_INPUTS = ("candidate", "lineage", "checks", "waivers")


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
    chosen = sorted(packs, key=lambda pack: pack.id)
    ids = [pack.id for pack in chosen]
    if len(set(ids)) != len(ids):
        twice = next(name for name in ids if ids.count(name) > 1)
        raise PolicyError(f"two packs have the id {twice!r}")
    results: list[RuleResult] = []
    used: list[Pack] = []
    for pack in chosen:
        applies = _applies(pack, evidence, day)
        if applies is False:
            continue
        used.append(pack)
        if isinstance(applies, Failed):
            results.append(_broken_pack(pack, applies))
            continue
        for rule in pack.rules:
            results += _evaluate_rule(pack, rule, evidence, day)
    return PolicyDecision(
        outcome=_outcome(results),
        as_of=day.isoformat(),
        candidate=str(evidence.get("candidate", {}).get("digest", "")),
        packs=tuple(_describe(pack) for pack in used),
        rules=tuple(results),
        evidence=tuple(dict(item) for item in evidence.get("evidence", [])),
        approvals=_approvals(used, evidence),
    )


def _applies(pack: Pack, evidence: Mapping[str, Any], day: date) -> bool | Failed:
    if not pack.in_force(day):
        return False
    if pack.applies is None:
        return True
    return pack.applies.truth(_data(pack, evidence, day))


def _data(pack: Pack, evidence: Mapping[str, Any], day: date, item: Any = None) -> dict[str, Any]:
    data = {name: evidence[name] for name in _INPUTS if name in evidence}
    return {**data, "params": dict(pack.params), "as_of": day.isoformat(), "item": item}


def _outcome(results: Sequence[RuleResult]) -> str:
    effects = {result.effect for result in results}
    counted = [result for result in results if result.status != "not-applicable"]
    if not counted or "deny" in effects:
        return "deny"
    return "review" if "review" in effects else "allow"


def _evaluate_rule(
    pack: Pack, rule: Rule, evidence: Mapping[str, Any], day: date
) -> list[RuleResult]:
    data = _data(pack, evidence, day)
    when = rule.optional.get("when")
    wanted = when.truth(data) if when else True
    if wanted is False:
        return [_result(pack, rule, evidence, "not-applicable", None, "does not apply here", {})]
    if isinstance(wanted, Failed):
        return [_result(pack, rule, evidence, "error", None, wanted.message, {})]
    for_each = rule.optional.get("for_each")
    if for_each is None:
        return [_evaluate_item(pack, rule, evidence, data)]
    items = for_each.evaluate(data)
    if isinstance(items, Failed):
        return [_result(pack, rule, evidence, "error", None, items.message, {})]
    if not isinstance(items, list) or len(items) > ITEMS_MAX:
        message = f"for_each gives no list of at most {ITEMS_MAX} items"
        return [_result(pack, rule, evidence, "error", None, message, {})]
    if not items:
        return [_result(pack, rule, evidence, "not-applicable", None, "nothing to look at", {})]
    each = (_data(pack, evidence, day, item) for item in items)
    return [_evaluate_item(pack, rule, evidence, with_item) for with_item in each]


def _evaluate_item(
    pack: Pack, rule: Rule, evidence: Mapping[str, Any], data: Mapping[str, Any]
) -> RuleResult:
    subject_of = rule.optional.get("subject")
    named = subject_of.evaluate(data) if subject_of else None
    subject = named if isinstance(named, str) else None
    numbers = {
        key: rule.optional[key].number(data) if key in rule.optional else None
        for key in ("value", "low", "high", "threshold")
    }
    holds = rule.require.truth(data)
    if isinstance(holds, Failed):
        return _result(pack, rule, evidence, "error", subject, holds.message, numbers)
    status = "pass" if holds else "fail"
    if holds and "uncertain" in rule.optional:
        doubt = rule.optional["uncertain"].truth(data)
        if isinstance(doubt, Failed):
            return _result(pack, rule, evidence, "error", subject, doubt.message, numbers)
        status = "uncertain" if doubt else "pass"
    if status != "pass" and _waived(pack, rule, evidence, str(data["as_of"])):
        status = "waived"
    return _result(pack, rule, evidence, status, subject, _message(rule, numbers), numbers)


def _message(rule: Rule, numbers: Mapping[str, float | None]) -> str:
    text = rule.message
    for key, value in numbers.items():
        text = text.replace("{" + key + "}", "not measured" if value is None else f"{value:.3g}")
    return text


def _waived(pack: Pack, rule: Rule, evidence: Mapping[str, Any], as_of: str) -> bool:
    """A waiver counts if two people granted it for this rule and it has not ended."""
    if rule.waivable_by is None:
        return False
    for waiver in evidence.get("waivers", []):
        same = (waiver.get("pack"), waiver.get("rule")) == (pack.id, rule.id)
        granted = set(waiver.get("granted_by", []))
        author = evidence.get("candidate", {}).get("author")
        until = str(waiver.get("expires_at", ""))[:10]
        if same and len(granted - {author}) >= 2 and author not in granted and as_of < until:
            return True
    return False


def _result(
    pack: Pack,
    rule: Rule,
    evidence: Mapping[str, Any],
    status: str,
    subject: str | None,
    message: str,
    numbers: Mapping[str, float | None],
) -> RuleResult:
    if status == "error":
        message = f"cannot be evaluated: {message}"
    return RuleResult(
        pack=pack.id,
        rule=rule.id,
        title=rule.title,
        severity=rule.severity,
        status=status,
        subject=subject,
        message=message,
        citation=rule.citation,
        value=numbers.get("value"),
        low=numbers.get("low"),
        high=numbers.get("high"),
        threshold=numbers.get("threshold"),
        reads=rule.reads,
        evidence=_digests_read(rule.reads, evidence),
        fix=rule.fix if status in ("fail", "uncertain", "error") else None,
    )


def _digests_read(reads: Sequence[str], evidence: Mapping[str, Any]) -> tuple[str, ...]:
    found = []
    for item in evidence.get("evidence", []):
        path = str(item["path"])
        root = "lineage" if path.startswith("lineage.") else path
        if any(read == root or read.startswith(f"{root}.") for read in reads):
            found.append(str(item["digest"]))
    return tuple(found)


def _broken_pack(pack: Pack, failed: Failed) -> RuleResult:
    return RuleResult(
        pack=pack.id,
        rule="applies",
        title="Whether this pack applies",
        severity="deny",
        status="error",
        subject=None,
        message=f"cannot be evaluated: {failed.message}",
        citation=pack.instrument,
        value=None,
        low=None,
        high=None,
        threshold=None,
        reads=("candidate",),
        evidence=(),
        fix="Give the candidate's card every field that the pack's `applies` names.",
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
    """The strictest quorum that any pack asks for at the candidate's tier; never under one."""
    tier = str(evidence.get("candidate", {}).get("risk_tier", ""))
    asked = [pack.approvals.get(tier, pack.approvals.get("default", 1)) for pack in packs]
    numbers = [count for count in asked if isinstance(count, int)]
    return {"quorum": max([1, *numbers]), "roles": ["reviewer"], "tier": tier}
