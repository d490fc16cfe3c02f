"""Tables that no statistician would like: a finding or an ``error`` verdict with a sentence.

Hostile models are in ``test_candidate_process``.
"""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from govern.adapters import evaluation_tables
from govern.checks.counts import count, encode, total
from govern.checks.profiling import profile
from govern.checks.registry import CHECKS, CheckData, run_check
from govern.domain.check import CheckResult
from govern.errors import InvalidRequestError

ROWS = 300


class Logistic:
    columns = ["a", "b"]  # noqa: RUF012
    protected: list[str] = []  # noqa: RUF012
    device: dict[str, object] = {}  # noqa: RUF012

    def predict(self, rows: np.ndarray, protected: object = None) -> tuple[np.ndarray, np.ndarray]:
        score = 1 / (1 + np.exp(-np.nan_to_num(rows).sum(axis=1)))
        return (score >= 0.5).astype(np.int64), score.astype(np.float32)


def checked(check: str, **changed: Any) -> CheckResult:
    random = np.random.default_rng(0)
    features = changed.pop("features", pd.DataFrame(random.normal(size=(ROWS, 2)), columns=["a", "b"]))
    labels = changed.pop("labels", random.integers(0, 2, len(features)))
    sensitive = changed.pop("sensitive", pd.DataFrame({"race": random.choice(["x", "y"], len(features))}))
    data = CheckData(
        features=features, labels=labels, sensitive=sensitive, background=features.to_numpy()[:40],
        profile=profile(features, labels, sensitive), digests={}, candidate="sha256:0", **changed,
    )
    return run_check(check, model=Logistic(), data=data, clock=lambda: "2026-01-01T00:00:00Z")


def said(result: CheckResult) -> str:
    return " ".join(finding.message for finding in result.findings if finding.verdict != "pass")


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("label", [0, 1])
def test_one_class(check: str, label: int) -> None:
    result = checked(check, labels=np.full(ROWS, label))
    if check == "performance":
        assert result.verdict == "error" and "on one class" in said(result)
    if check == "fairness" and not label:
        assert "true positive rate does not exist" in said(result)
    assert "Error:" not in said(result)


@pytest.mark.parametrize("check", CHECKS)
def test_one_group(check: str) -> None:
    result = checked(check, sensitive=pd.DataFrame({"race": ["x"] * ROWS}))
    assert "Error:" not in said(result)
    if check == "fairness":
        assert result.verdict == "uncertain" and "only x has enough people" in said(result)


def test_nobody_of_a_known_group() -> None:
    result = checked("fairness", sensitive=pd.DataFrame({"race": ["unknown"] * ROWS}))
    assert result.verdict == "uncertain" and "no group has enough people" in said(result)


@pytest.mark.parametrize("check", CHECKS)
def test_constant_columns(check: str) -> None:
    features = pd.DataFrame({"a": np.ones(ROWS), "b": np.full(ROWS, np.nan)})
    result = checked(check, features=features)
    assert "Error:" not in said(result) and "Warning" not in said(result)
    if check == "data":
        assert "Always the same: a, b" in said(result)


def test_ten_thousand_categories() -> None:
    sensitive = pd.DataFrame({"town": [f"t{at}" for at in range(10_000)]})
    features = pd.DataFrame(np.random.default_rng(1).normal(size=(10_000, 2)), columns=["a", "b"])
    result = checked("fairness", features=features, sensitive=sensitive)
    assert result.verdict == "error"
    assert "town has 10000 groups; at most 1000 can be compared: declare a coarser grouping" in said(result)


def test_duplicate_ids() -> None:
    result = checked("data", subjects=pd.Series(["p1", "p1", *map(str, range(ROWS - 2))]))
    assert "2 test rows share their subject" in said(result)


def test_more_rows_than_may_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation_tables, "ROWS_MAX", 100)
    path = tmp_path / "test.csv"
    pd.DataFrame({"a": np.zeros(150), "ok": 1, "race": "x"}).to_csv(path, index=False)
    roles = evaluation_tables.Roles("ok", groups=("race",))
    with pytest.raises(InvalidRequestError, match="more than 100 rows; draw a sample"):
        evaluation_tables.prepared(path, None, roles)


def test_fifty_million_rows_are_counted_in_shards_of_bounded_memory() -> None:
    random = np.random.default_rng(2)
    labels, given = random.integers(0, 2, 500_000), random.integers(0, 2, 500_000)
    groups = encode("race", pd.Series(random.choice(["x", "y", "z"], 500_000)))
    tracemalloc.start()
    found = total(count(labels, given, groups) for _ in range(100))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert int(found.table.sum()) == 50_000_000 and peak < 100 << 20
