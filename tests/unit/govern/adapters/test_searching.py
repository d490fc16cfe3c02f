"""What the inventory finds a candidate by."""

from __future__ import annotations

import pytest

from govern.adapters.sql.searching import LAST, TERM_CHARS_MAX, terms_of, words_of

DIGEST = "sha256:" + "ab" * 32
TERMS = terms_of(DIGEST, "Mortgage-approval v2", "credit.risk@bank.example", "")


@pytest.mark.parametrize(
    "query", ["mortgage", "APPROVAL", "mortgage-app", "v2", "credit.risk@bank", "risk", "sha256:abab", "abab"]
)
def test_the_beginning_of_any_part_finds_it(query: str) -> None:
    for word in words_of(query):
        assert any(word <= term < word + LAST for term in TERMS), word


@pytest.mark.parametrize("query", ["ortgage", "bank", "example", "%", "babab"])
def test_the_middle_of_a_part_or_everybodys_domain_does_not(query: str) -> None:
    (word,) = words_of(query)
    assert not any(word <= term < word + LAST for term in TERMS)


def test_long_names_and_queries_are_cut_alike() -> None:
    long = "x" * 300
    assert max(map(len, terms_of(DIGEST, long))) == TERM_CHARS_MAX
    assert words_of(long)[0] in terms_of(DIGEST, long)
    assert len(words_of("a b c d e f g")) == 5
