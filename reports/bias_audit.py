"""The summary of a bias audit as New York City asks an employer to publish it.

Source: 6 RCNY 5-300 (selection rate, scoring rate, impact ratio), 5-301 (what is computed,
for which categories, unknown people, the two per cent that may be left out), 5-303 (what is
published). The rules name no number that an impact ratio must reach, so none is printed as
a limit here. It arranges what the signed evidence says, and judges nothing.
"""

from collections.abc import Mapping
from typing import Any

from reports.document import (
    Block,
    Callout,
    Cell,
    Cover,
    Document,
    KeyFact,
    KeyFacts,
    NotProvided,
    Paragraph,
    Section,
    Table,
)
from reports.errors import ReportError
from reports.parts import Parts, table
from reports.sections.back import evidence_index, verify_steps

CATEGORIES = (("sex", "sex"), ("race", "race or ethnicity"), ("race and sex", "both"))
ANSWERS = (
    ("aedt_determination", "An automated employment decision tool"),
    ("bias_audit_date", "Date of the bias audit"),
    ("auditor_independence", "Independence of the auditor"),
    ("audit_data_explanation", "Source and explanation of the data"),
    ("audit_summary_url", "Where this summary is published"),
    ("candidate_notice", "Notice to candidates"),
)


def build_bias_audit(facts: Mapping[str, Any]) -> Document:
    """Arrange facts as the summary of a bias audit.

    Args:
        facts: the dictionary of docs/specs/report_facts.md, with ``created_at``.

    Raises:
        ReportError: no candidate, no fairness check, or none by sex, race and both.
    """
    p = Parts(facts)
    features = p.metrics("fairness").get("features") or {}
    missing = [word for name, word in CATEGORIES if not features.get(name)]
    if missing:
        raise ReportError(
            f"a bias audit needs rates by sex, by race or ethnicity, and by both; the fairness "
            f"check has none by {missing[0]}; run it with these sensitive columns"
        )
    kicker = "Summary of a bias audit"
    sections = (
        _results(p, features),
        *(_category(p, name, word, features[name]) for name, word in CATEGORIES),
        _declared(p),
        evidence_index(p),
        verify_steps(p),
    )
    return p.document("bias-audit", kicker, _cover(p, kicker), sections)


def _cover(p: Parts, kicker: str) -> Cover:
    rows = (
        ("Tool digest", str(p.get("candidate.digest", "")), True),
        ("Date of the bias audit", _answer(p, "bias_audit_date"), False),
        ("In use since", p.t.date(p.get("admission.admitted_at")), False),
        ("Rule", "6 RCNY 5-300 to 5-304", False),
        ("Made", p.t.date(p.get("created_at")), False),
    )
    return Cover(
        f"{p.get('report.issuer', '')}   {kicker}".strip(),
        p.title,
        str(p.get("candidate.intended_use", "")),
        "",
        "",
        "neutral",
        rows,
        "The machine-readable evidence is embedded in this file.",
    )


def _answer(p: Parts, name: str) -> str:
    for row in p.rows("declarations"):
        if row.get("name") == name:
            return str(row.get("answer", ""))
    return p.t("words.not_provided")


def _results(p: Parts, features: Mapping[str, Any]) -> Section:
    ev = p.check_ev("fairness")
    facts = []
    for name, word in CATEGORIES:
        ratio = features[name].get("ratio") or {}
        facts.append(
            KeyFact(
                f"Lowest impact ratio, by {word}",
                p.t.number(ratio.get("value")),
                f"{ratio.get('group')} against {ratio.get('reference')}",
                None,
                ev,
            )
        )
    people = sum(int(row.get("n", 0)) for row in features["sex"].get("groups", []))
    unknown = [
        f"{(features[name].get('unknown') or {}).get('count', 0)} of unknown {word}"
        for name, word in CATEGORIES[:2]
    ]
    blocks: list[Block] = [
        KeyFacts(tuple(facts)),
        Paragraph(
            f"{p.t.number(people)} people of known sex were assessed; {' and '.join(unknown)} are "
            "in none of the tables.",
            ev,
        ),
        Callout(
            "What this summary does and does not say",
            "An impact ratio is a category's rate divided by the highest rate of an included "
            "category. The rules name no number that it must reach. A ratio says nothing about "
            "why rates differ, and the result holds for these data and this date.",
        ),
    ]
    return Section("results", "Results", tuple(blocks))


def _category(p: Parts, name: str, word: str, feature: Mapping[str, Any]) -> Section:
    ev = p.check_ev("fairness")
    reference = (feature.get("ratio") or {}).get("reference")
    ratios = {row.get("group"): row.get("ratio") for row in feature.get("comparisons", [])}
    rows = [
        [
            str(row.get("group")),
            p.t.number(row.get("n")),
            p.t.number(row.get("selected")),
            Cell(p.t.percent(row.get("rate")), ev),
            Cell(_ratio(p, row, reference, ratios), ev),
        ]
        for row in feature.get("groups", [])
    ]
    title = f"By {word}" if word != "both" else "By race or ethnicity and sex"
    tables: list[Block] = [_table(title, rows)]
    tables += [
        Paragraph(
            f"Left out of the ratios: {row.get('group')}, {row.get('n')} people, "
            f"{p.t.percent(row.get('share'))}: {row.get('reason')}",
            ev,
        )
        for row in feature.get("excluded", [])
    ]
    return Section(f"by-{name.replace(' ', '-')}", title, tuple(tables))


def _ratio(p: Parts, row: Mapping[str, Any], reference: Any, ratios: Mapping[Any, Any]) -> str:
    if row.get("excluded"):
        return "left out"
    if row.get("group") == reference:
        return p.t.number(1.0)
    return p.t.number(ratios.get(row.get("group")))


def _table(title: str, rows: list[list[Any]]) -> Table:
    columns = "Category|#Assessed|#Selected|#Selection rate|#Impact ratio"
    return table(f"{title}: rates and impact ratios", columns, rows, dense=len(rows) > 20)


def _declared(p: Parts) -> Section:
    said = {str(row.get("name")): row for row in p.rows("declarations")}
    blocks: list[Block] = []
    for name, what in ANSWERS:
        row = said.get(name)
        if row is None:
            blocks.append(NotProvided(what, p.t("text.human")))
            continue
        by = f"{row.get('by', '')}, {p.t.date(row.get('on'))}"
        blocks.append(
            Paragraph(f"{what}. {row.get('answer')} ({by})", p.ev(p.get("candidate.statement")))
        )
    return Section("declared", "What only people can state", tuple(blocks))
