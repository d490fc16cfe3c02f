"""Fairness figures against fairlearn, and answers that no check may believe."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from govern.adapters.candidates.formats import refuse_unsafe
from govern.checks import group_scores
from govern.checks.counts import encode
from govern.checks.fairness import measure
from govern.checks.shapley import explain
from govern.errors import InvalidRequestError


@pytest.mark.parametrize("seed", range(5))
def test_rates_equal_fairlearn(seed: int) -> None:
    from fairlearn.metrics import (
        MetricFrame,
        false_positive_rate,
        selection_rate,
        true_positive_rate,
    )

    random = np.random.default_rng(seed)
    labels, predicted = random.integers(0, 2, 400), random.integers(0, 2, 400)
    groups = pd.Series(random.choice(["a", "b", "c"], 400))
    found = measure(labels, predicted, groups, 0)
    frame = MetricFrame(
        metrics={"rate": selection_rate, "tpr": true_positive_rate, "fpr": false_positive_rate},
        y_true=labels, y_pred=predicted, sensitive_features=groups,
    )
    for row in found["groups"]:
        for name in ("rate", "tpr", "fpr"):
            assert row[name] == pytest.approx(frame.by_group.loc[row["group"], name], abs=1e-12)


def test_unknown_people_are_counted_not_guessed() -> None:
    groups = pd.Series(["a"] * 50 + ["b"] * 50 + ["unknown"] * 7)
    found = measure(np.arange(107) % 2, np.arange(107) % 3 % 2, groups, 0)
    assert found["unknown"]["count"] == 7
    assert {row["group"] for row in found["groups"]} == {"a", "b"}


def test_shapley_values_of_a_linear_model_are_exact() -> None:
    random = np.random.default_rng(1)
    weights, rows, background = random.normal(size=6), random.normal(size=(5, 6)), random.normal(size=(20, 6))
    found = explain(lambda x: x @ weights, rows, background, paths=40, seed=0)
    assert found.values == pytest.approx(weights * (rows - background.mean(axis=0)), abs=1e-9)
    assert found.additivity_error < 1e-9


def test_shapley_values_equal_those_of_shaps_exact_explainer() -> None:
    """A model of pairs, where the paths are exact as well: the same numbers, to 1e-6."""
    import shap

    random = np.random.default_rng(2)
    rows, background = random.normal(size=(4, 5)), random.normal(size=(10, 5))
    function = lambda x: x[:, 0] * x[:, 1] - 2 * x[:, 2] + x[:, 3] * x[:, 4]  # noqa: E731
    masker = shap.maskers.Independent(background, max_samples=10)
    theirs = shap.explainers.Exact(function, masker)(rows).values
    assert explain(function, rows, background, paths=10, seed=0).values == pytest.approx(theirs, abs=1e-6)


def test_the_selection_rates_of_local_law_144s_own_example() -> None:
    """6 RCNY 5-301, the example of selection rates by sex: 48 %, 47 %, impact ratio 0.979."""
    sex = pd.Series(["Male"] * 1390 + ["Female"] * 1181, name="sex")
    chosen = np.array([1] * 667 + [0] * 723 + [1] * 555 + [0] * 626)
    found = measure(chosen, chosen, sex, 0)
    assert [(row["group"], round(row["rate"], 2)) for row in found["groups"]] == [("Female", 0.47), ("Male", 0.48)]
    assert (found["ratio"]["group"], round(found["ratio"]["value"], 3)) == ("Female", 0.979)


def test_the_scoring_rates_of_local_law_144s_own_example() -> None:
    """6 RCNY 5-301, the example of scores: shares above the median of everybody, and their ratios."""
    sexes = {"Male": (92, 50), "Female": (76, 34)}
    races = {"Hispanic": (28, 18), "White": (40, 15), "Black": (32, 16), "Islander": (8, 5), "Asian": (24, 10)}
    told = {"Male": 1.0, "Female": 0.82, "Hispanic": 1.0, "White": 0.58, "Black": 0.78, "Islander": 0.97, "Asian": 0.65}
    scores = np.array([1.0] * 84 + [0.0] * 84)
    for groups in (sexes, races | {"unknown": (36, 20)}):
        high = [name for name, (_, above) in groups.items() for _ in range(above)]
        low = [name for name, (n, above) in groups.items() for _ in range(n - above)]
        found = group_scores.by_group(np.arange(168) % 2, scores, encode("one", pd.Series(high + low)))
        rates = {row["group"]: row["rate"] for row in found["above_median"]["groups"]}
        best = max(rates.values())
        assert {name: round(rate / best, 2) for name, rate in rates.items()} == {name: told[name] for name in rates}


@pytest.mark.parametrize("name", ["model.pkl", "model.joblib", "weights.pt"])
def test_formats_that_run_code_are_refused(name: str) -> None:
    with pytest.raises(InvalidRequestError, match="export the model to ONNX"):
        refuse_unsafe({name: b"", "model.json": b"{}", "model.onnx": b""})
