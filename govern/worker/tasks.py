"""What a worker does with a job: lease, run, record, complete."""

from __future__ import annotations

import logging
import os
import socket
from functools import lru_cache

from govern import bootstrap
from govern.adapters.candidates.devices import cuda_here
from govern.adapters.lineage_inbox import LineageInbox
from govern.adapters.sources.openlineage_inbox import settle_inbox
from govern.bootstrap import Application, open_application, utc_now
from govern.errors import GovernError
from govern.services.operations import CHECK_JOB, GPU_CHECK_JOB, REPORT_JOB, SHARD_JOBS
from govern.services.ports import Job
from govern.services.report_form import ReportForm
from govern.settings import Settings
from govern.worker.checking import Warm, run_check_job, run_shard

LOG = logging.getLogger(__name__)


JOBS_SEEN_MAX = 1000


@lru_cache(maxsize=2)
def application(settings: Settings) -> Application:
    """Return the opened home, once per process."""
    return open_application(settings)


@lru_cache(maxsize=1)
def warm() -> Warm:
    """Return what this process keeps warm: the candidate and the tables used last."""
    return Warm()


def owner() -> str:
    """Return this worker's name."""
    return f"{socket.gethostname()}-{os.getpid()}"


def jobs_wait(settings: Settings) -> bool:
    """Say whether any job is queued, or was left by a worker that died."""
    records, now_us = application(settings).records, int(utc_now().timestamp() * 1_000_000)
    mine = kinds(settings)
    queued = records.list_jobs(state="queued", limit=JOBS_SEEN_MAX, shards=True)
    if any(job.kind in mine for job in queued):
        return True
    held = records.list_jobs(state="leased", limit=JOBS_SEEN_MAX, shards=True)
    return any((job.lease_until or 0) <= now_us and job.kind in mine for job in held)


def kinds(settings: Settings) -> tuple[str, ...]:
    """Return the kinds of jobs this worker takes: those for CUDA only where CUDA is."""
    queues = settings.queues or (("cpu", "gpu") if cuda_here() else ("cpu",))
    cpu = (CHECK_JOB, SHARD_JOBS[CHECK_JOB], REPORT_JOB) if "cpu" in queues else ()
    gpu = (GPU_CHECK_JOB, SHARD_JOBS[GPU_CHECK_JOB]) if "gpu" in queues else ()
    return (*cpu, *gpu)


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


def watch_deployments(settings: Settings) -> None:
    """Judge every deployment's live answers; what fails is suspended, and said in the log."""
    from govern.watching import deployments, stop, watch

    opened = application(settings)
    for name in deployments(opened):
        try:
            opened.operations.renew()
            judged = stop(opened, watch(opened, name))
            if judged is not None:
                LOG.error("%s was suspended by monitor %s", name, judged.statement)
        except GovernError as error:
            LOG.error("%s was not watched: %s", name, error)


def send_notices(settings: Settings) -> None:
    """Send the notices that are due; trouble is logged, and the worker lives."""
    try:
        bootstrap.send_notices(application(settings))
    except GovernError as error:
        LOG.error("notices were not sent: %s", error)


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
            wanted = {"kind": "model-audit", "language": "en", **job.payload}
            form = ReportForm(str(wanted["kind"]), str(wanted["language"]))
            done = build_report(opened, None if named is None else str(named), form)
            opened.records.complete_job(job, done)
        elif job.parent is not None:
            run_shard(opened, warm(), job)
        else:
            run_check_job(opened, warm(), job)
    except (GovernError, KeyError, ValueError) as error:
        opened.records.fail_job(job, f"{type(error).__name__}: {error}")
