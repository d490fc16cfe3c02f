"""The card's task chooses the checks: numbers, rankings and classes, through the front door."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import mean_absolute_error, r2_score

from govern.worker import tasks
from tests.support.check_home import CheckHome
from tests.support.onnx_models import linear

pytestmark = pytest.mark.functional
COLUMNS = ["a", "b"]
SIZE = 500


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CheckHome]:
    yield CheckHome(tmp_path_factory.mktemp("checked"))
    tasks.warm().close()


def people() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows with ids, and a side table by id that lacks ten of them."""
    random = np.random.default_rng(3)
    ids = [f"p{at}" for at in range(SIZE)]
    race = random.choice(["x", "y"], SIZE)
    table = pd.DataFrame({"b": random.normal(size=SIZE), "a": random.normal(size=SIZE) + (race == "x"), "id": ids})
    side = pd.DataFrame({"id": ids, "race": race}).iloc[10:].sample(frac=1, random_state=0)
    return table, side


def folder(model: Any, **card: Any) -> dict[str, bytes]:
    described = {"format": "onnx", "inputs": [{"columns": COLUMNS}], **card}
    data = linear(np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_))
    return {"model.onnx": data, "model.json": json.dumps(described).encode()}


def skops_folder(model: Any, **card: Any) -> dict[str, bytes]:
    described = {"format": "skops", "inputs": [{"columns": COLUMNS}], **card}
    return {"model.skops": skops.io.dumps(model), "model.json": json.dumps(described).encode()}


def test_a_regression_is_measured_as_one(home: CheckHome) -> None:
    table, side = people()
    table["price"] = 1000 * (table["a"] - table["b"]) + np.random.default_rng(1).normal(size=SIZE) * 100
    model = LinearRegression().fit(table[COLUMNS].to_numpy(), table["price"])
    evaluation = home.prepare(table, "--label", "price", "--subject", "id", people=side)
    digest = home.register(skops_folder(model, task="regression"), evaluation, "price")
    found = home.check(digest, ["data", "performance", "fairness", "explainability", "repeatability"])
    answers = model.predict(table[COLUMNS].to_numpy())
    performance = found["performance"]["metrics"]
    assert performance["mae"]["value"] == pytest.approx(mean_absolute_error(table["price"], answers))
    assert performance["r_squared"]["value"] == pytest.approx(r2_score(table["price"], answers))
    assert found["performance"]["verdict"] == found["repeatability"]["verdict"] == "pass"
    race = found["fairness"]["metrics"]["features"]["race"]
    assert found["fairness"]["metrics"]["positive"] == "above the median of everybody"
    assert race["unknown"]["count"] == 10 and "tpr_difference" not in race
    merged = table.merge(side, on="id").assign(answer=lambda rows: model.predict(rows[COLUMNS].to_numpy()))
    means = merged.groupby("race")["answer"].mean()
    assert {row["group"]: row["mean"] for row in race["task"]["groups"]} == pytest.approx(means.to_dict())
    assert any(item["id"] == "mean-error-difference" for item in found["fairness"]["findings"])
    assert found["explainability"]["verdict"] != "error", found["explainability"]["findings"]
    assert {item["feature"] for item in found["explainability"]["metrics"]["global"]} == set(COLUMNS)
    assert found["data"]["metrics"]["unknown"] == {"race": 10}


def test_several_classes_are_measured_one_by_one(home: CheckHome) -> None:
    table, side = people()
    names = np.array(["deny", "grant", "refer"])
    table["outcome"] = names[np.digitize(table["a"], [-0.3, 0.9])]
    model = LogisticRegression().fit(table[COLUMNS].to_numpy(), table["outcome"])
    evaluation = home.prepare(table, "--label", "outcome", "--subject", "id", people=side)
    card = {"task": "multiclass", "classes": names.tolist(), "positive": "grant"}
    digest = home.register(folder(model, **card), evaluation, "outcome")
    found = home.check(digest, ["performance", "fairness"])
    answers = model.predict(table[COLUMNS].to_numpy())
    assert found["performance"]["metrics"]["accuracy"]["value"] == pytest.approx((answers == table["outcome"]).mean())
    race = found["fairness"]["metrics"]["features"]["race"]
    assert found["fairness"]["metrics"]["positive"] == "grant"
    merged = table.assign(grant=answers == "grant").merge(side, on="id")
    rates = merged.groupby("race")["grant"].mean()
    assert {row["group"]: row["rate"] for row in race["groups"]} == pytest.approx(rates.to_dict())
    assert [row["class"] for row in race["task"]["classes"]] == names.tolist()
    assert "tpr_difference" in race


def test_a_ranking_is_judged_by_places(home: CheckHome) -> None:
    table, side = people()
    table["relevance"] = table["a"]
    model = LinearRegression().fit(table[COLUMNS].to_numpy(), table["relevance"])
    evaluation = home.prepare(table, "--label", "relevance", "--subject", "id", people=side)
    digest = home.register(folder(model, task="ranking", top=50), evaluation, "order")
    found = home.check(digest, ["performance", "fairness"])
    assert found["performance"]["metrics"]["spearman"]["value"] == pytest.approx(1)
    assert found["performance"]["metrics"]["ndcg"]["value"] == pytest.approx(1)
    race = found["fairness"]["metrics"]["features"]["race"]
    assert found["fairness"]["metrics"]["positive"] == "among the first 50"
    first = table.nlargest(50, "a").merge(side, on="id")["race"].value_counts()
    assert {row["group"]: row["selected"] for row in race["groups"]} == first.to_dict()
    assert race["ratio"]["group"] == "y" and found["fairness"]["verdict"] == "fail"


def test_a_card_that_names_other_classes_is_an_error_verdict(home: CheckHome) -> None:
    table, side = people()
    table["outcome"] = np.where(table["a"] > 0, "yes", "no")
    model = LogisticRegression().fit(table[COLUMNS].to_numpy(), table["outcome"])
    evaluation = home.prepare(table, "--label", "outcome", "--subject", "id", people=side)
    digest = home.register(skops_folder(model, task="multiclass", classes=["yes", "no"]), evaluation, "swapped")
    found = home.check(digest, ["fairness"])
    assert found["fairness"]["verdict"] == "error"
    assert "has the classes no, yes; the card names them yes, no" in found["fairness"]["findings"][0]["message"]
