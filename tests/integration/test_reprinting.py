"""A report's pages are compared with its attached facts: what was printed instead is named."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from govern.cli.main import main
from reports.errors import ReportError
from reports.render import render_report
from reports.reprinting import reprint

FACTS = json.loads((Path(__file__).parents[1] / "support" / "report_facts.json").read_text("utf-8"))
AT = "2026-11-24T09:00:00Z"


def made(facts: dict[str, Any], attached: Any) -> bytes:
    files = {"evidence.json": attached if isinstance(attached, bytes) else json.dumps(attached).encode()}
    return render_report(facts, attachments=files, created_at=AT).pdf


@pytest.fixture(scope="module")
def honest() -> bytes:
    return made(FACTS, FACTS)


def test_an_honest_report_is_the_same_again_with_its_seal_behind_it(honest: bytes) -> None:
    found = reprint(honest + b"\n% a seal is appended\n")
    assert (found.same, found.differing) == (True, ()) and found.pages > 10


def test_pages_printed_from_other_figures_than_attached_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = copy.deepcopy(FACTS)
    other["checks"]["performance"]["result"]["metrics"]["accuracy"]["value"] = 0.999
    path = tmp_path / "report.pdf"
    path.write_bytes(made(other, FACTS))
    assert main(["report", "compare", str(path), "--json"]) == 17
    told = json.loads(capsys.readouterr().out)
    assert told["same"] is False
    assert 3 in told["differing"] and len(told["differing"]) < told["pages"], "summary and performance, not all"


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"no pdf", "cannot be read|not a PDF"),
        (b'{"candidate": {"name": "x"}, "checks": {"data": {"result": {"metrics": {"split": 3}}}}}', "cannot be laid out"),
        (b"[1]", "is not one object"), (b"{", "is not JSON"), (None, "no evidence.json attached"),
    ],
)  # fmt: skip
def test_what_is_no_report_is_refused_in_a_sentence(data: bytes | None, sentence: str) -> None:
    small = {"candidate": {"name": "x"}, "report": {"kind": "model-audit"}}
    pdf = data if data == b"no pdf" else (
        render_report(small, created_at=AT).pdf if data is None else made(small, data)
    )
    with pytest.raises(ReportError, match=sentence):
        reprint(pdf)
