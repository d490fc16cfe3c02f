"""Training and recent tables, and a challenger, through the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from govern.worker import tasks
from tests.support.check_home import CheckHome
from tests.support.onnx_models import logistic

pytestmark = pytest.mark.functional


def test_tables_are_compared_and_a_challenger_is_measured_on_the_same_rows(tmp_path: Path) -> None:
    random, home = np.random.default_rng(0), CheckHome(tmp_path)
    rows = pd.DataFrame(random.normal(size=(900, 2)), columns=["a", "b"]).assign(id=np.arange(900), race=random.choice(["x", "y"], 900))
    rows["ok"] = (rows["a"] + random.normal(size=900) * 0.5 > 0).astype(int)
    train, test = rows.iloc[:500], rows.iloc[490:]  # ten rows are in both
    train.to_csv(tmp_path / "train.csv", index=False)
    rows.tail(300).assign(b=lambda table: table["b"] + 2).to_csv(tmp_path / "recent.csv", index=False)
    evaluation = home.prepare(
        test, "--label", "ok", "--group", "race", "--subject", "id",
        "--train", str(tmp_path / "train.csv"), "--recent", str(tmp_path / "recent.csv"),
    )
    digests = []
    for name, inputs in (("champion", ["b"]), ("challenger", ["b", "a"])):
        model = LogisticRegression().fit(train[inputs].to_numpy(), train["ok"])
        card = {"format": "onnx", "inputs": [{"columns": inputs}]}
        data = logistic(model.coef_[0], float(model.intercept_[0]))
        files = {"model.onnx": data, "model.json": json.dumps(card).encode()}
        digests.append(home.register(files, evaluation, name))
    found = home.check(digests[1], ["data"])["data"]
    by_id = {item["id"]: item for item in found["findings"] if item["subject"] != "train" or item["id"] == "split-overlap"}
    assert by_id["split-overlap"]["value"] == 10 and by_id["split-overlap"]["verdict"] == "fail"
    assert "10 subjects" in by_id["split-overlap"]["message"]
    assert by_id["drift"]["subject"] == "recent" and "b (PSI" in by_id["drift"]["message"]
    assert {item["name"] for item in found["materials"]} >= {"evaluation train features", "evaluation recent features"}
    compared = home.command("check", "challenge", "challenger", "champion")
    tasks.warm().close()
    assert compared["rows"] == 410 and compared["figures"]["accuracy"]["verdict"] == "better"
