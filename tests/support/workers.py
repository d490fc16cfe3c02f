"""Workers as processes of their own that can be killed and frozen at a chosen moment.

They are forked from a server that has imported everything, so that one starts in a moment.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.support.workers", "govern.worker.tasks", "govern.checks.repeatability"])
SECONDS = 90


def start(home: Path, job: str, *how: str, evaluations: int = 500_000) -> ForkServerProcess:
    """Start a worker that runs what waits until ``job`` has ended.

    Args:
        home: the home.
        job: the job's id.
        how: ``CLASS.METHOD=DEED``: what to do when it is called first: ``stop`` freezes before
            it, ``kill`` ends the worker instead of it, ``kill-after`` once it has been done.
        evaluations: of one shard at most.
    """
    environment = {
        "GOVERN_HOME": str(home), "GOVERN_LEASE_SECONDS": "2", "GOVERN_SHARD_EVALUATIONS": str(evaluations)
    }
    process = CONTEXT.Process(target=_work, args=(environment, job, how), daemon=True)
    process.start()
    return process


def _work(environment: dict[str, str], job: str, how: tuple[str, ...]) -> None:
    from govern.adapters.log_files import LogFiles
    from govern.adapters.sql.records import Records
    from govern.settings import Settings
    from govern.worker import tasks

    classes = {"LogFiles": LogFiles, "Records": Records}
    for told in how:
        name, _, deed = told.partition("=")
        owner, _, method = name.partition(".")
        _arm(classes[owner], method, deed)
    settings, ends = Settings.from_environment(environment), time.monotonic() + SECONDS
    records = tasks.application(settings).records
    while time.monotonic() < ends:
        found = records.job(job)
        if found is None or found.state not in ("queued", "leased", "split"):
            break
        tasks.run_waiting_jobs(settings)
        time.sleep(0.05)
    tasks.warm().close()


def _arm(owner: Any, method: str, deed: str) -> None:
    real = getattr(owner, method)

    def armed(*args: Any, **options: Any) -> Any:
        setattr(owner, method, real)
        if deed == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        if deed == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(*args, **options)
        if deed == "kill-after":
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, method, armed)


def ended(process: ForkServerProcess) -> int | None:
    """Wait for a worker; return its exit code."""
    process.join(SECONDS)
    return process.exitcode


def stopped(process: ForkServerProcess) -> bool:
    """Say whether a worker is frozen."""
    state = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]
    return state == "T"


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is so.

    Raises:
        AssertionError: it is not so in time.
    """
    ends = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < ends, f"it did not come to pass in {SECONDS} s"
        time.sleep(0.05)
