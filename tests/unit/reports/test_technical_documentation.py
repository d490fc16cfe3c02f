"""Technical documentation: Annex IV's nine headings in order, and no silence about what is missing."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from reports.content import build_document
from reports.document import Document, NotProvided, Table
from reports.technical_documentation import HEADINGS

FACTS = json.loads((Path(__file__).parents[2] / "support" / "report_facts.json").read_text("utf-8"))
ASKED = [part for parts in HEADINGS.values() for part in parts if isinstance(part, str)]


def built(*declared: str) -> Document:
    facts: dict[str, Any] = copy.deepcopy({**FACTS, "created_at": "2026-11-24T09:00:00Z"})
    facts["report"]["kind"] = "technical-documentation"
    facts["human"] = {}
    facts["declarations"] = [
        {"name": name, "answer": f"About {name}.", "by": "evan@bank.example", "on": "2026-11-20"} for name in declared
    ]
    return build_document(facts)


def missing(document: Document) -> list[NotProvided]:
    return [block for section in document.sections for block in section.blocks if isinstance(block, NotProvided)]


def test_the_nine_headings_stand_in_the_order_of_the_annex() -> None:
    assert [section.id for section in built().sections] == [
        "status", *(f"annex-{name}" for name in HEADINGS), "evidence", "verify",
    ]  # fmt: skip
    assert len(HEADINGS) == 9


def test_what_nobody_answered_prints_not_provided_and_lowers_the_status() -> None:
    nothing = built()
    assert len(missing(nothing)) == len(ASKED)
    assert nothing.cover.decision == f"Incomplete: {len(ASKED)} points not provided"
    assert nothing.cover.decision_status == "review"
    for name in ASKED:
        one = built(*(other for other in ASKED if other != name))
        assert len(missing(one)) == 1 and one.cover.decision_status == "review", name
    every = built(*ASKED)
    assert (missing(every), every.cover.decision_status) == ([], "pass")


def test_the_status_table_counts_what_each_heading_asks() -> None:
    table = next(block for block in built("hardware").sections[0].blocks if isinstance(block, Table))
    asked = [sum(isinstance(part, str) for part in parts) for parts in HEADINGS.values()]
    assert [int(row[3].text) for row in table.rows] == asked
    assert [row[2].text for row in table.rows] == ["1", *["0"] * 8]
    assert [row[4].status for row in table.rows].count("review") == sum(map(bool, asked))
