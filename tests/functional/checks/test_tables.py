"""Training and recent tables, and a challenger, by the commands of the page about checks."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from govern.worker import tasks
from tests.support.check_home import CARD, CheckHome
from tests.support.home import ROOT, settings_of
from tests.support.onnx_models import logistic

pytestmark = pytest.mark.functional
PAGE = ROOT / "docs" / "how_to" / "check_a_candidate.md"


def commands() -> list[list[str]]:
    lines = PAGE.read_text("utf-8").splitlines()
    return [shlex.split(line)[1:] for line in lines if line.startswith("       govern ")]


def tables(folder: Path) -> dict[str, pd.DataFrame]:
    """Test and training rows of which ten are in both, recent rows that have moved, and people."""
    random = np.random.default_rng(0)
    rows = pd.DataFrame(random.normal(size=(900, 2)), columns=["a", "b"]).assign(id=np.arange(900))
    rows["ok"] = (rows["a"] + random.normal(size=900) * 0.5 > 0).astype(int)
    made = {
        "train": rows.iloc[:500], "test": rows.iloc[490:], "recent": rows.tail(300).assign(b=lambda table: table["b"] + 2),
        "people": rows[["id"]].assign(race=random.choice(["x", "y"], 900)),
    }  # fmt: skip
    for name, table in made.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    return made


def candidate(folder: Path, name: str, inputs: list[str], train: pd.DataFrame, evaluation: str) -> None:
    model = LogisticRegression().fit(train[inputs].to_numpy(), train["ok"])
    (folder / name).mkdir()
    (folder / name / "model.onnx").write_bytes(logistic(model.coef_[0], float(model.intercept_[0])))
    (folder / name / "model.json").write_text(json.dumps({"format": "onnx", "inputs": [{"columns": inputs}]}))
    card = {**CARD, "name": name, "inputs": inputs, "evaluation": evaluation, "format": "onnx"}
    (folder / f"{name}.json").write_text(json.dumps(card))


def test_the_page_about_checks_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    home, made = CheckHome(tmp_path), tables(tmp_path)
    prepare, register, run, listing, show, challenge = commands()
    evaluation = home.command(*prepare)["evaluation"]
    for name, inputs in (("champion", ["b"]), ("challenger", ["b", "a"])):
        candidate(tmp_path, name, inputs, made["train"], evaluation)
        home.command(*(part.replace("challenger", name) for part in register))
    assert len(home.command(*run)["jobs"]) == 2
    tasks.run_waiting_jobs(settings_of(home.home))
    found: dict[str, Any] = {row["check"]: row for row in home.command(*listing)}
    compared = home.command(*challenge)
    tasks.warm().close()
    data = found["data"]
    by_id = {item["id"]: item for item in data["findings"] if item["subject"] != "train" or item["id"] == "split-overlap"}
    assert by_id["split-overlap"]["value"] == 10 and by_id["split-overlap"]["verdict"] == "fail"
    assert "10 subjects" in by_id["split-overlap"]["message"]
    assert by_id["drift"]["subject"] == "recent" and "b (PSI" in by_id["drift"]["message"]
    assert {item["name"] for item in data["materials"]} >= {"evaluation train features", "evaluation recent features"}
    assert home.command(*show)["metrics"]["features"]["race"]["groups"]
    assert compared["rows"] == 410 and compared["figures"]["accuracy"]["verdict"] == "better"
