"""Line formats: TAP 14, GitHub workflow commands, Azure Pipelines logging commands.

Sources: testanything.org/tap-version-14-specification; GitHub "Workflow commands";
Microsoft "Logging commands". What a message may hold is escaped as each lays down, so that
a text from evidence can never start a command of its own.
"""

from __future__ import annotations

import json

from govern.cli.formats.report import CiReport, is_advice, label, rule_id, sentence
from govern.domain.decision import RuleResult

_QUIET = ("pass", "not-applicable", "waived")


def tap(report: CiReport) -> str:
    """Return TAP version 14: advice is ``# TODO``, what does not apply ``# SKIP``."""
    rules = report.decision.rules
    lines = ["TAP version 14", f"1..{len(rules)}" + ("" if rules else " # SKIP no rule applied")]
    lines.append(f"# {_one_line(report.headline)}")
    lines.append(f"# decision {report.decision.digest}")
    for number, rule in enumerate(rules, 1):
        lines += _point(number, rule)
    return "\n".join(lines) + "\n"


def _point(number: int, rule: RuleResult) -> list[str]:
    name = _one_line(label(rule)).replace("\\", "\\\\").replace("#", "\\#")
    word = "ok" if rule.status in _QUIET else "not ok"
    mark = " # SKIP " + rule.status if rule.status in ("not-applicable", "waived") else ""
    mark = " # TODO advice" if is_advice(rule) else mark
    first = f"{word} {number} - {name}{mark}"
    if rule.status in _QUIET:
        return [first]
    said = {"status": rule.status, "severity": rule.severity, "message": sentence(rule)}
    block = [f"  {key}: {json.dumps(value)}" for key, value in said.items()]
    return [first, "  ---", *block, "  ..."]


def github(report: CiReport) -> str:
    """Return annotations in a group, and a notice with the decision digest."""
    lines = [f"::group::govern ci: {_github(report.headline)}"]
    lines += [
        _annotation(report, rule) for rule in report.decision.rules if rule.status not in _QUIET
    ]
    lines.append("::endgroup::")
    said = f"{report.headline}. Decision {report.decision.digest} as of {report.decision.as_of}"
    lines.append(f"::notice title=govern ci::{_github(said)}")
    return "\n".join(lines) + "\n"


def _annotation(report: CiReport, rule: RuleResult) -> str:
    place = report.place(rule)
    level = {"deny": "error", "review": "warning"}.get(rule.effect, "notice")
    where = f"file={_github_value(place.file)},line={place.line},title={_github_value(label(rule))}"
    return f"::{level} {where}::{_github(sentence(rule))}"


def _github(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _github_value(text: str) -> str:
    return _github(text).replace(":", "%3A").replace(",", "%2C")


def azuredevops(report: CiReport) -> str:
    """Return logging commands: issues, the digest as a variable, and the task's result."""
    lines = [f"##[group]govern ci: {_one_line(report.headline)}"]
    lines += [_issue(report, rule) for rule in report.decision.rules if rule.status not in _QUIET]
    lines.append("##[endgroup]")
    variable = "task.setvariable variable=governDecisionDigest;isOutput=true"
    lines.append(f"##vso[{variable}]{report.decision.digest}")
    result = {0: "Succeeded", 3: "SucceededWithIssues"}.get(report.exit_code, "Failed")
    lines.append(f"##vso[task.complete result={result};]{_azure(report.headline)}")
    return "\n".join(lines) + "\n"


def _issue(report: CiReport, rule: RuleResult) -> str:
    place, text = report.place(rule), _azure(f"{label(rule)}: {sentence(rule)}")
    if is_advice(rule):
        return f"##[debug]{text}"
    level = "error" if rule.effect == "deny" else "warning"
    where = f"sourcepath={_azure_value(place.file)};linenumber={place.line}"
    return f"##vso[task.logissue type={level};{where};code={_azure_value(rule_id(rule))};]{text}"


def _azure(text: str) -> str:
    return text.replace("%", "%AZP25").replace("\r", "%0D").replace("\n", "%0A")


def _azure_value(text: str) -> str:
    return _azure(text).replace(";", "%3B").replace("]", "%5D")


def _one_line(text: str) -> str:
    return " ".join(text.split())
