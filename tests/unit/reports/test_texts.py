"""Both languages are complete, say no more than evidence shows, and no prose hides in the code."""

from __future__ import annotations

import ast
import copy
import html as escaping
import json
import re
from pathlib import Path

import pytest

from govern.services.report_form import REPORT_KINDS, REPORT_LANGUAGES
from reports.content import KINDS, build_document
from reports.html import to_html
from reports.texts import LANGUAGES, Texts, _table

ROOT = Path(__file__).resolve().parents[3]
SOURCES = [
    *sorted((ROOT / "reports" / "sections").glob("*.py")),
    *(ROOT / "reports" / name for name in ("bias_audit.py", "content.py", "parts.py", "technical_documentation.py")),
]
FACTS = json.loads((ROOT / "tests" / "support" / "report_facts.json").read_text("utf-8"))
AT = "2026-11-24T09:00:00Z"
NO_PROSE = ("race and sex", "not met", "not applicable", "pdfdetach -saveall ", "sha256sum evidence.json", "govern verify ")
TOO_MUCH = {
    "en": ("bias-free", "unbiased", "fully compliant", "proves fairness", "tamper-proof", "guarantee",
           "legally required", "tamper evidence", "certified fair", "free of discrimination"),
    "de": ("vorurteilsfrei", "frei von verzerrung", "diskriminierungsfrei", "vollständig konform",
           "beweist fairness", "fälschungssicher", "manipulationssicher", "garantier",
           "gesetzlich vorgeschrieben", "rechtskonform"),
}  # fmt: skip


def page(language: str, kind: str = "model-audit") -> str:
    facts = copy.deepcopy({**FACTS, "created_at": AT})
    facts["report"] |= {"language": language, "kind": kind}
    for rule in facts["decision"]["value"]["rules"]:
        rule["title"] = "T"  # rules speak as they were signed, in every language
    for row in facts["compared"]:
        row["deciding_rule"] = "T"
    return to_html(build_document(facts))


def literals(path: Path) -> list[tuple[str, bool]]:
    """Return the text literals of a module that are no docstring, and whether each is in an error."""
    tree = ast.parse(path.read_text("utf-8"))
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    errors = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.Raise) for inner in ast.walk(node)}
    return [
        (node.value, id(node) in errors)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
    ]


def test_every_text_is_there_in_every_language_with_the_same_places_to_fill() -> None:
    tables = {language: _table(language) for language in LANGUAGES}
    assert set(tables["de"]) == set(tables["en"])
    for key, text in tables["en"].items():
        other = tables["de"][key]
        assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", other)), key
        assert text.count("|") == other.count("|"), f"{key}: as many columns"
        assert [c[:1] == "#" for c in text.split("|")] == [c[:1] == "#" for c in other.split("|")], key


def test_every_text_that_code_names_exists_and_no_prose_stays_in_code() -> None:
    known = _table("en")
    for path in SOURCES:
        source = path.read_text("utf-8")
        for key in re.findall(r"\bt\(\s*\"([a-z_]+\.[a-z_]+)\"", source):
            assert key in known, f"{path.name}: {key}"
        prose = [text for text, error in literals(path) if re.search(r"[A-Za-z]{2,} [A-Za-z]{2,}", text) and not error]
        assert [text for text in prose if text not in NO_PROSE] == [], path.name


@pytest.mark.parametrize("kind", ["model-audit", "technical-documentation"])
def test_a_german_report_says_nothing_in_the_words_of_the_english_one(kind: str) -> None:
    german = escaping.unescape(re.sub(r"<wbr>", "", page("de", kind)))
    tables = {language: _table(language) for language in LANGUAGES}
    for key, text in tables["en"].items():
        pieces = [piece for piece in re.split(r"\{\w+\}|\|", text) if len(piece.strip()) > 14]
        for piece in pieces:
            if piece not in tables["de"][key]:
                assert piece not in german, f"{key}: {piece}"
    assert '<html lang="de">' in german and "24. November 2026" in german


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_claim_no_more_than_evidence_shows(language: str) -> None:
    shown, texts = page(language).lower(), " ".join(_table(language).values()).lower()
    for claim in TOO_MUCH[language]:
        assert claim not in shown and claim not in texts, claim


def test_numbers_and_dates_are_written_as_the_locale_writes_them() -> None:
    english, german = Texts("en"), Texts("de")
    assert (english.number(1234567.891, 2), german.number(1234567.891, 2)) == ("1,234,567.89", "1.234.567,89")
    assert (english.number(-0.5), german.number(-0.5)) == ("−0.500", "−0,500")
    assert (english.number(1.25e-7), german.number(1.25e-7)) == ("1.2e−07", "1,2e−07")
    assert (english.percent(0.918), german.percent(0.918)) == ("91.8%", "91,8\u00a0%")
    at = "2026-03-01T16:07:00Z"
    assert (english.date(at), german.date(at)) == ("1 March 2026, 16:07 UTC", "1. März 2026, 16:07 UTC")
    for nothing in (None, float("nan"), float("inf"), "1", True):
        assert (english.number(nothing), german.percent(nothing)) == ("not measured", "nicht gemessen")
    assert english.date("soon") == "soon"


def test_command_line_and_reports_know_the_same_kinds_and_languages() -> None:
    assert tuple(LANGUAGES) == REPORT_LANGUAGES and set(KINDS) == set(REPORT_KINDS)
