"""Confidence sequences keep their promise under daily looking; fixed intervals do not."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from govern.checks.intervals import wilson
from govern.checks.monitoring import Answers, Known, measure, ratio
from govern.checks.sequential import share_sequence


def streams(share: float, runs: int, n: int) -> np.ndarray:
    draws = np.random.default_rng(7).random((runs, n)) < share
    return np.cumsum(draws, axis=1)


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_the_true_share_is_missed_on_any_day_at_most_as_often_as_promised(share: float) -> None:
    looks = range(10, 1501, 75)
    sums, missed, by_wilson = streams(share, 300, 1500), 0, 0
    for run in sums:
        held = [share_sequence(int(run[n - 1]), n, 0.1) for n in looks]
        missed += any(not one.low <= share <= one.high for one in held)
        fixed = [wilson(float(run[n - 1]), n, 1.645) for n in looks]
        by_wilson += any(not low <= share <= high for low, high in fixed)
    assert missed / len(sums) <= 0.1
    assert by_wilson / len(sums) > 0.3  # what looking daily at a fixed interval does


@given(st.integers(0, 200), st.integers(0, 200), st.floats(0.001, 0.5))
def test_the_interval_holds_the_share_and_grows_with_the_promise(hits: int, misses: int, alpha: float) -> None:
    found = share_sequence(hits, hits + misses, alpha)
    if found.value is not None:
        assert 0 <= found.low <= found.value <= found.high <= 1
    stricter = share_sequence(hits, hits + misses, alpha / 10)
    assert stricter.low <= found.low and found.high <= stricter.high
    mirrored = share_sequence(misses, hits + misses, alpha)
    assert mirrored.low == pytest.approx(1 - found.high, abs=1e-9)


def test_the_end_is_where_the_mixture_is_one_over_alpha() -> None:
    """The mixture over Beta(1/2, 1/2) of 3 of 10: its average likelihood by quadrature."""
    found = share_sequence(3, 10, 0.05)
    shares = (np.sin(np.linspace(0, np.pi / 2, 200_001)[:-1] + np.pi / 800_000)) ** 2
    average = float(np.mean(shares**3 * (1 - shares) ** 7))
    for end in (found.low, found.high):
        assert average / (end**3 * (1 - end) ** 7) == pytest.approx(20, rel=1e-3)
    assert comb(10, 3) == 120


def test_what_is_no_share_is_refused() -> None:
    for count, n, alpha in ((3, 2, 0.1), (-1, 2, 0.1), (1, 2, 0.0), (1, 2, 1.0)):
        with pytest.raises(ValueError):
            share_sequence(count, n, alpha)


def answers(seed: int, n: int, *, shift: float = 0.0, missing: float = 0.0) -> Answers:
    dice = np.random.default_rng(seed)
    rows = dice.normal(shift, 1, (n, 3))
    scores = 1 / (1 + np.exp(-rows.sum(axis=1)))
    rows[dice.random((n, 3)) < missing] = np.nan
    return Answers(rows, (scores > 0.5).astype(np.int64), scores)


def nothing_known(n: int) -> Known:
    return Known(np.full(n, -1))


def test_traffic_like_the_evaluation_shows_no_proven_change() -> None:
    found = measure(answers(1, 2000), answers(2, 3000), "abc", nothing_known(3000), 0.05)
    assert found["selection"]["change_at_least"] == 0.0
    assert found["scores"]["ks"]["low"] == 0.0 and found["scores"]["psi"] < 0.02
    assert found["inputs"]["missing_more_by_at_least"] == 0.0


def test_shifted_traffic_and_lost_inputs_are_proven_changes() -> None:
    live = answers(2, 3000, shift=0.8, missing=0.2)
    found = measure(answers(1, 2000), live, "abc", nothing_known(3000), 0.05)
    assert found["selection"]["change_at_least"] > 0.2
    assert found["scores"]["ks"]["low"] > 0.2 and found["scores"]["psi"] > 0.25
    assert found["inputs"]["missing_more_by_at_least"] > 0.1


def test_false_alarms_of_all_figures_together_stay_below_alpha() -> None:
    approved, alarms = answers(1, 20_000), 0
    for seed in range(40):
        live = answers(100 + seed, 1500)
        found = [
            measure(approved, Answers(*(part[:n] for part in (live.rows, live.labels, live.scores))),
                    "abc", nothing_known(n), 0.05)
            for n in (50, 200, 700, 1500)
        ]  # fmt: skip
        alarms += any(
            one["selection"]["change_at_least"] > 0 or one["scores"]["ks"]["low"] > 0
            or one["inputs"]["missing_more_by_at_least"] > 0
            for one in found
        )  # fmt: skip
    assert alarms <= 3


def test_groups_and_outcomes_are_measured_as_far_as_they_are_known() -> None:
    live = answers(2, 4000)
    group = np.array(["a"] * 2000 + ["b"] * 1980 + ["c"] * 10 + [""] * 10)
    outcomes = np.where(np.arange(4000) < 900, live.labels, -1)
    live.labels[2000:3980] = (np.arange(1980) % 4 == 0).astype(np.int64)
    found = measure(answers(1, 500), live, "abc", Known(outcomes, {"race": group}), 0.05)
    (race,) = found["fairness"]
    assert race["attribute"] == "race"
    assert race["unknown"] == 10
    assert [row["excluded"] for row in race["groups"]] == [False, False, True]
    assert race["ratio"]["value"] == pytest.approx(0.25 / live.labels[:2000].mean())
    assert race["ratio"]["low"] < race["ratio"]["value"] < race["ratio"]["high"] < 0.8
    assert found["performance"]["accuracy"]["value"] == 1.0
    assert found["performance"]["accuracy"]["n"] == 900


def test_a_ratio_of_one_group_is_none() -> None:
    assert ratio([share_sequence(3, 9, 0.1).to_json()])["value"] is None


def test_no_traffic_yet_is_no_alarm() -> None:
    found = measure(answers(1, 500), answers(2, 0), "abc", nothing_known(0), 0.05)
    assert found["scores"]["ks"]["value"] == found["scores"]["ks"]["low"] == 0.0
    assert found["selection"]["value"] is None
