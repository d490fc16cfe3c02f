"""A real local Spark in an environment of its own: what it read and wrote, told by its listener."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from govern.adapters.sources.recorder_files import read
from govern.domain.source_run import from_json
from tests.support.home import ROOT
from tests.support.pages import block

pytestmark = pytest.mark.heavy
PYTHON = ROOT / ".venv-integrations" / "bin" / "python"
MORE = """
from pyspark.sql import SparkSession
from govern import recorder
spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
with recorder.record("more", to="more") as run, run.spark(spark):
    counts = spark.read.parquet("counts")
    assert counts.count() == 2
    counts.join(spark.createDataFrame([("x", 1)], ["race", "weight"]), "race").repartition(3).write.partitionBy("race").parquet("joined")
    spark.read.parquet("joined").write.mode("overwrite").csv("again", header=True)
    spark.read.text("notes.txt").collect()
    try:
        spark.sql("select raise_error('no')").collect()
    except Exception:
        pass
spark.stop()
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert PYTHON.exists(), "PySpark is not here: run `make integrations`"
    folder = tmp_path_factory.mktemp("spark run")
    table = pd.DataFrame({"income": [5.0, 20.0, 30.0, np.nan], "race": ["x", "x", "y", "y"]})
    (folder / "loans").mkdir()
    for at, part in enumerate((table[:2], table[2:])):
        part.to_parquet(folder / "loans" / f"part-{at}.parquet", index=False)
    (folder / "notes.txt").write_text("a note\n")
    (folder / "train.py").write_text(block("record_a_spark_run.md", "python"))
    (folder / "more.py").write_text(MORE)
    for program in ("train.py", "more.py"):
        done = subprocess.run(
            [PYTHON, program], cwd=folder, capture_output=True, text=True, timeout=400, env={**os.environ, "PYTHONPATH": str(ROOT), "SPARK_LOCAL_IP": "127.0.0.1"}
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return folder


def told(folder: Path, name: str) -> dict[str, Any]:
    return json.loads((folder / name / "run.json").read_text())


def test_the_page_reads_and_writes_parquet_and_both_are_lineage(ran: Path) -> None:
    run = told(ran, "out")
    (data,), (build,) = run["data"], run["builds"]
    assert (data["name"], data["profile"]["rows"], data["profile"]["files"]) == ("loans", 4, 2)
    assert data["profile"]["columns"]["income"]["missing"] == 1 and data["profile"]["columns"]["income"]["greatest"] == 30
    assert (build["made"]["name"], build["reads"]) == ("counts", ["loans"])
    assert build["made"]["profile"]["rows"] == 1 + 1 and build["parameters"]["mode"] == "ErrorIfExists"
    (query,) = run["environment"]["spark"][0]["queries"]
    assert query["plan_digest"].startswith("sha256:") and run["environment"]["spark"][0]["master"] == "local[2]"


def test_what_one_run_wrote_another_reads_by_the_same_digest(ran: Path) -> None:
    wrote, run = told(ran, "out")["builds"][0]["made"], told(ran, "more")
    assert run["data"][0]["name"] == "counts" and run["data"][0]["digest"] == wrote["digest"]


def test_partitions_overwrites_and_a_chain_inside_one_run(ran: Path) -> None:
    run = told(ran, "more")
    builds = {one["made"]["name"]: one for one in run["builds"]}
    assert builds["joined"]["reads"] == ["counts"] and builds["again"]["reads"] == ["joined"]
    assert builds["again"]["parameters"]["mode"] == "Overwrite" and builds["again"]["made"]["profile"]["rows"] == 1
    assert [item["name"] for item in run["data"]] == ["counts", "notes.txt"] and run["data"][1]["profile"] == {"files": 1, "unprofiled": 1, "bytes": 7}


def test_a_failed_query_is_counted_and_the_run_is_readable(ran: Path) -> None:
    run = told(ran, "more")
    assert run["environment"]["spark"][0]["failed"] == 1 and run["state"] == "completed"
    assert from_json(run, "declared").job == "more"
    assert read(str(ran / "out"), {})[0].model is None
