"""What the talk about a request changes, and how a review's facts are told."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from govern.services.ports import RequestMessage
from govern.services.reviewing import (
    delegation_refusals,
    handed_to,
    looked_quick,
    review_facts,
    stepped_back,
)

ROSA, TOMAS, ADA = "rosa@x.example", "tomas@x.example", "ada@x.example"
DECISION, FAIRNESS, LINEAGE = "sha256:d", "sha256:f", "sha256:l"
BEGAN = "2026-11-24T03:00:00Z"
LATER = datetime(2026, 11, 24, 3, 5, tzinfo=UTC)


def said(author: str, kind: str, to: str | None = None) -> RequestMessage:
    return RequestMessage("m", "r", author, kind, "because", BEGAN, to)


def test_questions_change_nothing_and_who_stepped_back_is_named_with_the_reason() -> None:
    messages = [said(ADA, "question"), said(ROSA, "recusal"), said(TOMAS, "delegation", "nadia@x.example")]
    assert stepped_back(messages) == {
        ROSA: "recused herself or himself", TOMAS: "handed the review to nadia@x.example",
    }  # fmt: skip
    assert handed_to(messages) == {"nadia@x.example": TOMAS}


@pytest.mark.parametrize(
    ("to", "why"),
    [
        pytest.param(ROSA, "somebody else", id="to-oneself"),
        pytest.param("", "nobody is not a reviewer", id="to-nobody"),
        pytest.param("eve@x.example", "not a reviewer", id="to-a-stranger"),
        pytest.param(ADA, "separation of duties", id="to-the-author"),
        pytest.param(TOMAS, "recused", id="to-one-who-stepped-back"),
    ],
)
def test_a_review_is_not_handed_to(to: str, why: str) -> None:
    reasons = delegation_refusals(
        ROSA, to, reviewers=[ROSA, TOMAS, ADA], barred={ADA: "is the candidate's author"},
        messages=[said(TOMAS, "recusal")],
    )  # fmt: skip
    assert any(why in reason for reason in reasons)


def test_a_review_is_handed_to_another_reviewer() -> None:
    assert delegation_refusals(ROSA, TOMAS, reviewers=[ROSA, TOMAS], barred={}, messages=[]) == []


def test_facts_count_what_was_offered_and_opened() -> None:
    opened = {DECISION: BEGAN, FAIRNESS: BEGAN, "sha256:other": BEGAN}
    facts = review_facts(opened, [FAIRNESS, LINEAGE, FAIRNESS], DECISION, LATER)
    assert facts == {"began_at": BEGAN, "seconds": 300, "opened": 1, "offered": 2}
    assert review_facts({FAIRNESS: BEGAN}, [FAIRNESS], DECISION, LATER) is None


@pytest.mark.parametrize(
    ("seconds", "opened", "quick"), [(59, 3, True), (60, 3, False), (900, 0, True), (900, 1, False)]
)
def test_a_rubber_stamp_is_under_a_minute_or_with_nothing_opened(seconds: int, opened: int, quick: bool) -> None:
    assert looked_quick({"seconds": seconds, "opened": opened, "offered": 9}) is quick
    assert looked_quick(None) is False
