"""The data section counts each group once."""

from __future__ import annotations

import json
from pathlib import Path

from reports.content import build_document
from reports.document import Table

FACTS = Path(__file__).resolve().parents[2] / "support" / "report_facts.json"


def test_people_of_unknown_group_stand_in_one_row_of_their_attribute() -> None:
    facts = json.loads(FACTS.read_text("utf-8"))
    metrics = facts["checks"]["data"]["result"]["metrics"]
    metrics["group_counts"] = {"sex": {"male": 7, "female": 3, "unknown": 2}, "race": {"white": 12}}
    metrics["unknown"] = {"sex": 2, "race": 0}
    document = build_document(facts)
    (people,) = [
        block for section in document.sections for block in section.blocks
        if isinstance(block, Table) and block.caption == "People by group"
    ]  # fmt: skip
    rows = [tuple(cell.text for cell in row) for row in people.rows]
    assert rows == [
        ("sex", "male", "7"), ("sex", "female", "3"), ("sex", "unknown", "2"),
        ("race", "white", "12"), ("race", "unknown", "0"),
    ]  # fmt: skip
