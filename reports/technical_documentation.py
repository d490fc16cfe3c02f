"""Technical documentation under the nine headings of Annex IV to Regulation (EU) 2024/1689.

Machine evidence fills what it can; every point that only a person can answer is a declaration on
the model's card or prints NOT PROVIDED, and one of them missing lowers the status on the cover.
From when the duty applies is said by the policy pack ``eu-ai-act``, not here. It arranges what
the signed evidence says, and judges neither whether an answer suffices nor what the law asks.
"""

from collections.abc import Callable, Mapping
from typing import Any

from reports.document import Block, Callout, Cell, Cover, Document, NotProvided, Section, Status
from reports.parts import Parts, table
from reports.sections.back import changes_section, evidence_index, verify_steps
from reports.sections.explaining import explanations_section
from reports.sections.front import data_section, lineage_section, model_section
from reports.sections.middle import (
    fairness_section,
    performance_section,
    robustness_section,
    serving_section,
)

PACK = "eu-ai-act"
Part = str | Callable[[Parts], Section]
HEADINGS: Mapping[str, tuple[Part, ...]] = {
    "general": (
        "intended_use",
        model_section,
        "prior_versions",
        "interaction",
        "forms_on_the_market",
        "hardware",
        "user_interface",
        "instructions_for_use",
    ),
    "development": (
        "conceptual_soundness",
        "vendor_components",
        "data_representativeness",
        data_section,
        lineage_section,
        "predetermined_changes",
        performance_section,
        explanations_section,
        robustness_section,
        "cybersecurity",
    ),
    "monitoring": ("limitations", fairness_section, "human_oversight", serving_section),
    "metrics": ("metric_appropriateness",),
    "risk": ("risk_management",),
    "lifecycle": (changes_section,),
    "standards": ("standards_applied",),
    "conformity": ("declaration_of_conformity",),
    "post_market": ("monitoring_plan",),
}
"""Each heading of Annex IV, in its order: declarations by name, and sections of evidence."""


def build_technical_documentation(facts: Mapping[str, Any]) -> Document:
    """Arrange facts under the headings of Annex IV.

    Args:
        facts: the dictionary of docs/specs/report_facts.md, with ``created_at``.

    Raises:
        ReportError: no candidate, or a language without texts.
    """
    p = Parts(facts)
    kicker = p.t("annex.kicker")
    headings = [_heading(p, name, parts) for name, parts in HEADINGS.items()]
    sections = (_status(p, headings), *headings, evidence_index(p), verify_steps(p))
    return p.document("technical-documentation", kicker, _cover(p, kicker, headings), sections)


def _heading(p: Parts, name: str, parts: tuple[Part, ...]) -> Section:
    blocks: list[Block] = []
    for part in parts:
        blocks += p.answer(part) if isinstance(part, str) else part(p).blocks
    return Section(f"annex-{name}", p.t(f"annex.{name}"), tuple(blocks))


def _missing(section: Section) -> int:
    return sum(isinstance(block, NotProvided) for block in section.blocks)


def _word(p: Parts, asked: int, missing: int) -> tuple[str, Status]:
    if not asked:
        return p.t("annex.evidence"), "neutral"
    return (p.t("annex.open"), "review") if missing else (p.t("annex.answered"), "pass")


def _status(p: Parts, headings: list[Section]) -> Section:
    """Say heading by heading how many points nobody has answered."""
    rows = []
    for number, (section, parts) in enumerate(zip(headings, HEADINGS.values(), strict=True), 1):
        asked, missing = sum(isinstance(part, str) for part in parts), _missing(section)
        word, look = _word(p, asked, missing)
        sign = Cell(word, p.card_ev, look, target=section.id)
        rows.append(
            [
                p.t.number(number),
                section.title,
                p.t.number(asked - missing),
                p.t.number(asked),
                sign,
            ]
        )
    pack = next((row for row in p.rows("packs") if row.get("id") == PACK), {})
    since = p.t.date(pack.get("effective_from")) if pack else p.t("annex.no_pack")
    blocks: list[Block] = [
        table(p.t("annex.status_caption"), p.t("annex.status_columns"), rows),
        Callout(p.t("annex.care"), p.t("annex.care_text", since=since)),
    ]
    return Section("status", p.t("annex.status"), tuple(blocks))


def _cover(p: Parts, kicker: str, headings: list[Section]) -> Cover:
    missing = sum(map(_missing, headings))
    rows = (
        (p.t("cover.model_digest"), str(p.get("candidate.digest", "")), True),
        (p.t("annex.provider"), str(p.get("report.issuer", "")), False),
        (p.t("cover.as_of"), p.t.date(p.get("decision.value.as_of")), False),
        (p.t("cover.made"), p.t.date(p.get("created_at")), False),
    )
    return Cover(
        f"{p.get('report.issuer', '')}   {kicker}".strip(),
        p.title,
        str(p.get("candidate.intended_use", "")),
        p.t("annex.missing", count=p.t.number(missing)) if missing else p.t("annex.all_answered"),
        p.t("annex.status"),
        "review" if missing else "pass",
        rows,
        p.t("cover.footer"),
    )
