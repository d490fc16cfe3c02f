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

CATEGORIES = ("sex", "race", "race and sex")
ANSWERS = (
    "aedt_determination",
    "bias_audit_date",
    "auditor_independence",
    "audit_data_explanation",
    "audit_summary_url",
    "candidate_notice",
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
    missing = [name for name in CATEGORIES if not features.get(name)]
    if missing:
        raise ReportError(
            f"a bias audit needs rates by sex, by race, and by race and sex; the fairness "
            f"check has none by {missing[0]}; run it with these sensitive columns"
        )
    kicker = p.t("bias.kicker")
    sections = (
        _results(p, features),
        *(_category(p, name, features[name]) for name in CATEGORIES),
        _declared(p),
        evidence_index(p),
        verify_steps(p),
    )
    return p.document("bias-audit", kicker, _cover(p, kicker), sections)


def _cover(p: Parts, kicker: str) -> Cover:
    rows = (
        (p.t("bias.digest"), str(p.get("candidate.digest", "")), True),
        (p.t("bias.date"), _answer(p, "bias_audit_date"), False),
        (p.t("bias.since"), p.t.date(p.get("admission.admitted_at")), False),
        (p.t("bias.rule"), p.t("bias.rules"), False),
        (p.t("cover.made"), p.t.date(p.get("created_at")), False),
    )
    return Cover(
        f"{p.get('report.issuer', '')}   {kicker}".strip(),
        p.title,
        str(p.get("candidate.intended_use", "")),
        "",
        "",
        "neutral",
        rows,
        p.t("bias.footer"),
    )


def _answer(p: Parts, name: str) -> str:
    for row in p.rows("declarations"):
        if row.get("name") == name:
            return str(row.get("answer", ""))
    return p.t("words.not_provided")


def _results(p: Parts, features: Mapping[str, Any]) -> Section:
    ev = p.check_ev("fairness")
    facts = []
    for name in CATEGORIES:
        ratio = features[name].get("ratio") or {}
        facts.append(
            KeyFact(
                p.t("bias.lowest", by=p.t.word("category", name)),
                p.t.number(ratio.get("value")),
                p.t("bias.against", group=ratio.get("group"), reference=ratio.get("reference")),
                None,
                ev,
            )
        )
    people = sum(int(row.get("n", 0)) for row in features["sex"].get("groups", []))
    unknown = {
        name: p.t.number((features[name].get("unknown") or {}).get("count", 0))
        for name in CATEGORIES[:2]
    }
    blocks: list[Block] = [
        KeyFacts(tuple(facts)),
        Paragraph(
            p.t("bias.people", people=p.t.number(people), **unknown),
            ev,
        ),
        Callout(
            p.t("bias.care"),
            p.t("bias.care_text"),
        ),
    ]
    return Section("results", p.t("bias.results"), tuple(blocks))


def _category(p: Parts, name: str, feature: Mapping[str, Any]) -> Section:
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
    title = p.t("bias.by", by=p.t.word("category", name))
    tables: list[Block] = [_table(p, title, rows)]
    tables += [
        Paragraph(
            p.t(
                "bias.left_out",
                group=row.get("group"),
                n=p.t.number(row.get("n")),
                share=p.t.percent(row.get("share")),
                reason=row.get("reason"),
            ),
            ev,
        )
        for row in feature.get("excluded", [])
    ]
    return Section(f"by-{name.replace(' ', '-')}", title, tuple(tables))


def _ratio(p: Parts, row: Mapping[str, Any], reference: Any, ratios: Mapping[Any, Any]) -> str:
    if row.get("excluded"):
        return p.t("bias.out")
    if row.get("group") == reference:
        return p.t.number(1.0)
    return p.t.number(ratios.get(row.get("group")))


def _table(p: Parts, title: str, rows: list[list[Any]]) -> Table:
    caption = p.t("bias.table", title=title)
    return table(caption, p.t("bias.columns"), rows, dense=len(rows) > 20)


def _declared(p: Parts) -> Section:
    said = {str(row.get("name")): row for row in p.rows("declarations")}
    blocks: list[Block] = []
    for name in ANSWERS:
        row, what = said.get(name), p.declared(name)
        if row is None:
            blocks.append(NotProvided(what, p.t("text.human")))
            continue
        by = f"{row.get('by', '')}, {p.t.date(row.get('on'))}"
        blocks.append(
            Paragraph(f"{what}. {row.get('answer')} ({by})", p.ev(p.get("candidate.statement")))
        )
    return Section("declared", p.t("bias.declared"), tuple(blocks))
