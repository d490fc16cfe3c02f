"""JUnit XML as CI servers read it: a suite per pack, a case per rule and item."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from govern.cli.formats.report import CiReport, is_advice, sentence
from govern.domain.decision import RuleResult

_UNPRINTABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(report: CiReport) -> str:
    """Return the XML text."""
    root = ET.Element("testsuites", name="govern ci", time=f"{report.seconds:.3f}")
    packs = {rule.pack: None for rule in report.decision.rules}
    for pack in packs:
        _suite(root, report, pack)
    _total(root, list(report.decision.rules))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(root: ET.Element, report: CiReport, pack: str) -> None:
    rules = [rule for rule in report.decision.rules if rule.pack == pack]
    suite = ET.SubElement(root, "testsuite", name=pack, time="0")
    _total(suite, rules)
    properties = ET.SubElement(suite, "properties")
    for name, value in (
        ("candidate", report.decision.candidate),
        ("decision-digest", report.decision.digest),
        ("as-of", report.decision.as_of),
    ):
        ET.SubElement(properties, "property", name=name, value=value)
    for rule in rules:
        _case(suite, rule)


def _total(element: ET.Element, rules: list[RuleResult]) -> None:
    kinds = [_kind(rule) for rule in rules]
    element.set("tests", str(len(rules)))
    for name, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        element.set(name, str(kinds.count(kind)))


def _kind(rule: RuleResult) -> str | None:
    if rule.status in ("not-applicable", "waived"):
        return "skipped"
    if rule.status == "pass" or is_advice(rule):
        return None
    return "error" if rule.status == "error" else "failure"


def _case(suite: ET.Element, rule: RuleResult) -> None:
    name = rule.rule + (f" [{rule.subject}]" if rule.subject else "")
    case = ET.SubElement(suite, "testcase", classname=rule.pack, name=_clean(name), time="0")
    kind, text = _kind(rule), _clean(sentence(rule))
    if kind is None:
        if is_advice(rule):
            ET.SubElement(case, "system-out").text = f"advice: {text}"
        return
    element = ET.SubElement(case, kind, message=_clean(rule.message))
    if kind != "skipped":
        element.set("type", rule.effect)
        element.text = text


def _clean(text: str) -> str:
    """Replace what XML 1.0 cannot hold."""
    return _UNPRINTABLE.sub("\ufffd", text)
