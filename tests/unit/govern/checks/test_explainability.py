"""Explanations: exact where exact values exist, gaps that add up, tables of any names."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from govern.checks import explainability, shapley
from govern.checks import explained as explained_rows
from govern.checks import explanation_quality as quality
from govern.checks.registry import CheckData, Model, Outcome
from govern.errors import InvalidRequestError


class Additive:
    """A model of four features and no library: a known score of known parts."""

    columns = ["a", "b", "c", "d"]  # noqa: RUF012
    protected: list[str] = []  # noqa: RUF012
    device: dict[str, object] = {}  # noqa: RUF012

    def predict(self, rows: np.ndarray, protected: object = None) -> tuple[np.ndarray, np.ndarray]:
        score = 1 / (1 + np.exp(-(rows[:, 0] - rows[:, 1] * rows[:, 2])))
        return (score >= 0.5).astype(np.int64), score.astype(np.float32)


def table(rows: int = 90, seed: int = 0) -> CheckData:
    random = np.random.default_rng(seed)
    features = pd.DataFrame(random.normal(size=(rows, 4)), columns=Additive.columns)
    return CheckData(
        features=features, labels=random.integers(0, 2, rows),
        sensitive=pd.DataFrame({"disability": random.choice(["yes", "no", "unknown"], rows, p=[0.1, 0.8, 0.1])}),
        background=random.normal(size=(50, 4)), profile={}, digests={}, candidate="sha256:0",
        directions={"a": "+", "nowhere": "-"},
    )


def explained(model: Model, seed: int) -> Outcome:
    data = table()
    parts = {piece.name: piece.whole() for piece in explainability.pieces(model, data, seed, {})}
    return explainability.run(model, data, seed, {}, parts)


def exact(function: shapley.Function, row: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Shapley values by definition, over every coalition (Shapley, 1953)."""
    size = len(row)
    worth = {
        members: function(np.where(np.isin(np.arange(size), members), row, background)).mean()
        for count in range(size + 1) for members in itertools.combinations(range(size), count)
    }
    values = np.zeros(size)
    for at in range(size):
        for members in (m for m in worth if at not in m):
            weight = math.factorial(len(members)) * math.factorial(size - len(members) - 1) / math.factorial(size)
            values[at] += weight * (worth[tuple(sorted((*members, at)))] - worth[members])
    return values


def test_values_are_within_their_stated_error_of_the_exact_ones() -> None:
    data, model = table(), Additive()
    function = lambda rows: model.predict(rows)[1].astype(float)  # noqa: E731
    found = shapley.explain(function, data.rows[:12], data.background, paths=2000, seed=3)
    true = np.stack([exact(function, row, data.background) for row in data.rows[:12]])
    assert (np.abs(found.values - true) <= 4 * found.errors + 1e-6).all()
    assert np.abs(found.values - true).max() < 0.01


def test_a_wide_table_is_explained_in_calls_of_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    data, model, sizes = table(), Additive(), []

    def function(rows: np.ndarray) -> np.ndarray:
        sizes.append(rows.size)
        return model.predict(rows)[1].astype(float)

    whole = shapley.explain(function, data.rows[:5], data.background, paths=100, seed=3)
    monkeypatch.setattr(shapley, "CELLS_MAX", 1000)
    sizes.clear()
    found = shapley.explain(function, data.rows[:5], data.background, paths=100, seed=3)
    assert found.values.tobytes() == whole.values.tobytes() and found.output.tobytes() == whole.output.tobytes()
    assert max(sizes) <= 1000 + 4 and found.evaluations == sum(sizes) / 4
    with pytest.raises(InvalidRequestError, match="2001 inputs are too many to explain"):
        shapley.rows_at_once(2001, 400)


def test_a_table_without_race_is_explained() -> None:
    findings, metrics = explained(Additive(), 0)
    assert {finding.verdict for finding in findings} <= {"pass", "uncertain"}
    assert metrics["gap"]["feature"] == "disability"
    assert metrics["oracle"]["method"] == "exact" and metrics["oracle"]["max_abs_difference"] < 0.03
    parts = sum(item["value"] for item in metrics["gap"]["by_feature"])
    assert parts == pytest.approx(metrics["gap"]["total"], abs=1e-6)


def test_small_groups_are_topped_up_and_leave_the_global_figures_alone() -> None:
    data = table(rows=600)
    base, sample = explained_rows.sampled(data, 60, 0)
    topped = data.sensitive["disability"].iloc[sample].value_counts()
    assert len(base) == 60 and topped["yes"] >= explained_rows.GROUP_ROWS
    assert (sample[:60] == base).all() and len(set(sample.tolist())) == len(sample)


def test_the_same_seed_gives_the_same_bits() -> None:
    one, two = (explained(Additive(), 5)[1] for _ in range(2))
    assert repr(one) == repr(two)


def test_deletion_tells_an_explanation_from_noise() -> None:
    data, model = table(), Additive()
    function = lambda rows: model.predict(rows)[1].astype(float)  # noqa: E731
    found = shapley.explain(function, data.rows, data.background, paths=200, seed=0)
    assert quality.deletion(function, data.rows, found, data.background, 0)["ratio"] > 1.1
    upside_down = shapley.Attributions(1 / (np.abs(found.values) + 1e-6), found.errors, found.base, found.output, 0)
    assert quality.deletion(function, data.rows, upside_down, data.background, 0)["ratio"] < 1


def test_a_declared_direction_of_a_feature_that_is_not_there_is_said() -> None:
    _, metrics = explained(Additive(), 0)
    rows = {row["feature"]: row for row in metrics["direction"]}
    assert rows["a"]["agrees"] is True and rows["nowhere"]["observed"] is None


def test_a_constant_model_gives_a_finding_and_no_traceback() -> None:
    class Constant(Additive):
        def predict(self, rows: np.ndarray, protected: object = None) -> tuple[np.ndarray, np.ndarray]:
            return np.ones(len(rows), np.int64), np.full(len(rows), 0.7, np.float32)

    findings, metrics = explained(Constant(), 0)
    assert metrics["stability"]["rank_rho"] is None
    assert "uncertain" in {finding.verdict for finding in findings}


def test_a_proxy_is_named_by_the_area_that_scikit_learn_gives() -> None:
    from sklearn.metrics import roc_auc_score

    random = np.random.default_rng(2)
    race = random.choice(["x", "y", "z", "unknown"], 300)
    rows = random.normal(size=(300, 4))
    rows[:, 2] = np.round(rows[:, 2] + 2 * (race == "y"), 1)
    data = table(rows=300)
    proxied = CheckData(
        features=data.features, labels=data.labels, sensitive=pd.DataFrame({"race": race}),
        background=data.background, profile={}, digests={}, candidate="sha256:0",
    )
    best = explainability._proxies(Additive.columns, rows, proxied)[0]
    known = race != "unknown"
    assert (best["feature"], best["group"]) == ("c", "y")
    assert best["auc"] == pytest.approx(roc_auc_score(race[known] == "y", rows[known, 2]), abs=1e-12)
