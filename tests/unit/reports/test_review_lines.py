"""How a report tells how reviews went."""

from __future__ import annotations

from reports.sections.back import rubber_stamps


def vote(seconds: int, opened: int) -> dict:
    return {"review": {"began_at": "2026-11-24T03:00:00Z", "seconds": seconds, "opened": opened, "offered": 9}}


def test_rubber_stamps_are_counted_among_votes_whose_review_was_kept() -> None:
    votes = [vote(59, 9), vote(600, 0), vote(600, 1), {"evidence_read": []}]
    assert rubber_stamps(votes) == (2, 3)
    assert rubber_stamps([{"evidence_read": []}]) == (0, 0)
