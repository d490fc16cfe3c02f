"""Workers that are killed or frozen in the middle of a check: resumed, and in the evidence once."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from govern.domain import predicates
from govern.services.operations import GPU_CHECK_JOB
from govern.settings import Settings
from govern.worker.tasks import kinds
from tests.support import workers
from tests.support.check_home import CARD, CheckHome
from tests.support.home import ADA

pytestmark = pytest.mark.integration
class Slow(BaseHTTPRequestHandler):
    """A candidate's server that says when it was asked and answers when it is let go."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        rows = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["instances"]
        self.server.asked.set()  # type: ignore[attr-defined]
        self.server.may_answer.wait(60)  # type: ignore[attr-defined]
        data = json.dumps({"predictions": [float(row[0] > 0) for row in rows]}).encode()
        try:
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except OSError:
            self.close_connection = True  # its worker was killed

    def log_message(self, *args: Any) -> None:
        pass


class Served:
    """A home with a candidate on a slow server, and one queued check of it for each test."""

    def __init__(self, folder: Path, server: Any) -> None:
        self.server, self.checked, random = server, CheckHome(folder), np.random.default_rng(0)
        self.home = self.checked.home
        table = pd.DataFrame({"a": random.normal(size=60), "ok": random.integers(0, 2, 60), "race": random.choice(["x", "y"], 60)})
        address = f"http://127.0.0.1:{server.server_address[1]}"
        card = {"format": "remote", "inputs": [{"columns": ["a"]}], "server": {"protocol": "v1", "url": address, "model": "m"}}
        self.evaluation = self.checked.prepare(table, "--label", "ok", "--group", "race")
        self.candidate = self.checked.register({"model.json": json.dumps(card).encode()}, self.evaluation)
        self.records = self.checked.opened().records
        self.job = ""

    def queue(self) -> None:
        self.server.asked.clear()
        self.server.may_answer.clear()
        queued = self.checked.command("check", "run", self.candidate, "--by", "ada@bank.example", "--check", "repeatability")
        self.job = queued["jobs"][0]

    def start(self, *how: str) -> ForkServerProcess:
        return workers.start(self.home, self.job, *how)

    def recorded(self) -> list[str]:
        """Digests of the results that the job has in evidence."""
        found = self.checked.opened().operations.recorder.about(self.candidate)
        results = [item for item in found if item.kind == predicates.TEST_RESULT]
        return [item.digest for item in results if item.statement.predicate["govern"]["job"] == self.job]

    def state(self) -> tuple[str, int]:
        job = self.records.job(self.job)
        assert job is not None
        return job.state, job.attempt

    def lease_passes(self) -> None:
        with sqlite3.connect(self.home / "govern.db") as database:
            database.execute("UPDATE jobs SET lease_until = 0 WHERE state = 'leased'")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    made.asked, made.may_answer = threading.Event(), threading.Event()  # type: ignore[attr-defined]
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield Served(tmp_path_factory.mktemp("served"), made)
    made.may_answer.set()  # type: ignore[attr-defined]
    made.shutdown()
    made.server_close()


@pytest.fixture
def queued(served: Served) -> Iterator[Served]:
    served.queue()
    yield served
    served.server.may_answer.set()
    for worker in multiprocessing.active_children():
        worker.kill()


def test_a_check_whose_worker_is_killed_is_taken_up_and_recorded_once(queued: Served) -> None:
    first = queued.start()
    assert queued.server.asked.wait(90)
    first.kill()
    assert workers.ended(first) == -signal.SIGKILL and not queued.recorded()
    queued.server.may_answer.set()
    assert workers.ended(queued.start()) == 0
    assert queued.state() == ("done", 2) and len(queued.recorded()) == 1


def test_a_worker_killed_after_recording_is_not_run_twice_into_evidence(queued: Served) -> None:
    queued.server.may_answer.set()
    assert workers.ended(queued.start("Records.complete_job=kill")) == -signal.SIGKILL
    assert len(queued.recorded()) == 1 and queued.state()[0] == "leased"
    queued.server.asked.clear()
    queued.lease_passes()
    assert workers.ended(queued.start()) == 0
    assert queued.state()[0] == "done"
    assert len(queued.recorded()) == 1 and not queued.server.asked.is_set()


def test_a_frozen_worker_that_wakes_up_late_records_nothing(queued: Served) -> None:
    first = queued.start()
    assert queued.server.asked.wait(90)
    os.kill(first.pid or 0, signal.SIGSTOP)
    queued.server.may_answer.set()
    assert workers.ended(queued.start()) == 0 and len(queued.recorded()) == 1
    os.kill(first.pid or 0, signal.SIGCONT)
    assert workers.ended(first) == 0
    assert len(queued.recorded()) == 1 and queued.state() == ("done", 2)


def test_a_worker_frozen_just_before_recording_is_fenced_off(queued: Served) -> None:
    queued.server.may_answer.set()
    first = queued.start("LogFiles.append=stop")
    workers.wait_for(lambda: workers.stopped(first))
    queued.lease_passes()
    assert workers.ended(queued.start()) == 0
    before = queued.recorded()
    os.kill(first.pid or 0, signal.SIGCONT)
    assert workers.ended(first) == 0
    assert len(before) == 1 and queued.recorded() == before
    job = queued.records.job(queued.job)
    assert job is not None and (job.state, job.attempt, job.result["statement"]) == ("done", 2, before[0])  # type: ignore[index]


def test_a_worker_frozen_while_it_publishes_keeps_the_log_and_the_next_finds_its_result(queued: Served) -> None:
    queued.server.may_answer.set()
    first = queued.start("LogFiles._publish=stop")
    workers.wait_for(lambda: workers.stopped(first))
    queued.lease_passes()
    second = queued.start()
    workers.wait_for(lambda: queued.state()[1] == 2)
    time.sleep(1)
    assert second.is_alive() and not queued.recorded()  # it waits for the log
    os.kill(first.pid or 0, signal.SIGCONT)
    assert workers.ended(first) == 0 and workers.ended(second) == 0
    (result,) = queued.recorded()
    job = queued.records.job(queued.job)
    assert job is not None and job.state == "done" and job.result is not None and job.result["statement"] == result


def test_jobs_for_cuda_wait_for_a_worker_that_has_it(queued: Served) -> None:
    records = queued.records
    job = records.add_job(GPU_CHECK_JOB, {}, candidate=queued.candidate)
    cpu = {"GOVERN_HOME": str(queued.home), "GOVERN_QUEUES": "cpu"}
    assert GPU_CHECK_JOB not in kinds(Settings.from_environment(cpu))
    assert kinds(Settings.from_environment({**cpu, "GOVERN_QUEUES": "gpu"})) == (GPU_CHECK_JOB, "shard-gpu")
    assert records.claim_job(kinds(Settings.from_environment(cpu)), "w", lease_seconds=9, job_id=job) is None
    assert records.claim_job([GPU_CHECK_JOB], "w", lease_seconds=9, job_id=job) is not None


def test_a_model_whose_own_card_asks_for_cuda_is_queued_for_it(queued: Served) -> None:
    card = {"format": "remote", "device": "cuda", "inputs": [{"columns": ["a"]}], "server": {}}
    operations, kinds_of = queued.checked.opened().operations, []
    for name, data in (("on-cuda", json.dumps(card).encode()), ("no-card", b"{")):
        told = {**CARD, "name": name, "evaluation": queued.evaluation}
        digest = operations.register_candidate(told, {"model.json": data}, ADA)
        (job,) = operations.run_checks(digest, ["data"], ADA)
        found = queued.records.job(job)
        assert found is not None and queued.records.cancel_job(job)
        kinds_of.append(found.kind)
    assert kinds_of == [GPU_CHECK_JOB, "check"]


def test_time_left_follows_from_rows_and_time_passed(queued: Served) -> None:
    records, now = queued.records, datetime(2026, 1, 1, tzinfo=UTC)
    job = records.claim_job(["check"], "w", lease_seconds=60, now=now, job_id=queued.job)
    assert job is not None and job.seconds_left(now) is None
    records.beat_job(job, lease_seconds=60, done=250, total=1000, now=now)
    running = records.job(job.id)
    assert running is not None and running.seconds_left(now + timedelta(seconds=10)) == 30
