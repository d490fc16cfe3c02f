"""Which characters the bundled fonts can show; others are written out as [U+XXXX].

A missing glyph breaks PDF/A and hides what a name says, so text is checked before layout.
"""

from functools import lru_cache
from importlib import resources

from fontTools.ttLib import TTFont

FALLBACK = "DejaVuSans.ttf"
_INVISIBLE = {0x200E, 0x200F, 0x2066, 0x2067, 0x2068, 0x2069}


@lru_cache(maxsize=1)
def covered() -> frozenset[int]:
    """Return the code points of the fallback font, which covers Latin, Greek, Hebrew, Arabic …."""
    with resources.as_file(resources.files("reports.fonts").joinpath(FALLBACK)) as path:
        font = TTFont(path, lazy=True)
        return frozenset(font.getBestCmap()) | {0x0A, 0x09, 0x0D}


@lru_cache(maxsize=4096)
def _sign(char: str) -> str:
    point = ord(char)
    if point in covered() and point not in _INVISIBLE and (point >= 32 or char in "\n\t"):
        return char
    return "" if point in _INVISIBLE or 0xFE00 <= point <= 0xFE0F else f"[U+{point:04X}]"


def printable(text: str) -> str:
    """Return text in which every character has a glyph; direction overrides are dropped."""
    return text if text.isascii() and text.isprintable() else "".join(map(_sign, text))
