"""Fairness figures against fairlearn, and answers that no check may believe."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from govern.adapters.candidates.formats import refuse_unsafe
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


@pytest.mark.parametrize("name", ["model.pkl", "model.joblib", "weights.pt"])
def test_formats_that_run_code_are_refused(name: str) -> None:
    with pytest.raises(InvalidRequestError, match="export the model to ONNX"):
        refuse_unsafe({name: b"", "model.json": b"{}", "model.onnx": b""})
