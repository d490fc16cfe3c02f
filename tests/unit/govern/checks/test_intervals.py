"""Intervals cover what they claim; tests and forms against published numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from govern.checks import comparing, group_scores, intervals, other_tasks, strata
from govern.checks.counts import SELECTION, bootstrap, encode

SIMULATIONS = 4000


@pytest.mark.parametrize(("n1", "p1", "n2", "p2"), [(60, 0.6, 60, 0.8), (40, 0.7, 700, 0.85), (500, 0.3, 2000, 0.4)])
def test_the_ratio_interval_covers_95_percent(n1: int, p1: float, n2: int, p2: float) -> None:
    random = np.random.default_rng(7)
    k1, k2 = random.binomial(n1, p1, SIMULATIONS), random.binomial(n2, p2, SIMULATIONS)
    bounds = [intervals.log_ratio(a, n1, b, n2) for a, b in zip(k1, k2, strict=True)]
    covered = np.mean([low <= p1 / p2 <= high for low, high in bounds])
    assert 0.93 <= covered <= 0.97, covered


@pytest.mark.parametrize(("n1", "p1", "n2", "p2"), [(30, 0.5, 30, 0.7), (60, 0.6, 600, 0.8)])
def test_the_difference_interval_covers_95_percent(n1: int, p1: float, n2: int, p2: float) -> None:
    random = np.random.default_rng(8)
    k1, k2 = random.binomial(n1, p1, SIMULATIONS), random.binomial(n2, p2, SIMULATIONS)
    bounds = [intervals.difference(a, n1, b, n2) for a, b in zip(k1, k2, strict=True)]
    covered = np.mean([low <= p1 - p2 <= high for low, high in bounds])
    assert 0.93 <= covered <= 0.97, covered


@pytest.mark.parametrize("n", [20, 60, 400])
def test_the_wilson_interval_covers_95_percent(n: int) -> None:
    """Its coverage swings with p by discreteness; over p it is 95 % (Brown et al., 2001)."""
    random = np.random.default_rng(9)
    shares = random.uniform(0.05, 0.95, SIMULATIONS)
    bounds = [intervals.wilson(k, n) for k in random.binomial(n, shares)]
    covered = np.mean([low <= p <= high for p, (low, high) in zip(shares, bounds, strict=True)])
    assert 0.93 <= covered <= 0.97, covered


def test_the_delong_interval_covers_95_percent() -> None:
    random, truth = np.random.default_rng(10), 0.7602499389065233  # P(N(1,1) > N(0,1))
    covered = []
    for _ in range(800):
        labels = np.array([1] * 40 + [0] * 60)
        found = group_scores.auc(labels, random.normal(labels.astype(float)))
        covered.append(found["low"] <= truth <= found["high"])
    assert 0.925 <= np.mean(covered) <= 0.975


def test_area_equals_scikit_learn_with_ties() -> None:
    from sklearn.metrics import roc_auc_score

    random = np.random.default_rng(3)
    labels, scores = random.integers(0, 2, 500), random.integers(0, 12, 500) / 12
    assert group_scores.auc(labels, scores)["value"] == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


@pytest.mark.parametrize(("n1", "p1", "n2", "p2"), [(60, 0.6, 60, 0.8), (79, 0.68, 673, 0.93)])
def test_the_bootstrap_of_a_fixed_pair_covers_95_percent(n1: int, p1: float, n2: int, p2: float) -> None:
    random, covered = np.random.default_rng(11), []
    for seed in range(1000):
        k1, k2 = random.binomial(n1, p1), random.binomial(n2, p2)
        table = np.array([[n1 - k1, 0, 0, k1], [n2 - k2, 0, 0, k2]])
        rates = SELECTION.of(bootstrap(table, 400, seed))
        low, high = intervals.percentile_interval(rates[:, 0] / rates[:, 1])
        covered.append(low <= p1 / p2 <= high)
    assert 0.93 <= np.mean(covered) <= 0.97, np.mean(covered)


def test_holm_as_published() -> None:
    """Holm (1979) on four p values: the textbook steps."""
    found = intervals.holm(np.array([0.01, 0.04, 0.03, 0.005, np.nan]))
    assert found[:4] == pytest.approx([0.03, 0.06, 0.06, 0.02]) and np.isnan(found[4])


def test_the_worst_of_many_equal_groups_often_looks_unfair() -> None:
    """Five equal groups of a hundred at .3: the four-fifths rule cries wolf in about 83 %."""
    table = np.array([[50, 20, 20, 10]] * 5)
    found = comparing.false_alarm(table, 0.8, 0)
    assert found["chance"] == pytest.approx(0.83, abs=0.03) and found["groups"] == 5


@pytest.mark.parametrize(("k1", "n1", "rate2", "flips"), [(60, 100, 0.8, 4), (64, 100, 0.8, 1), (70, 100, 0.8, 7)])
def test_flips_turn_the_verdict_and_one_fewer_does_not(k1: int, n1: int, rate2: float, flips: int) -> None:
    assert intervals.flips_to_reverse(k1, n1, rate2) == flips
    passes = k1 / n1 / rate2 >= 0.8 - 1e-12
    step = -1 if passes else 1
    assert ((k1 + step * flips) / n1 / rate2 >= 0.8 - 1e-12) != passes
    assert ((k1 + step * (flips - 1)) / n1 / rate2 >= 0.8 - 1e-12) == passes


class TestLocalLaw144:
    """The worked tables of New York's rule (6 RCNY 5-301)."""

    def test_selection_by_sex(self) -> None:
        table = np.array([[1181 - 555, 0, 0, 555], [1390 - 667, 0, 0, 667]])
        row = comparing.against_best(("female", "male"), table, 0.8)[0]
        assert (round(row["ratio"], 3), row["reference"]) == (0.979, "male")
        assert round(667 / 1390, 2) == 0.48 and round(555 / 1181, 2) == 0.47

    @pytest.mark.parametrize(("rates", "ratios"), [
        ({"male": (92, 0.543), "female": (76, 0.447)}, {"male": 1.00, "female": 0.82}),
        (
            {"hispanic": (28, 0.642), "white": (40, 0.375), "black": (32, 0.5), "nhpi": (8, 0.625), "asian": (24, 0.417)},
            {"hispanic": 1.00, "white": 0.58, "black": 0.78, "nhpi": 0.97, "asian": 0.65},
        ),
    ])
    def test_scoring_rates(self, rates: dict, ratios: dict) -> None:
        scores, groups = [], []
        for name, (size, rate) in rates.items():
            above = round(size * rate)
            scores += [2.0] * above + [0.0] * (size - above)
            groups += [name] * size
        balance = sum(score > 1 for score in scores) * 2 - len(scores)
        filler = [0.0] * max(0, balance) + [2.0] * max(0, -balance)
        scores += [*filler, 1.0]  # people of unknown sex or race settle the median at 1
        groups += [None] * (len(filler) + 1)
        found = group_scores.above_median(np.array(scores), encode("group", pd.Series(groups)))
        for row in found["groups"]:
            assert row["impact_ratio"] == pytest.approx(ratios[row["group"]], abs=0.015)
        assert max(row["impact_ratio"] for row in found["groups"]) == 1.0

    def test_a_score_at_the_median_is_not_above_it(self) -> None:
        found = group_scores.above_median(np.array([1.0, 2, 2, 3]), encode("g", pd.Series(list("aabb"))))
        assert [row["above"] for row in found["groups"]] == [0, 1]


def test_berkeley_admissions_reverse_within_departments() -> None:
    """Bickel, Hammel and O'Connell (1975): the six largest departments of Berkeley, 1973."""
    cells = {  # department: men admitted, men rejected, women admitted, women rejected
        "A": (512, 313, 89, 19), "B": (353, 207, 17, 8), "C": (120, 205, 202, 391),
        "D": (138, 279, 131, 244), "E": (53, 138, 94, 299), "F": (22, 351, 24, 317),
    }
    rows = [
        (dept, woman, admitted)
        for dept, counts in cells.items()
        for (woman, admitted), size in zip([(0, 1), (0, 0), (1, 1), (1, 0)], counts, strict=True)
        for _ in range(size)
    ]
    dept, woman, admitted = (np.array(column) for column in zip(*rows, strict=True))
    found = strata.simpson(admitted == 1, woman == 1, woman == 0, dept)
    assert found["overall"] == pytest.approx(-0.1416, abs=1e-3) and found["reverses"]
    assert found["odds_ratio"]["value"] == pytest.approx(1 / 0.9047, abs=2e-3)  # R: mantelhaen.test(UCBAdmissions)


def test_classes_rankings_and_numbers() -> None:
    groups = encode("g", pd.Series(["a"] * 4 + ["b"] * 4))
    truth, answer = np.array(list("xxyyxxyy")), np.array(list("xxxyxyyy"))
    found = other_tasks.multiclass(truth, answer, groups)["classes"][0]
    assert found["rates"] == {"a": 0.75, "b": 0.25} and found["ratio"] == pytest.approx(1 / 3)
    ranked = other_tasks.ranking(np.arange(8.0), groups, top=2)
    assert [row["top"] for row in ranked["groups"]] == [0, 2]
    assert ranked["groups"][1]["top_share_over_pool"] == 2.0
    numbers = other_tasks.regression(np.zeros(8), np.array([1.0] * 4 + [3.0] * 4), groups)
    assert numbers["error_difference"]["value"] == 2.0 and numbers["groups"][0]["mae"] == 1.0
