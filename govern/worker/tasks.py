"""What a worker does with a job: lease, run, record, complete."""

from __future__ import annotations

import os
import socket
from functools import lru_cache

from govern.adapters.check_data import load_evaluation, load_model
from govern.bootstrap import Application, open_application, utc_now
from govern.checks.registry import run_check
from govern.errors import GovernError
from govern.services.operations import CHECK_JOB, REPORT_JOB
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
        job = opened.records.claim_job(
            [CHECK_JOB, REPORT_JOB], owner(), lease_seconds=settings.lease_seconds
        )
        if job is None:
            return count
        run_job(opened, job)
        count += 1


def run_job(opened: Application, job: Job) -> None:
    """Run one leased job; whatever is wrong with it becomes its error, and the worker lives."""
    try:
        if job.kind == REPORT_JOB:
            from govern.worker.reporting import build_report

            named = job.payload.get("candidate")
            done = build_report(opened, None if named is None else str(named))
            opened.records.complete_job(job, done)
        else:
            _run_check(opened, job)
    except (GovernError, KeyError, ValueError) as error:
        opened.records.fail_job(job, f"{type(error).__name__}: {error}")


def _run_check(opened: Application, job: Job) -> None:
    """Run a check; only the attempt that still holds the lease records its result."""
    candidate = str(job.payload["candidate"])
    result = run_check(
        str(job.payload["check"]),
        model=load_model(opened.blobs, opened.operations.check_files(candidate)),
        data=load_evaluation(opened.blobs, str(job.payload["evaluation"]), candidate),
        seed=int(job.payload["seed"]),
        clock=lambda: format_time(utc_now()),
    )
    if not opened.records.beat_job(job, lease_seconds=60, done=1, total=1):
        return
    digest = opened.operations.record_check(result)
    opened.records.complete_job(job, {"statement": digest, "verdict": result.verdict})
