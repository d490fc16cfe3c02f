"""Token buckets: never more than the burst and what the rate has given since."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from govern.errors import MalformedError
from serving_gate.rates import BUCKETS_MAX, Buckets, Rate

TIMES = st.lists(st.floats(0, 3, allow_nan=False), min_size=1, max_size=200)


@given(TIMES, st.floats(0.1, 100), st.floats(1, 50))
def test_no_window_has_more_than_burst_and_rate(steps: list[float], rate: float, burst: float) -> None:
    buckets, now, taken = Buckets(), 0.0, []
    for step in steps:
        now += step
        if buckets.wait_seconds("a", Rate(rate, burst), now) == 0:
            taken.append(now)
    for place, start in enumerate(taken):
        for count, end in enumerate(taken[place:], 1):
            assert count <= burst + rate * (end - start) + 1e-6


def test_who_waits_as_told_is_served_and_others_are_not_touched() -> None:
    buckets, rate = Buckets(), Rate(2, 3)
    assert [buckets.wait_seconds("a", rate, 5.0) for _ in range(3)] == [0, 0, 0]
    wait = buckets.wait_seconds("a", rate, 5.0)
    assert wait == pytest.approx(0.5)
    assert buckets.wait_seconds("b", rate, 5.0) == 0
    assert buckets.wait_seconds("a", rate, 5.0 + wait) == 0


def test_many_names_take_bounded_memory() -> None:
    buckets = Buckets()
    for number in range(BUCKETS_MAX + 10):
        buckets.wait_seconds(str(number), Rate(1, 1), 0.0)
    assert len(buckets._levels) == BUCKETS_MAX


@pytest.mark.parametrize("row", [
    {"requests_per_second": "5"}, {"requests_per_second": 0}, {"requests_per_second": -1},
    {"requests_per_second": True}, {"requests_per_second": 1e9}, {"burst": 5},
    {"requests_per_second": 5, "burst": float("nan")},
])  # fmt: skip
def test_a_rate_that_is_none_is_malformed(row: dict[str, object]) -> None:
    with pytest.raises(MalformedError):
        Rate.from_json(row)
