"""Each judgement of the doctor, at its edges."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from govern.services import examining
from govern.services.ports import AdmissionRow, Job
from govern.transparency.encoding import format_time
from tests.support.packs import shipped_packs

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
EVERY = timedelta(minutes=10)


def at(**ago: float) -> str:
    return format_time(NOW - timedelta(**ago))


def admission(deployment: str, days: float, status: str = "active") -> AdmissionRow:
    ends = format_time(NOW + timedelta(days=days))
    return AdmissionRow("d", deployment, "production", "c", "e", status, "p", at(days=1), at(days=1), ends)


def test_keys_that_others_can_read_fail_and_are_named() -> None:
    assert examining.judge_key_files({"ca.1.key": 0o600}).level == "ok"
    found = examining.judge_key_files({"ca.1.key": 0o640, "tsa.1.key": 0o600})
    assert found.level == "fail" and "ca.1.key" in found.message and "tsa" not in found.message


def test_an_index_that_lacks_statements_fails() -> None:
    assert examining.judge_index(7, 7).level == "ok"
    assert examining.judge_index(7, 6).level == "fail"


@pytest.mark.parametrize(
    ("size", "anchored", "ago", "level"),
    [
        (0, 0, None, "ok"), (9, 9, timedelta(days=9), "ok"), (9, 0, None, "warn"),
        (9, 5, 3 * EVERY, "ok"), (9, 5, 3 * EVERY + timedelta(seconds=1), "warn"),
    ],
)  # fmt: skip
def test_a_gate_is_judged_by_its_newest_anchor(size: int, anchored: int, ago: timedelta | None, level: str) -> None:
    moment = None if ago is None else NOW - ago
    assert examining.judge_gate("demo", size, anchored, moment, EVERY, NOW).level == level


def test_a_disk_warns_before_a_gate_must_refuse() -> None:
    assert [examining.judge_disk(free).level for free in (6 << 30, 4 << 30, 100 << 20)] == ["ok", "warn", "fail"]


def test_jobs_that_wait_and_jobs_that_failed_are_told_apart() -> None:
    waiting = Job("1", "check", {}, "queued", created_at=at(minutes=11))
    fresh = replace(waiting, created_at=at(minutes=9))
    failed = replace(waiting, state="failed", error="no such table")
    assert examining.judge_jobs([fresh], NOW).level == "ok"
    assert examining.judge_jobs([waiting, failed], NOW).level == "fail"
    found = examining.judge_jobs([failed, fresh], NOW)
    assert found.level == "warn" and "no such table" in found.message


def test_admissions_that_end_are_named_in_time() -> None:
    rows = [admission("a", 8), admission("b", 6), admission("c", -1, "suspended")]
    assert examining.judge_admissions(rows[:1], NOW).level == "ok"
    found = examining.judge_admissions(rows, NOW)
    assert found.level == "warn" and "b" in found.message and "7 days" in found.message
    over = examining.judge_admissions([admission("d", -0.1)], NOW)
    assert over.level == "fail" and "Ended: d" in over.message


def test_shipped_packs_have_not_lapsed_and_one_that_does_is_named() -> None:
    packs = shipped_packs()
    assert examining.judge_packs(packs, NOW).level in ("ok", "warn")
    lapsed = replace(packs[0], status="in-force", effective_to=NOW.date() - timedelta(days=1))
    found = examining.judge_packs([*packs[1:], lapsed], NOW)
    assert found.level == "fail" and packs[0].id in found.message
    ends = replace(lapsed, effective_to=NOW.date() + timedelta(days=20))
    assert examining.judge_packs([ends], NOW).level == "warn"


def test_a_clock_behind_the_log_fails() -> None:
    assert examining.judge_clock(None, NOW).level == "ok"
    assert examining.judge_clock(NOW + timedelta(seconds=4), NOW).level == "ok"
    assert examining.judge_clock(NOW + timedelta(minutes=1), NOW).level == "fail"


def test_a_sandbox_that_lacks_something_warns() -> None:
    assert examining.judge_sandbox(None).level == "ok"
    assert examining.judge_sandbox({"level": "full", "lacks": []}).level == "ok"
    found = examining.judge_sandbox({"level": "partial", "lacks": ["landlock"]})
    assert found.level == "warn" and "landlock" in found.message


def test_whatever_is_not_well_says_what_to_do() -> None:
    found = [
        examining.judge_key_files({"a": 0o644}), examining.judge_index(1, 0), examining.judge_disk(0),
        examining.judge_gate("g", 2, 0, None, EVERY, NOW), examining.judge_sandbox({"level": "none"}),
        examining.judge_clock(NOW + timedelta(days=1), NOW),
    ]  # fmt: skip
    assert all(item.level != "ok" and item.fix for item in found)
