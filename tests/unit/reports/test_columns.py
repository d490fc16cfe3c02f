"""Column widths from text: numbers stay whole, words share the rest, nothing gets out of hand."""

from __future__ import annotations

import random

import pytest

from reports.columns import CODE_EM, CODE_POINTS, PAGE_POINTS, pieces, widths
from reports.document import Cell
from reports.parts import table


def points(share: float) -> float:
    return share * PAGE_POINTS / 100


def test_widths_are_shares_of_the_whole_whatever_the_text() -> None:
    draw = random.Random(7)
    for _ in range(60):
        heads = "|".join(draw.choice(["Group", "#n", "#Rate", "A long heading of words"]) for _ in range(draw.randint(1, 7)))
        words = ["x" * draw.choice([0, 1, 9, 400]), "\u05e9\u05dc\u05d5\u05dd 🧑‍⚖️", "two words", "−0.123"]
        rows = [[draw.choice(words) for _ in heads.split("|")] for _ in range(draw.randint(0, 5))]
        found = widths(table("t", heads, rows))
        assert sum(found) == pytest.approx(100, abs=0.1) and min(found) > 0


def test_a_number_keeps_its_line_beside_long_prose() -> None:
    prose = "words " * 400
    found = widths(table("t", "Rule|#Measured|What it says", [["r", "−1,234,567.89", prose]]))
    assert points(found[1]) > 13 * 0.45 * 8.5  # thirteen characters of a proportional font
    assert found[2] > found[0]


def test_a_digest_gets_room_for_a_piece_and_never_the_page() -> None:
    digest = "sha256:" + "0" * 64
    found = widths(table("t", "Name|Digest|Text", [["name", Cell(digest, code=True), "words " * 90]]))
    assert points(found[1]) >= CODE_EM * CODE_POINTS * 16
    assert found[1] < 40
    assert all(len(piece) <= 16 for piece in pieces(digest)) and "".join(pieces(digest)) == digest


def test_columns_with_short_text_grow_in_proportion() -> None:
    first, second = widths(table("t", "A|B", [["mmmm", "mmmmmmmm"]]))
    assert second == pytest.approx(2 * first, rel=0.25)
