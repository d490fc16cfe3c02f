"""Differences in words, and past decisions under other packs."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from govern.adapters.decision_files import read_lines, write_lines
from govern.adapters.git_packs import packs_at
from govern.errors import InvalidRequestError, MalformedError
from govern.policy.backtesting import Recorded, aged, backtest, first_denial
from govern.policy.diffing import diff_packs
from govern.policy.document import load_pack
from tests.support.evidence import allowed_evidence

ROOT = Path(__file__).resolve().parents[4]
BASE = b"""id: small
version: "1"
title: Small
jurisdiction: internal
instrument: Test standard
status: in-force
effective_from: "2026-01-01"
params: {age_max: 90, ratio_min: 0.8}
rules:
  - id: fresh
    title: Checks are fresh
    citation: Test, 1
    severity: deny
    require: checks.fairness.age_days <= params.age_max
    message: Too old.
    reads: [checks.fairness]
  - id: ratio
    title: The ratio holds
    citation: Test, 2
    severity: deny
    require: checks.fairness.metrics.features.race.ratio.value >= params.ratio_min
    message: Too low.
    reads: [checks.fairness]
"""
DAY = date(2026, 11, 25)


def pack(*changes: tuple[bytes, bytes]):
    data = BASE
    for old, new in changes:
        assert old in data
        data = data.replace(old, new)
    return load_pack(data)


def good() -> dict:
    """The shipped allowed evidence, with the age and the ratio these tests count from."""
    evidence = allowed_evidence()
    evidence["checks"]["fairness"]["age_days"] = 1
    evidence["checks"]["fairness"]["metrics"]["features"]["race"]["ratio"]["value"] = 0.95
    return evidence


def past(outcome: str = "allow", until: date | None = date(2027, 2, 20)) -> Recorded:
    return Recorded("sha256:" + "a" * 64, "forest", DAY, outcome, "sha256:" + "d" * 64, until, good())


@pytest.mark.parametrize(
    ("change", "outcome", "effect", "since"),
    [
        ((b"ratio_min: 0.8", b"ratio_min: 0.96"), "allow", "denied", DAY),
        ((b"ratio_min: 0.8", b"ratio_min: 0.7"), "deny", "allowed", DAY),
        ((b"ratio_min: 0.8", b"ratio_min: 0.9"), "allow", "same", None),
        ((b"age_max: 90", b"age_max: 30"), "allow", "suspended", date(2026, 12, 25)),
        ((b'effective_from: "2026-01-01"', b'effective_from: "2026-12-24"'), "allow", "not decided", DAY),
    ],
)
def test_effect_and_first_day(change, outcome, effect, since) -> None:
    found = backtest(past(outcome), [pack(change)])
    assert (found.effect, found.since) == (effect, since)


def test_a_pack_that_comes_into_force_suspends_from_that_day() -> None:
    later = load_pack(
        BASE.replace(b"id: small", b"id: later").replace(b"2026-01-01", b"2027-01-01").replace(b"0.8", b"0.99")
    )
    found = backtest(past(), [pack(), later], [pack()])
    assert (found.effect, found.since, found.rules) == ("suspended", date(2027, 1, 1), ("later/ratio",))
    assert backtest(past(until=date(2026, 12, 31)), [pack(), later], [pack()]).effect == "same"
    assert backtest(past(until=None), [pack(), later], [pack()]).effect == "same"


def test_first_denial_is_the_first_day_found_by_trying_every_day() -> None:
    packs, recorded = [pack((b"age_max: 90", b"age_max: 40"))], past()
    days = [DAY.fromordinal(DAY.toordinal() + ahead) for ahead in range(1, 87)]
    from govern.policy.backtesting import decide_on

    first = next(day for day in days if decide_on(recorded, packs, day).outcome == "deny")
    assert first_denial(recorded, packs, days[-1]) == first


def test_ageing_leaves_the_recorded_evidence_alone() -> None:
    evidence = good()
    before = copy.deepcopy(evidence)
    assert aged(evidence, 5)["checks"]["fairness"]["age_days"] == before["checks"]["fairness"]["age_days"] + 5
    assert evidence == before


def test_differences_are_sentences() -> None:
    old = pack()
    new = pack(
        (b"ratio_min: 0.8", b"ratio_min: 0.85"),
        (b"citation: Test, 2\n    severity: deny", b"citation: Test, 2\n    severity: review"),
        (b"  - id: fresh", b"  - id: recent"),
    )
    said = [f"{change.where}: {change.sentence}" for change in diff_packs([old], [new])]
    assert said == [
        "small: params.ratio_min: 0.8 → 0.85",
        "small/fresh: the rule is gone: Checks are fresh",
        "small/ratio: severity: deny → review (laxer)",
        "small/recent: the rule is new: Checks are fresh",
    ]
    assert [change.kind for change in diff_packs([], [old])] == ["added"]
    assert diff_packs([old], [pack()]) == []


def test_lines_round_trip_and_bad_lines_are_named(tmp_path: Path) -> None:
    path = tmp_path / "past.jsonl"
    path.write_bytes(write_lines([past(), past("deny", None)]))
    assert list(read_lines(path)) == [past(), past("deny", None)]
    for bad in (b"{", b"[]", b'{"candidate": 1}', b'{"as_of": "soon"}'):
        path.write_bytes(write_lines([past()]) + bad + b"\n")
        with pytest.raises(MalformedError, match=r"past\.jsonl:2"):
            list(read_lines(path))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "policies" / "small"
    folder.mkdir(parents=True)
    (folder / "policy.yaml").write_bytes(BASE)
    who = ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q", "-b", "main"], ["add", "."], [*who, "commit", "-q", "-m", "x"]):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True, capture_output=True)
    (folder / "policy.yaml").write_bytes(BASE.replace(b"ratio_min: 0.8", b"ratio_min: 0.96"))
    (tmp_path / "past.jsonl").write_bytes(write_lines([past()]))
    return tmp_path


def test_packs_of_a_git_revision(repository: Path) -> None:
    (found,) = packs_at("HEAD", repository / "policies")
    assert found.source == BASE
    for bad in ("--upload-pack=x", "no-such-branch", "HEAD; ls"):
        with pytest.raises(InvalidRequestError):
            packs_at(bad, repository / "policies")


def shell(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "govern.cli.main", "policy", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=60,
    )


def test_a_pull_request_shows_its_back_test(repository: Path) -> None:
    common = ("--policies", "policies", "--from", "past.jsonl")
    done = shell(repository, "backtest", "--base", "HEAD", *common, "--markdown")
    assert done.returncode == 0, done.stderr
    assert "| denied | 2026-11-25 | forest | allow | small/ratio |" in done.stdout
    found = json.loads(shell(repository, "diff", "HEAD", *common, "--json").stdout)
    assert found["changes"][0]["sentence"] == "params.ratio_min: 0.8 → 0.96"
    assert found["flips"][0]["effect"] == "denied"
    done = shell(repository, "backtest", "--base", "nowhere", *common)
    assert done.returncode == 2 and "Traceback" not in done.stderr
