"""Search terms of the inventory: beginnings of words, found by an index and not by reading all.

A candidate is found by the beginning of any part of its name, its owner's or author's
address, or its digest: ``approval`` and ``mortgage-app`` find ``mortgage-approval``.
"""

from __future__ import annotations

import re

from sqlalchemy import String

TERM_CHARS_MAX = 80
TAILS_MAX = 12
WORDS_MAX = 5
LAST = "\U0010ffff"
TERM_TYPE = String(TERM_CHARS_MAX).with_variant(
    String(TERM_CHARS_MAX, collation="C"), "postgresql"
)  # compared by code point, so that a beginning is a range
_PART = re.compile(r"[^\W_]+")


def terms_of(digest: str, *texts: str) -> set[str]:
    """Return the terms under which a candidate is found.

    Args:
        digest: ``sha256:`` and hexadecimal.
        texts: its name, and addresses of people.
    """
    found = {digest[:TERM_CHARS_MAX], digest.removeprefix("sha256:")[:TERM_CHARS_MAX]}
    for text in texts:
        lower = text.strip().lower()
        within = lower.partition("@")[0] or lower  # a domain would find everybody
        starts = [match.start() for match in _PART.finditer(within)][:TAILS_MAX]
        found |= {lower[start : start + TERM_CHARS_MAX] for start in {0, *starts}}
    return found - {""}


def words_of(query: str) -> list[str]:
    """Return the words of a query, each the beginning of a term."""
    return [word[:TERM_CHARS_MAX] for word in query.lower().split()[:WORDS_MAX]]
