"""Checks cut into shards: the same figures, counted once, resumed after a kill, failed as one."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from govern.worker import tasks
from govern.worker.checking import run_check_job
from tests.support import workers
from tests.support.check_home import CheckHome
from tests.support.home import settings_of
from tests.support.onnx_models import sigmoid_of_sum

pytestmark = pytest.mark.integration
COLUMNS = ["a", "b", "c"]
SIZE = 300
WHOLE, CUT = 10**9, 30_000
VOLATILE = ("started_at", "finished_at", "job", "statement")


class Home(CheckHome):
    """A home with a small model that is sent 64 rows at once."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        random = np.random.default_rng(2)
        table = pd.DataFrame(random.normal(size=(SIZE, 3)), columns=COLUMNS)
        table["ok"] = (table["a"] * table["b"] + table["c"] > 0).astype(int)
        table["race"] = random.choice(["x", "y"], SIZE)
        card = {"format": "onnx", "inputs": [{"columns": COLUMNS}], "rows_per_batch": 64}
        evaluation = self.prepare(table, "--label", "ok", "--group", "race")
        self.candidate = self.register(
            {"model.onnx": sigmoid_of_sum(3), "model.json": json.dumps(card).encode()}, evaluation
        )

    def queue(self, check: str) -> str:
        queued = self.command("check", "run", self.candidate, "--by", "ada@bank.example", "--check", check)
        return str(queued["jobs"][0])

    def result(self, check: str) -> dict[str, Any]:
        return [row for row in self.command("check", "list", self.candidate) if row["check"] == check][-1]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    yield Home(tmp_path_factory.mktemp("sharded"))
    tasks.warm().close()


def in_this_process(home: Home, evaluations: int) -> None:
    """Run what waits with shards of this size; the home is opened anew for it."""
    tasks.run_waiting_jobs(replace(settings_of(home.home), shard_evaluations=evaluations))


def cut_only(home: Home, job: str) -> None:
    """Let a worker cut a check, and do nothing more."""
    opened = tasks.application(replace(settings_of(home.home), shard_evaluations=CUT))
    claimed = opened.records.claim_job(["check"], "w", lease_seconds=60, job_id=job)
    assert claimed is not None
    run_check_job(opened, tasks.warm(), claimed)


def plain(result: dict[str, Any]) -> str:
    """A result without its times and names."""
    return json.dumps({key: value for key, value in result.items() if key not in VOLATILE}, sort_keys=True)


@pytest.mark.parametrize("check", ["repeatability", "performance", "fairness"])
def test_shard_count_changes_nothing_in_the_evidence(home: Home, check: str) -> None:
    found, counts = [], []
    for evaluations in (WHOLE, 100, 200):
        job = home.queue(check)
        in_this_process(home, evaluations)
        done = home.opened().records.job(job)
        assert done is not None and done.state == "done" and done.result is not None, done
        counts.append(done.result["shards"])
        found.append(plain(home.result(check)))
    assert counts == ([0, 5, 5] if check == "repeatability" else [0, 5, 2])
    assert len(set(found)) == 1


def test_killed_and_frozen_workers_leave_shards_that_another_finishes_once(home: Home) -> None:
    home.queue("repeatability")
    in_this_process(home, WHOLE)
    expected, job = plain(home.result("repeatability")), home.queue("repeatability")
    killed = workers.start(home.home, job, "Records.complete_shard=kill-after", evaluations=100)
    assert workers.ended(killed) == -signal.SIGKILL
    records = home.opened().records
    first = [shard.id for shard in records.shards(job) if shard.state == "done"]
    frozen = workers.start(home.home, job, "Records.complete_shard=stop", evaluations=100)
    workers.wait_for(lambda: workers.stopped(frozen))
    assert len(first) == 1 and [shard.id for shard in records.shards(job) if shard.state == "done"] == first
    assert workers.ended(workers.start(home.home, job, evaluations=100)) == 0
    done = records.job(job)
    assert done is not None and done.state == "done" and done.result is not None, done
    os.kill(frozen.pid or 0, signal.SIGCONT)
    assert workers.ended(frozen) == 0  # what it brings counts no more
    assert done.result["shards"] == 5 and records.job(job) == done
    assert plain(home.result("repeatability")) == expected
    assert sum(row["job"] == job for row in home.command("check", "list", home.candidate)) == 1


def test_what_the_model_cannot_answer_in_a_shard_is_the_verdict_of_the_check(home: Home) -> None:
    job, records = home.queue("explainability"), home.opened().records
    cut_only(home, job)
    shard = records.claim_job(["shard"], "w", lease_seconds=60)
    assert shard is not None and records.fail_shard(shard, "the candidate failed: it gave no number")
    in_this_process(home, CUT)
    result = home.result("explainability")
    assert result["job"] == job and result["verdict"] == "error"
    assert "the candidate failed: it gave no number" in result["findings"][0]["message"]


def test_a_cancelled_check_leaves_no_shards(home: Home) -> None:
    job, records = home.queue("explainability"), home.opened().records
    cut_only(home, job)
    found = records.job(job)
    assert found is not None and found.state == "split" and found.shards_left and found.progress_total > CUT
    home.command("check", "cancel", job)
    assert records.shards(job) == [] and not tasks.jobs_wait(settings_of(home.home))
