"""The summary of a bias audit: the rule's own worked figures, the archive format, what is missing."""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from reports.content import build_document
from reports.errors import ReportError
from reports.html import to_html
from reports.render import render_report

sys.path.insert(0, str(Path(__file__).parent))
from verapdf import failures

FACTS = json.loads((Path(__file__).parents[1] / "support" / "report_facts.json").read_text("utf-8"))
AT = "2026-11-24T09:00:00Z"
SEX = (("Male", 1390, 667), ("Female", 1181, 555))  # the example in 6 RCNY 5-301


def feature(rows: tuple[tuple[str, int, int], ...], **more: Any) -> dict[str, Any]:
    best = max(rows, key=lambda row: row[2] / row[1])
    top = best[2] / best[1]
    return {
        "groups": [
            {"group": name, "n": n, "selected": k, "rate": k / n, "excluded": False}
            for name, n, k in rows
        ],
        "comparisons": [
            {"group": name, "reference": best[0], "ratio": k / n / top} for name, n, k in rows
        ],
        "ratio": {
            "group": rows[-1][0], "reference": best[0], "value": rows[-1][2] / rows[-1][1] / top,
        },
        "unknown": {"count": 7},
        **more,
    }  # fmt: skip


def facts() -> dict[str, Any]:
    made = copy.deepcopy(FACTS)
    left_out = {"group": "Islander", "n": 9, "share": 0.003, "reason": "under 2 %"}
    made["report"]["kind"] = "bias-audit"
    made["checks"]["fairness"]["result"]["metrics"]["features"] = {
        "sex": feature(SEX),
        "race": feature((("White", 797, 412), ("Hispanic", 408, 204), ("Asian", 390, 170))),
        "race and sex": feature((("White, male", 400, 210), ("White, female", 397, 202)),
                                excluded=[left_out]),
    }  # fmt: skip
    made["declarations"] = [
        {"name": "bias_audit_date", "answer": "2026-03-01", "by": "aud@audit.example", "on": "2026-03-02"}
    ]
    return made


def test_it_prints_the_rates_and_ratios_of_the_rules_own_example(tmp_path: Path) -> None:
    report = render_report(facts(), created_at=AT)
    for text in ("48.0%", "47.0%", "0.979", "1.000", "2,571", "7 of unknown sex", "2026-03-01"):
        assert text in report.html, text
    assert "Left out of the ratios: Islander, 9 people" in report.html
    assert "Automated employment" not in report.html and "NOT PROVIDED" in report.html
    (tmp_path / "audit.pdf").write_bytes(report.pdf)
    assert failures(tmp_path / "audit.pdf", "3a") == {}
    assert failures(tmp_path / "audit.pdf", "ua1") == {}


def test_it_names_no_number_that_a_ratio_must_reach() -> None:
    html = to_html(build_document({**facts(), "created_at": AT}))
    assert "0.80" not in html and "four-fifths" not in html


def test_without_one_of_the_three_tables_it_is_refused() -> None:
    made = facts()
    del made["checks"]["fairness"]["result"]["metrics"]["features"]["race and sex"]
    with pytest.raises(ReportError, match="none by race and sex"):
        render_report(made, created_at=AT)


def test_an_unknown_kind_is_one_sentence() -> None:
    with pytest.raises(ReportError, match="no report of kind 'novel'"):
        render_report({**FACTS, "report": {"kind": "novel"}}, created_at=AT)
