"""What a worker does with a job: lease, run, record, complete."""

from __future__ import annotations

import os
import socket
from functools import lru_cache

from govern.adapters.check_data import load_evaluation, load_model
from govern.bootstrap import Application, open_application, utc_now
from govern.checks.registry import run_check
from govern.errors import GovernError
from govern.services.operations import CHECK_JOB
from govern.services.ports import Job
from govern.settings import Settings
from govern.transparency.encoding import format_time


@lru_cache(maxsize=2)
def application(settings: Settings) -> Application:
    """Return the opened home, once per process."""
    return open_application(settings)


def owner() -> str:
    """Return this worker's name."""
    return f"{socket.gethostname()}-{os.getpid()}"


def jobs_wait(settings: Settings) -> bool:
    """Say whether any job is queued."""
    return bool(application(settings).records.list_jobs(state="queued", limit=1))


def run_waiting_jobs(settings: Settings) -> int:
    """Run jobs until none can be leased; return how many were run."""
    opened, count = application(settings), 0
    opened.records.reap_jobs()
    while True:
        job = opened.records.claim_job([CHECK_JOB], owner(), lease_seconds=settings.lease_seconds)
        if job is None:
            return count
        run_job(opened, job)
        count += 1


def run_job(opened: Application, job: Job) -> None:
    """Run one leased job; only the attempt that still holds the lease records its result."""
    try:
        result = run_check(
            str(job.payload["check"]),
            model=load_model(
                opened.blobs, opened.operations.check_files(str(job.payload["candidate"]))
            ),
            data=load_evaluation(
                opened.blobs, str(job.payload["evaluation"]), str(job.payload["candidate"])
            ),
            seed=int(job.payload["seed"]),
            clock=lambda: format_time(utc_now()),
        )
        if not opened.records.beat_job(job, lease_seconds=60, done=1, total=1):
            return
        digest = opened.operations.record_check(result)
        opened.records.complete_job(job, {"statement": digest, "verdict": result.verdict})
    except (GovernError, KeyError, ValueError) as error:
        opened.records.fail_job(job, f"{type(error).__name__}: {error}")
