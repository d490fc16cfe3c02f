"""SARIF 2.1.0 (OASIS standard, 2023 errata): one rule id per rule, one result per item."""

from __future__ import annotations

import json
from typing import Any

from govern import __version__
from govern.cli.formats.report import CiReport, is_advice, rule_id, sentence
from govern.domain.decision import RuleResult
from govern.transparency.canonical import canonical_json
from govern.transparency.digest import digest_of, hex_of

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_LEVELS = {"deny": "error", "review": "warning", "advise": "note"}


def sarif(report: CiReport) -> str:
    """Return the log file's text."""
    rules: dict[str, RuleResult] = {}
    for rule in report.decision.rules:
        rules.setdefault(rule_id(rule), rule)
    order = list(rules)
    run = {
        "tool": {"driver": {**_DRIVER, "rules": [_rule(name, rules[name]) for name in order]}},
        "invocations": [{"executionSuccessful": True, "exitCode": report.exit_code}],
        "properties": {
            "candidate": report.decision.candidate,
            "outcome": report.decision.outcome,
            "decisionDigest": report.decision.digest,
            "asOf": report.decision.as_of,
        },
        "results": [_result(report, rule, order) for rule in report.decision.rules],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1) + "\n"


_DRIVER = {"name": "govern", "version": __version__}


def _rule(name: str, rule: RuleResult) -> dict[str, Any]:
    return {
        "id": name,
        "shortDescription": {"text": rule.title},
        "help": {"text": f"{rule.citation}. {rule.fix or ''}".strip()},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": {"severity": rule.severity, "tags": ["policy", rule.pack]},
    }


def _result(report: CiReport, rule: RuleResult, order: list[str]) -> dict[str, Any]:
    name, place = rule_id(rule), report.place(rule)
    key = canonical_json([report.decision.candidate, name, rule.subject])
    region = {"startLine": place.line}
    location = {"artifactLocation": {"uri": place.file}, "region": region}
    result: dict[str, Any] = {
        "ruleId": name,
        "ruleIndex": order.index(name),
        **_kind(rule),
        "message": {"text": sentence(rule)},
        "locations": [{"physicalLocation": location}],
        "partialFingerprints": {"governRuleItem/v1": hex_of(digest_of(key))},
        "properties": {"status": rule.status, "subject": rule.subject},
    }
    if rule.status == "waived":
        result["suppressions"] = [{"kind": "external", "status": "accepted"}]
    return result


def _kind(rule: RuleResult) -> dict[str, str]:
    """Return SARIF's ``kind`` and ``level``; a level other than none needs kind fail (3.27.10)."""
    if rule.status == "pass":
        return {"kind": "pass", "level": "none"}
    if rule.status == "not-applicable":
        return {"kind": "notApplicable", "level": "none"}
    if is_advice(rule) or rule.status == "waived":
        return {"kind": "fail", "level": "note"}
    return {"kind": "fail", "level": "error" if rule.effect == "deny" else "warning"}
