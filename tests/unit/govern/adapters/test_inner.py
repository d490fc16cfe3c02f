"""What is read from inside trees: interactions by definition, deep trees within their errors."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import xgboost
from sklearn.ensemble import RandomForestClassifier

from govern.adapters.candidates import inner
from govern.checks import inner_values

RANDOM = np.random.default_rng(0)
ROWS = RANDOM.normal(size=(300, 4)).astype(np.float32).astype(float)
LABELS = (ROWS[:, 0] * ROWS[:, 1] + ROWS[:, 2] > 0).astype(int)
BACKGROUND = ROWS[250:280]


@pytest.fixture(scope="module")
def booster() -> Any:
    settings = {"objective": "binary:logistic", "max_depth": 3, "nthread": 1}
    return xgboost.train(settings, xgboost.DMatrix(ROWS, LABELS), 8)


def margin(model: Any) -> inner.Output:
    return lambda rows: np.asarray(model.inplace_predict(rows.astype(np.float32), predict_type="margin"), float)


def by_definition(output: inner.Output, rows: np.ndarray, first: int, second: int) -> np.ndarray:
    """The Shapley interaction index of a pair, over every coalition (Grabisch and Roubens, 1999)."""
    others = [at for at in range(rows.shape[1]) if at not in (first, second)]

    def worth(members: tuple[int, ...]) -> np.ndarray:
        inside = np.isin(np.arange(rows.shape[1]), members)
        mixed = np.where(inside, rows[:, None, :], BACKGROUND[None])
        return output(mixed.reshape(-1, rows.shape[1])).reshape(len(rows), -1).mean(axis=1)

    weights = {0: 1 / 3, 1: 1 / 6, 2: 1 / 3}  # s! (n - s - 2)! / (n - 1)! where n is 4
    found = np.zeros(len(rows))
    for count in range(3):
        for members in itertools.combinations(others, count):
            both = worth((*members, first, second)) + worth(members)
            found += weights[count] * (both - worth((*members, first)) - worth((*members, second)))
    return found


def test_interactions_are_those_of_the_definition(booster: Any) -> None:
    output = margin(booster)
    found = inner.explain_trees(booster, output, "margin", ROWS, BACKGROUND)
    pairs = found.interactions
    assert pairs is not None and pairs.rows == inner.PAIRS_ROWS and pairs.oracle_gap < 1e-4
    for first, second in itertools.combinations(range(4), 2):
        true = np.abs(by_definition(output, ROWS[: pairs.rows], first, second)).mean()
        assert pairs.mean_abs[first, second] * 2 == pytest.approx(true, abs=1e-5)
    told = inner_values.measured(list("abcd"), found, [], {})
    assert told["interactions"]["pairs"][0]["features"] == ["a", "b"]  # the product it was made of
    assert inner_values.finding(told).verdict == "pass"
    assert "interactions over 8 rows" in inner_values.finding(told).message


def test_an_interaction_that_shap_sees_otherwise_is_uncertain(booster: Any) -> None:
    found = inner.explain_trees(booster, margin(booster), "margin", ROWS, BACKGROUND)
    told = inner_values.measured(list("abcd"), found, [], {})
    told["interactions"]["oracle"]["relative_to_spread"] = 0.1
    assert inner_values.finding(told).verdict == "uncertain"


def test_trees_too_deep_for_woodelf_are_explained_by_shap_over_fewer_rows(
    booster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shallow = inner.explain_trees(booster, margin(booster), "margin", ROWS, BACKGROUND)
    monkeypatch.setattr(inner, "DEPTH_MAX", 2)
    monkeypatch.setattr(inner, "LEAF_VISITS_MAX", 30 * 60 * 50)
    deep = inner.explain_trees(booster, margin(booster), "margin", ROWS, BACKGROUND)
    assert deep.method.startswith("trees by shap") and inner.ORACLE_ROWS <= len(deep.output) < len(ROWS)
    assert deep.values == pytest.approx(shallow.values[: len(deep.output)], abs=1e-5)
    assert (deep.oracle_errors > 0).any() and deep.interactions is None
    told = inner_values.measured(list("abcd"), deep, [], {})
    assert inner_values.finding(told).verdict == "pass" and "beyond four standard errors" in inner_values.finding(told).message
    deep.ours[:, 2] += 0.5 * deep.output.std()
    assert inner_values.finding(inner_values.measured(list("abcd"), deep, [], {})).verdict == "uncertain"


def test_a_forest_of_depth_fourteen_is_explained() -> None:
    random = np.random.default_rng(1)
    rows = random.normal(size=(1500, 4)).astype(np.float32).astype(float)
    labels = (rows[:, 0] * rows[:, 1] + random.normal(size=1500) > 0).astype(int)
    forest = RandomForestClassifier(10, max_depth=14, random_state=0).fit(rows, labels)
    found = inner.explain_trees(forest, lambda table: forest.predict_proba(table)[:, 1], "probability", rows[:200], rows[:60])
    assert found.method.startswith("trees by shap") and found.values.shape == (200, 4)
    told = inner_values.measured(list("abcd"), found, [], {})
    assert told["additivity_error"] < 1e-4 and inner_values.finding(told).verdict == "pass"
