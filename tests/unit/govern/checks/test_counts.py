"""Counts: equal to fairlearn on every point metric, additive over shards, order-free."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from fairlearn import metrics as fair
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, precision_score

from govern.checks import fairness
from govern.checks.counts import GROUPS_MAX, RATES, count, encode, intersect, total
from govern.errors import InvalidRequestError

THEIRS = {
    "selection_rate": fair.selection_rate,
    "tpr": fair.true_positive_rate,
    "fpr": fair.false_positive_rate,
    "tnr": fair.true_negative_rate,
    "fnr": fair.false_negative_rate,
    "accuracy": accuracy_score,
    "precision": lambda y, p: precision_score(y, p, zero_division=0),
}


@st.composite
def tables(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    size = draw(st.integers(10, 300))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    groups = pd.DataFrame({
        "one": random.choice(list("abcd")[: draw(st.integers(1, 4))], size),
        "two": random.choice(["x", "y"], size),
    })
    rate = draw(st.floats(0.02, 0.98))
    return (random.random(size) < rate).astype(int), (random.random(size) < 0.5).astype(int), groups


@settings(max_examples=60, deadline=None)
@given(tables())
def test_every_rate_equals_fairlearn(given_table: tuple[np.ndarray, np.ndarray, pd.DataFrame]) -> None:
    labels, predicted, sensitive = given_table
    frame = fair.MetricFrame(metrics=THEIRS, y_true=labels, y_pred=predicted, sensitive_features=sensitive)
    both = intersect([encode(name, sensitive[name]) for name in sensitive])
    counted = count(labels, predicted, both)
    for rate in RATES:
        if rate.name not in THEIRS:
            continue
        ours = rate.of(counted.table)
        for name, value in zip(counted.names, ours, strict=True):
            if np.isnan(value):  # fairlearn says 0 where nothing is in the denominator; we say nothing
                continue
            assert value == pytest.approx(frame.by_group.loc[tuple(name.split(", ")), rate.name], abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(tables(), st.integers(1, 7), st.randoms())
def test_shards_change_nothing(given_table, shards: int, random) -> None:
    labels, predicted, sensitive = given_table
    whole = count(labels, predicted, encode("one", sensitive["one"]))
    cuts = np.array_split(np.arange(len(labels)), shards)
    random.shuffle(cuts)
    parts = [
        count(labels[rows], predicted[rows], encode("one", sensitive["one"].iloc[rows]))
        for rows in cuts if len(rows)
    ]
    summed = total(parts)
    assert summed.names == whole.names
    assert (summed.table == whole.table).all() and (summed.unknown == whole.unknown).all()
    rules = fairness.Rules(bootstraps=50)
    assert repr(fairness.measure_counts(summed, 0, rules)) == repr(fairness.measure_counts(whole, 0, rules))


def test_missing_groups_are_unknown_and_no_group() -> None:
    groups = encode("race", pd.Series(["a", None, "b", "unknown", float("nan")]))
    assert groups.names == ("a", "b") and groups.codes.tolist() == [0, -1, 1, -1, -1]


def test_unknown_in_one_feature_is_unknown_in_the_intersection() -> None:
    one = encode("one", pd.Series(["b", "a", None]))
    two = encode("two", pd.Series(["y", "x", "x"]))
    both = intersect([one, two])
    assert both.names == ("a, x", "b, y") and both.codes.tolist() == [1, 0, -1]


def test_ten_thousand_categories_are_refused_with_advice() -> None:
    column = pd.Series([str(number) for number in range(10_000)])
    with pytest.raises(InvalidRequestError, match=f"10000 groups; at most {GROUPS_MAX}.*coarser"):
        encode("postcode", column)


def test_a_group_without_positives_has_no_true_positive_rate() -> None:
    labels = np.array([0] * 30 + [1] * 30)
    groups = pd.Series(["a"] * 30 + ["b"] * 30)
    found = fairness.measure(labels, labels, groups, 0)
    assert found["groups"][0]["tpr"] is None and found["tpr_difference"]["value"] is None


def test_one_group_gives_no_ratio_and_no_false_comfort() -> None:
    found = fairness.measure(np.arange(60) % 2, np.arange(60) % 2, pd.Series(["a"] * 60), 0)
    assert found["ratio"]["value"] is None and found["comparisons"] == []


def test_nobody_selected_gives_no_ratio() -> None:
    found = fairness.measure(np.arange(60) % 2, np.zeros(60, int), pd.Series(["a", "b"] * 30), 0)
    assert found["ratio"]["value"] is None


def test_excluded_groups_are_shown_with_the_denominator() -> None:
    groups = pd.Series(["a"] * 500 + ["b"] * 490 + ["c"] * 10 + [None] * 100)
    labels = np.arange(1100) % 2
    known = fairness.measure(labels, labels, groups, 0)["excluded"][0]
    assert (known["group"], known["n"], known["denominator"]) == ("c", 10, 1000)
    rules = fairness.Rules(exclusion_denominator="all")
    assert fairness.measure(labels, labels, groups, 0, rules)["excluded"][0]["denominator"] == 1100


def test_unknown_people_bound_the_ratio() -> None:
    groups = pd.Series(["a"] * 100 + ["b"] * 100 + [None] * 20)
    predicted = np.array([1] * 60 + [0] * 40 + [1] * 80 + [0] * 20 + [1] * 10 + [0] * 10)
    bounds = fairness.measure(predicted, predicted, groups, 0)["unknown"]
    assert bounds["ratio_worst"] == pytest.approx((60 / 110) / (90 / 110))
    assert bounds["ratio_best"] == pytest.approx((70 / 110) / (80 / 110))
