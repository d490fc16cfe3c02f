"""Workers that are killed or frozen in the middle of a check: resumed, and in the evidence once."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from govern.domain import predicates
from govern.services.operations import GPU_CHECK_JOB
from govern.settings import Settings
from govern.worker.tasks import kinds
from tests.support.check_home import CheckHome
from tests.support.home import ROOT

pytestmark = pytest.mark.integration
WORKER = """
import os, signal, sys, time
from govern.adapters.log_files import LogFiles
from govern.adapters.sql.records import Records
from govern.settings import Settings
from govern.worker import tasks
if sys.argv[1] == "dies before it can say so":
    Records.complete_job = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[1].startswith("freezes in "):
    name = sys.argv[1].split()[-1]
    real = getattr(LogFiles, name)
    def frozen(*a, **k):
        setattr(LogFiles, name, real)
        os.kill(os.getpid(), signal.SIGSTOP)
        return real(*a, **k)
    setattr(LogFiles, name, frozen)
settings = Settings.from_environment(os.environ)
ends = time.monotonic() + 60
while time.monotonic() < ends and not tasks.run_waiting_jobs(settings):
    time.sleep(0.2)
"""


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


@pytest.fixture
def server() -> Iterator[Any]:
    made = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    made.asked, made.may_answer = threading.Event(), threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.may_answer.set()  # type: ignore[attr-defined]
    made.shutdown()
    made.server_close()


@pytest.fixture
def queued(tmp_path: Path, server: Any) -> Iterator[tuple[CheckHome, str, Callable[..., subprocess.Popen[bytes]]]]:
    """A home with one queued check, and how to start a worker process on it."""
    home, random = CheckHome(tmp_path), np.random.default_rng(0)
    table = pd.DataFrame({"a": random.normal(size=60), "ok": random.integers(0, 2, 60), "race": random.choice(["x", "y"], 60)})
    address = f"http://127.0.0.1:{server.server_address[1]}"
    card = {"format": "remote", "inputs": [{"columns": ["a"]}], "server": {"protocol": "v1", "url": address, "model": "m"}}
    digest = home.register({"model.json": json.dumps(card).encode()}, home.prepare(table, "--label", "ok", "--group", "race"))
    home.command("check", "run", digest, "--by", "ada@bank.example", "--check", "repeatability")
    started: list[subprocess.Popen[bytes]] = []

    def start(how: str = "works") -> subprocess.Popen[bytes]:
        environment = {**os.environ, "GOVERN_HOME": str(home.home), "GOVERN_LEASE_SECONDS": "2", "PYTHONPATH": str(ROOT)}
        started.append(subprocess.Popen([sys.executable, "-c", WORKER, how], env=environment))
        return started[-1]

    yield home, digest, start
    for worker in started:
        worker.kill()
        worker.wait()


def recorded(home: CheckHome, digest: str) -> list[Any]:
    application = home.opened()
    return [item for item in application.operations.recorder.about(digest) if item.kind == predicates.TEST_RESULT]


def test_a_check_whose_worker_is_killed_is_taken_up_and_recorded_once(queued: Any, server: Any) -> None:
    home, digest, start = queued
    first = start()
    assert server.asked.wait(90)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert not recorded(home, digest)
    server.may_answer.set()
    assert start().wait(120) == 0
    job = home.opened().records.list_jobs(candidate=digest)[0]
    assert (job.state, job.attempt) == ("done", 2)
    assert len(recorded(home, digest)) == 1


def test_a_worker_killed_after_recording_is_not_run_twice_into_evidence(queued: Any, server: Any) -> None:
    home, digest, start = queued
    server.may_answer.set()
    assert start("dies before it can say so").wait(120) == -signal.SIGKILL
    assert len(recorded(home, digest)) == 1
    assert home.opened().records.list_jobs(candidate=digest)[0].state == "leased"
    server.asked.clear()
    with sqlite3.connect(home.home / "govern.db") as database:  # the minute of the lease passes
        database.execute("UPDATE jobs SET lease_until = 0")
    assert start().wait(120) == 0
    assert home.opened().records.list_jobs(candidate=digest)[0].state == "done"
    assert len(recorded(home, digest)) == 1 and not server.asked.is_set()


def test_a_frozen_worker_that_wakes_up_late_records_nothing(queued: Any, server: Any) -> None:
    home, digest, start = queued
    first = start()
    assert server.asked.wait(90)
    os.kill(first.pid, signal.SIGSTOP)
    server.may_answer.set()
    assert start().wait(120) == 0
    assert len(recorded(home, digest)) == 1
    os.kill(first.pid, signal.SIGCONT)
    time.sleep(3)
    assert len(recorded(home, digest)) == 1
    job = home.opened().records.list_jobs(candidate=digest)[0]
    assert (job.state, job.attempt) == ("done", 2)


def stopped(worker: subprocess.Popen[bytes]) -> bool:
    state = Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()[0]
    return state == "T"


def wait_for(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < ends, "it did not come to pass in 90 s"
        time.sleep(0.05)


def test_a_worker_frozen_just_before_recording_is_fenced_off(queued: Any, server: Any) -> None:
    home, digest, start = queued
    server.may_answer.set()
    first = start("freezes in append")
    wait_for(lambda: stopped(first))
    with sqlite3.connect(home.home / "govern.db") as database:  # the lease passes
        database.execute("UPDATE jobs SET lease_until = 0")
    assert start().wait(120) == 0
    (result,) = recorded(home, digest)
    os.kill(first.pid, signal.SIGCONT)
    assert first.wait(120) == 0
    assert [item.digest for item in recorded(home, digest)] == [result.digest]
    job = home.opened().records.list_jobs(candidate=digest)[0]
    assert (job.state, job.attempt, job.result["statement"]) == ("done", 2, result.digest)


def test_a_worker_frozen_while_it_publishes_keeps_the_log_and_the_next_finds_its_result(queued: Any, server: Any) -> None:
    home, digest, start = queued
    server.may_answer.set()
    first = start("freezes in _publish")
    wait_for(lambda: stopped(first))
    with sqlite3.connect(home.home / "govern.db") as database:
        database.execute("UPDATE jobs SET lease_until = 0")
    second = start()
    records = home.opened().records
    wait_for(lambda: records.list_jobs(candidate=digest)[0].attempt == 2)
    time.sleep(2)
    assert second.poll() is None and not recorded(home, digest)  # it waits for the log
    os.kill(first.pid, signal.SIGCONT)
    assert first.wait(120) == 0 and second.wait(120) == 0
    (result,) = recorded(home, digest)
    job = records.list_jobs(candidate=digest)[0]
    assert (job.state, job.result["statement"]) == ("done", result.digest)


def test_jobs_for_cuda_wait_for_a_worker_that_has_it(queued: Any, server: Any) -> None:
    home, digest, _ = queued
    records = home.opened().records
    job = records.add_job(GPU_CHECK_JOB, {}, candidate=digest)
    cpu = {"GOVERN_HOME": str(home.home), "GOVERN_QUEUES": "cpu"}
    assert GPU_CHECK_JOB not in kinds(Settings.from_environment(cpu))
    assert kinds(Settings.from_environment({**cpu, "GOVERN_QUEUES": "gpu"})) == (GPU_CHECK_JOB,)
    assert records.claim_job(kinds(Settings.from_environment(cpu)), "w", lease_seconds=9, job_id=job) is None
    assert records.claim_job([GPU_CHECK_JOB], "w", lease_seconds=9, job_id=job) is not None


def test_time_left_follows_from_rows_and_time_passed(queued: Any) -> None:
    home = queued[0]
    records, now = home.opened().records, datetime(2026, 1, 1, tzinfo=UTC)
    job = records.claim_job(["check"], "w", lease_seconds=60, now=now)
    assert job is not None and job.seconds_left(now) is None
    records.beat_job(job, lease_seconds=60, done=250, total=1000, now=now)
    running = records.job(job.id)
    assert running is not None and running.seconds_left(now + timedelta(seconds=10)) == 30
