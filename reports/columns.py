"""Column widths of a table from its text, as CSS automatic table layout would choose them.

The PDF engine measures every cell at every place where a line may break, which took half of a
report's time. Here a width is a sum of the font's advance widths, and CSS 2.1, section 17.5.2.2,
says what follows from the least and the most that each column needs.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib import resources

from fontTools.ttLib import TTFont

from reports.document import Cell, Table

SANS = "source-sans-3-latin-400-normal.ttf"
STRONG = "source-sans-3-latin-600-normal.ttf"
PAGE_POINTS = 448.0
PADDING_POINTS = 6.3
REFERENCE_POINTS = 6.4
SMALL_POINTS = 110.0
CODE_POINTS = 7.2
CODE_EM, OTHER_EM, SIGN_EM, SPACE_EM = 0.6, 0.65, 0.95, 0.2
SLACK = 1.03
WORD_CHARS_MAX, PIECE_CHARS = 24, 16


def pieces(word: str) -> list[str]:
    """Return the parts of a word between which a line may break: very long words have several."""
    if len(word) <= WORD_CHARS_MAX:
        return [word]
    return [word[start : start + PIECE_CHARS] for start in range(0, len(word), PIECE_CHARS)]


def widths(table: Table) -> list[float]:
    """Return each column's share of the table's width, in per cent."""
    text, head = (7.5, 7.0) if table.dense else (8.5, 7.9)
    least, most = [], []
    for place, column in enumerate(table.columns):
        needs = [_heading(column.title, head, column.numeric)]
        needs += [_needs(row[place], text, column.numeric, place == 0) for row in table.rows]
        padding = PADDING_POINTS if place + 1 < len(table.columns) else 0.0
        least.append(max(need[0] for need in needs) * SLACK + padding)
        most.append(max(need[1] for need in needs) * SLACK + padding)
    fixed = [column.numeric for column in table.columns]
    shared = _share(least, most, fixed)
    return [round(100 * width / sum(shared), 2) for width in shared]


def _heading(title: str, size: float, whole: bool) -> tuple[float, float]:
    words = [_width(word, STRONG, size) for word in title.split()]
    most = sum(words) + size * SPACE_EM * max(len(words) - 1, 0)
    return (most if whole else max(words, default=0.0)), most


def _needs(cell: Cell, size: float, whole: bool, first: bool) -> tuple[float, float]:
    """Return the least and the most that a cell needs, in points."""
    parts = list(_parts(cell, size))
    most = sum(parts) + size * SPACE_EM * cell.text.count(" ")
    unbroken = whole or (first and cell.code and cell.text.startswith("E"))
    return (most if unbroken else max(parts, default=0.0)), most


def _parts(cell: Cell, size: float) -> Iterator[float]:
    font = STRONG if cell.strong else SANS
    sign = SIGN_EM * size if cell.status else 0.0
    for word in cell.text.split():
        for piece in pieces(word):
            width = CODE_EM * CODE_POINTS * len(piece) if cell.code else _width(piece, font, size)
            yield width + sign
            sign = 0.0
    for name in cell.evidence:
        yield _width(f" {name}", SANS, REFERENCE_POINTS)


def _share(least: Sequence[float], most: Sequence[float], fixed: Sequence[bool]) -> list[float]:
    """Return widths that add up to the page, or less where no column needs more."""
    if sum(most) <= PAGE_POINTS:
        return list(most)
    whole = [high if high <= SMALL_POINTS else low for low, high in zip(least, most, strict=True)]
    if sum(whole) <= PAGE_POINTS:  # short text keeps its line where long text can give way
        least = whole
    spare = PAGE_POINTS - sum(least)
    if spare >= 0:
        room = sum(high - low for low, high in zip(least, most, strict=True))
        return [low + (high - low) * spare / room for low, high in zip(least, most, strict=True)]
    firm = sum(low for low, number in zip(least, fixed, strict=True) if number)
    soft = sum(least) - firm
    if not soft or firm >= PAGE_POINTS * 0.8:
        return list(least)
    scale = (PAGE_POINTS - firm) / soft
    return [low if number else low * scale for low, number in zip(least, fixed, strict=True)]


def _width(text: str, font: str, size: float) -> float:
    advances = _advances(font)
    return sum(advances.get(char, OTHER_EM) for char in text) * size


@lru_cache(maxsize=4)
def _advances(name: str) -> dict[str, float]:
    """Return the advance width of each character that a bundled font has, in em."""
    with resources.as_file(resources.files("reports.fonts").joinpath(name)) as path:
        font = TTFont(path, lazy=True)
        metrics, unit = font["hmtx"], font["head"].unitsPerEm
        return {chr(point): metrics[glyph][0] / unit for point, glyph in font.getBestCmap().items()}
