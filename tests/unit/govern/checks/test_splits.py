"""Tables beside the test table: seen twice, moved, leaking; and a challenger that is only lucky."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from govern.checks import challenging, data, splits
from govern.checks.profiling import profile
from govern.checks.registry import CheckData
from govern.checks.tasks import BINARY, Task

RANDOM = np.random.default_rng(0)


class Idle:
    columns = ["a", "b"]  # noqa: RUF012
    protected: list[str] = []  # noqa: RUF012
    device: dict[str, object] = {}  # noqa: RUF012


def features(rows: int, shift: float = 0.0) -> pd.DataFrame:
    return pd.DataFrame({"a": RANDOM.normal(size=rows) + shift, "b": RANDOM.normal(size=rows)})


def verdicts(table: pd.DataFrame, labels: np.ndarray, **more: object) -> dict[str, str]:
    sensitive = pd.DataFrame({"race": ["x"] * len(table)})
    found, _ = data.run(
        Idle(),  # type: ignore[arg-type]
        CheckData(table, labels, sensitive, table.to_numpy()[:9], profile(table, labels, sensitive), {}, "sha256:0", **more),  # type: ignore[arg-type]
        0, {}, {},
    )
    return {item.id: item.verdict for item in found}


def test_rows_and_subjects_in_both_train_and_test_fail() -> None:
    test, train = features(300), features(300)
    labels = RANDOM.integers(0, 2, 300)
    apart = {"train": splits.Part(train, labels, pd.Series([f"t{n}" for n in range(300)]))}
    people = pd.Series([f"p{n}" for n in range(300)])
    assert verdicts(test, labels, parts=apart, subjects=people)["split-overlap"] == "pass"
    again = pd.concat([train, test.iloc[7:9]])
    both = splits.Part(again, None, pd.concat([people.iloc[:1], pd.Series(["z"] * 301)]))
    assert splits.overlap(both, test, people) == {"rows": 2, "share": 2 / 300, "subjects": 1}
    assert verdicts(test, labels, parts={"train": both}, subjects=people)["split-overlap"] == "fail"
    assert verdicts(test, labels)["split-overlap"] == "uncertain"


def test_recent_traffic_may_repeat_and_drift_is_for_a_person() -> None:
    test, labels = features(2000), RANDOM.integers(0, 2, 2000)
    same, moved = splits.Part(features(2000)), splits.Part(features(2000, shift=0.8))
    assert verdicts(test, labels, parts={"recent": same}) | {"drift": "pass"} == verdicts(test, labels, parts={"recent": same}) | {"split-overlap": "uncertain"}
    assert verdicts(test, labels, parts={"recent": moved})["drift"] == "uncertain"
    rows = splits.drift(moved.features, test)
    assert rows[0]["feature"] == "a" and rows[0]["psi"] > splits.PSI_OTHER and rows[1]["psi"] < splits.PSI_LOOK


@given(st.lists(st.floats(-9, 9), min_size=1, max_size=40), st.lists(st.floats(-9, 9), min_size=1, max_size=40))
def test_the_ks_distance_is_scipys(one: list[float], two: list[float]) -> None:
    assert splits.ks(np.array(one), np.array(two)) == pytest.approx(ks_2samp(one, two, method="asymp").statistic, abs=1e-12)


@given(st.lists(st.floats(-9, 9), min_size=2, max_size=60))
def test_a_table_has_not_moved_from_itself(values: list[float]) -> None:
    assert splits.psi(np.array(values), np.array(values)) == 0


def test_a_feature_that_is_the_outcome_is_named() -> None:
    table, labels = features(400), RANDOM.integers(0, 2, 400)
    assert verdicts(table, labels)["single-feature-leak"] == "pass"
    table["a"] = labels + RANDOM.normal(size=400) * 0.1
    assert splits.leaks(table, labels)[0]["feature"] == "a"
    assert verdicts(table, labels)["single-feature-leak"] == "uncertain"


def test_a_code_for_missing_is_suspected_and_a_long_tail_is_not() -> None:
    table = features(1000)
    table["tail"] = RANDOM.lognormal(size=1000)
    assert splits.sentinels(table) == []
    table.loc[:19, "b"] = 999
    assert splits.sentinels(table) == [{"column": "b", "value": 999.0, "count": 20}]


def test_base_rates_apart_are_said() -> None:
    table, labels = features(1000), np.arange(1000) % 2
    other = splits.Part(features(1000), (np.arange(1000) % 5 == 0).astype(int))
    assert verdicts(table, labels, parts={"train": other})["base-rates"] == "uncertain"


def answers(labels: np.ndarray, wrong: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    found = np.where(random.random(len(labels)) < wrong, 1 - labels, labels)
    return found, np.clip(found * 0.6 + 0.2 + random.normal(size=len(labels)) * 0.05, 0, 1)


def test_a_challenger_is_better_worse_or_only_lucky() -> None:
    labels = RANDOM.integers(0, 2, 800)
    good, alike, bad = answers(labels, 0.10, 1), answers(labels, 0.10, 2), answers(labels, 0.2, 3)
    for one, two, verdict in ((good, bad, "better"), (bad, good, "worse"), (good, alike, "no difference")):
        found = challenging.compare(labels, one, two, BINARY, 0)["figures"]
        assert found["accuracy"]["verdict"] == verdict
        assert found["brier"]["verdict"] in (verdict, "no difference")
        assert found["accuracy"]["low"] <= found["accuracy"]["difference"] <= found["accuracy"]["high"]


def test_the_paired_interval_covers_and_is_narrower_than_two_apart() -> None:
    from govern.checks import intervals

    labels = np.ones(1000, np.int64)
    both = np.random.default_rng(5).random(1000) < 0.7
    one, two = both.astype(int), both.astype(int).copy()
    two[np.flatnonzero(both)[:20]] = 0
    found = challenging.compare(labels, (one, one * 1.0), (two, two * 1.0), BINARY, 0)["figures"]["accuracy"]
    low, high = intervals.difference(one.sum(), 1000, two.sum(), 1000)
    assert found["difference"] == pytest.approx(0.02)
    assert found["low"] > 0 and found["high"] - found["low"] < (high - low) / 2


def test_numbers_are_compared_by_their_errors() -> None:
    truth = RANDOM.normal(size=500)
    none = np.zeros(500, np.int64)
    near, far = (none, truth + 0.1), (none, truth + 0.4 * RANDOM.normal(size=500))
    assert challenging.compare(truth, near, far, Task("regression"), 0)["figures"]["mae"]["verdict"] == "better"
