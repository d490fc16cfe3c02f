"""A real local Feast store in an environment of its own: views, sources, entity rows, the join."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from govern.domain.source_run import from_json
from govern.transparency.digest import digest_of, folder_digest
from tests.support.home import ROOT
from tests.support.pages import block

pytestmark = pytest.mark.heavy
PYTHON = ROOT / ".venv-integrations" / "bin" / "python"
CONFIG = """project: loans
provider: local
registry: registry.db
online_store: {type: sqlite, path: online.db}
entity_key_serialization_version: 3
"""
SET_UP = """
from datetime import UTC, datetime, timedelta
import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Float64
at = datetime(2026, 11, 20, tzinfo=UTC)
rows = pd.DataFrame({"person": [1, 2], "monthly": [1.0, 2.0], "event_timestamp": [at] * 2})
rows.to_parquet("income.parquet")
rows.assign(event_timestamp=at - timedelta(days=9)).rename(columns={"monthly": "sum"}).to_parquet("debt.parquet")
person = Entity(name="person", join_keys=["person"], value_type=ValueType.INT64)
def view(name, column):
    source = FileSource(name=name + "_file", path=name + ".parquet", timestamp_field="event_timestamp")
    return FeatureView(name=name, entities=[person], ttl=timedelta(days=2), schema=[Field(name=column, dtype=Float64)],
                       source=source, owner="fay@bank.example", tags={"team": "credit"})
FeatureStore(".").apply([person, view("income", "monthly"), view("debt", "sum")])
"""
MORE = """
from govern.errors import InvalidRequestError
asked = [*features, "debt:sum"]
wide = store.get_historical_features(entity_df=people, features=asked).to_df()
store.delete_feature_view("income")
with recorder.record("later", to="later") as run:
    run.feast("wide", store, features=asked, entities=people, result=wide)
    for wrong in ({"features": ["income"]}, {"entities": people[["person"]]}):
        try:
            run.feast("wrong", store, **{"features": asked, "entities": people, "result": wide, **wrong})
        except InvalidRequestError:
            print("refused")
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert PYTHON.exists(), "Feast is not here: run `make integrations`"
    folder = tmp_path_factory.mktemp("feast")
    (folder / "feature_store.yaml").write_text(CONFIG)
    page = block("record_features_from_feast.md", "python")
    (folder / "join.py").write_text(f"{page}{MORE}")
    (folder / "set_up.py").write_text(SET_UP)
    for program in ("set_up.py", "join.py"):
        done = subprocess.run([PYTHON, program], cwd=folder, capture_output=True, text=True, timeout=300, env={**os.environ, "PYTHONPATH": str(ROOT), "FEAST_USAGE": "False"})
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert done.stdout.count("refused") == 2
    return folder


def told(folder: Path, name: str) -> dict[str, Any]:
    return json.loads((folder / name / "run.json").read_text())


def test_views_sources_entity_rows_and_the_join_are_lineage(ran: Path) -> None:
    run = told(ran, "out")
    (source,), (rows, table) = run["data"], run["builds"]
    data = (ran / "income.parquet").read_bytes()
    assert (source["name"], source["digest"]) == ("income", folder_digest([("income.parquet", digest_of(data))]))
    assert (rows["made"]["name"], table["reads"]) == ("table entity rows", ["income", "table entity rows"])
    view = table["parameters"]["views"]["income"]
    assert (view["owner"], view["tags"], view["ttl_seconds"], view["features"]) == ("fay@bank.example", {"team": "credit"}, 172800, ["monthly"])
    assert table["made"]["profile"]["shape"] == [2, 3] and not [gap for gap in run["gaps"] if "view" in gap]
    assert from_json(run, "declared").job == "loan-features"


def test_a_stale_and_a_deleted_view_are_named_gaps(ran: Path) -> None:
    run = told(ran, "later")
    assert "the feature view income is not in the registry" in run["gaps"]
    assert "the feature view debt is stale: its newest row is 9.0 days older than the newest entity row, and may be 2.0" in run["gaps"]
    assert [item["name"] for item in run["data"]] == ["debt"]
