"""What a worker does with a job: lease, run, record, complete."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping
from functools import lru_cache

from govern import bootstrap
from govern.adapters.candidates.devices import cuda_here
from govern.adapters.candidates.equivalence import with_equivalence
from govern.adapters.candidates.opening import Candidate, FailedModel, WarmCandidates
from govern.adapters.check_data import load_evaluation
from govern.adapters.lineage_inbox import LineageInbox
from govern.adapters.sources.openlineage_inbox import settle_inbox
from govern.bootstrap import Application, open_application, utc_now
from govern.checks.registry import run_check, unusable
from govern.domain.check import CheckResult
from govern.errors import GovernError, InvalidRequestError
from govern.services.indexing import catch_up
from govern.services.operations import CHECK_JOB, GPU_CHECK_JOB, REPORT_JOB
from govern.services.ports import Job
from govern.settings import Settings
from govern.transparency.encoding import format_time
from govern.worker.beating import Beating

LOG = logging.getLogger(__name__)


JOBS_SEEN_MAX = 1000


@lru_cache(maxsize=2)
def application(settings: Settings) -> Application:
    """Return the opened home, once per process."""
    return open_application(settings)


@lru_cache(maxsize=1)
def warm_candidates() -> WarmCandidates:
    """Return this process's warm candidate, once per process."""
    return WarmCandidates()


def owner() -> str:
    """Return this worker's name."""
    return f"{socket.gethostname()}-{os.getpid()}"


def jobs_wait(settings: Settings) -> bool:
    """Say whether any job is queued, or was left by a worker that died."""
    records, now_us = application(settings).records, int(utc_now().timestamp() * 1_000_000)
    mine = kinds(settings)
    if any(job.kind in mine for job in records.list_jobs(state="queued", limit=JOBS_SEEN_MAX)):
        return True
    held = records.list_jobs(state="leased", limit=JOBS_SEEN_MAX)
    return any((job.lease_until or 0) <= now_us and job.kind in mine for job in held)


def kinds(settings: Settings) -> tuple[str, ...]:
    """Return the kinds of jobs this worker takes: those for CUDA only where CUDA is."""
    queues = settings.queues or (("cpu", "gpu") if cuda_here() else ("cpu",))
    cpu = (CHECK_JOB, REPORT_JOB) if "cpu" in queues else ()
    return (*cpu, GPU_CHECK_JOB) if "gpu" in queues else cpu


def anchor_gates(settings: Settings) -> None:
    """Put the gates' logs on record in the lineage log; what is refused is logged as an error."""
    try:
        found = bootstrap.anchor_gates(application(settings))
    except GovernError as error:
        LOG.error("gates were not anchored: %s", error)
        return
    for row in found:
        if row.problem is not None:
            LOG.error("gate %s was not anchored: %s", row.gate, row.problem)


def settle_lineage(settings: Settings) -> None:
    """Sign the pipeline runs that have ended; what is wrong is logged, and the events wait."""
    inbox = LineageInbox(settings.home)
    if inbox.is_empty():
        return
    opened = application(settings)
    try:
        opened.operations.renew()
        signer = opened.operations.identities["service"]
        settle_inbox(inbox, opened.operations.recorder, opened.blobs, signer=signer)
    except GovernError as error:
        LOG.error("pipeline events were not signed: %s", error)


def run_waiting_jobs(settings: Settings) -> int:
    """Run jobs until none can be leased; return how many were run."""
    opened, count = application(settings), 0
    opened.records.reap_jobs()
    while True:
        job = opened.records.claim_job(
            kinds(settings), owner(), lease_seconds=settings.lease_seconds
        )
        if job is None:
            return count
        run_job(opened, job)
        count += 1


def run_job(opened: Application, job: Job) -> None:
    """Run one leased job; whatever is wrong with it becomes its error, and the worker lives."""
    try:
        opened.operations.renew()
        if job.kind == REPORT_JOB:
            from govern.building import build_report

            named = job.payload.get("candidate")
            kind = str(job.payload.get("kind", "model-audit"))
            done = build_report(opened, None if named is None else str(named), kind)
            opened.records.complete_job(job, done)
        else:
            _run_check(opened, job)
    except (GovernError, KeyError, ValueError) as error:
        opened.records.fail_job(job, f"{type(error).__name__}: {error}")


def _run_check(opened: Application, job: Job) -> None:
    """Run a check; only the attempt that still holds the lease records its result."""
    records, candidate = opened.records, str(job.payload["candidate"])
    recorded = opened.operations.recorded_check(candidate, job.id)
    if recorded is not None:  # an earlier attempt recorded it, and ended before it could say so
        records.complete_job(job, recorded)
        return
    named = opened.operations.check_files(candidate)
    files = {name: opened.blobs.get(digest) for name, digest in named.items()}
    model = warm_candidates().open(candidate, files)
    seconds = opened.settings.lease_seconds
    total = _rows_last_time(opened, job)
    with Beating(records, job, lease_seconds=seconds, rows_total=total, stop=model.stop) as beating:
        model.watch = beating.count
        result = _checked(opened, job, model, files)
    try:
        digest = opened.operations.record_check(result, job.id, lambda: _permit(opened, job))
    except _SupersededError:
        if (recorded := opened.operations.recorded_check(candidate, job.id)) is not None:
            records.complete_job(job, recorded)
        return
    done = {"statement": digest, "verdict": result.verdict, "rows": beating.rows}
    records.complete_job(job, done)


class _SupersededError(Exception):
    """Another attempt recorded this job's result, or holds the job now."""


def _permit(opened: Application, job: Job) -> None:
    """Refuse a second result of one job; runs under the log's lock.

    A worker may be frozen at any moment for longer than its lease. Before this runs, the job
    has another attempt number by then; after it, the frozen worker holds the log's lock, and
    the other attempt finds what it recorded.
    """
    catch_up(opened.log, opened.records, opened.trust)
    candidate = str(job.payload["candidate"])
    held = opened.records.beat_job(job, lease_seconds=opened.settings.lease_seconds)
    if not held or opened.operations.recorded_check(candidate, job.id) is not None:
        raise _SupersededError


def _checked(
    opened: Application,
    job: Job,
    model: Candidate | FailedModel,
    files: Mapping[str, bytes],
) -> CheckResult:
    """Run a job's check; tables that cannot be used are an ``error`` verdict."""
    name, candidate = str(job.payload["check"]), str(job.payload["candidate"])
    digest = str(job.payload["evaluation"])
    try:
        data = load_evaluation(opened.blobs, digest, candidate, model.task, model.columns)
    except InvalidRequestError as why:
        now = format_time(utc_now())
        return unusable(name, model=model, candidate=candidate, digest=digest, why=why, now=now)
    with_equivalence(model, files, data.rows, data.protected_of(model))
    return run_check(
        name,
        model=model,
        data=data,
        seed=int(job.payload["seed"]),
        clock=lambda: format_time(utc_now()),
    )


def _rows_last_time(opened: Application, job: Job) -> int:
    """Return how many rows the same check asked on the same evaluation; 0 where it never ran."""
    for other in opened.records.list_jobs(state="done", limit=200):
        same = all(other.payload.get(name) == job.payload[name] for name in ("check", "evaluation"))
        if other.kind == job.kind and same:
            return int((other.result or {}).get("rows", 0))
    return 0
