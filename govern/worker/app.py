"""The Celery worker's application: ``celery -A govern.worker.app worker``.

A message is only a nudge: the truth is the job table with its leases. A lost message
costs time, never a job: the worker looks at the table when it starts, after each nudge,
and every few seconds.
"""

from __future__ import annotations

import os
import threading
import time

from celery.signals import worker_ready

from govern.adapters.jobs_celery import NUDGE, make_celery
from govern.settings import Settings

SWEEP_SECONDS = 3.0
SETTLE_SECONDS = 10.0  # between looks at pipeline events

_settings = Settings.from_environment(os.environ)
app = make_celery(_settings.home, _settings.broker_url)


@app.task(name=NUDGE)  # type: ignore[untyped-decorator]
def nudge() -> int:
    """Run every job that can be leased; return how many."""
    from govern.worker.tasks import run_waiting_jobs

    return run_waiting_jobs(_settings)


@worker_ready.connect  # type: ignore[untyped-decorator]
def _begin(**_: object) -> None:
    def sweep() -> None:
        from govern.worker.tasks import anchor_gates, jobs_wait, send_notices, settle_lineage

        anchor_at = time.monotonic() + _settings.anchor_seconds
        settle_at = 0.0
        while True:
            if jobs_wait(_settings):
                nudge.delay()
            if time.monotonic() >= settle_at:
                settle_at = time.monotonic() + SETTLE_SECONDS
                settle_lineage(_settings)
            if time.monotonic() >= anchor_at:
                anchor_at = time.monotonic() + _settings.anchor_seconds
                anchor_gates(_settings)
            send_notices(_settings)
            threading.Event().wait(SWEEP_SECONDS)

    threading.Thread(target=sweep, daemon=True, name="sweep").start()
    if _settings.monitor_seconds:
        threading.Thread(target=_watch, daemon=True, name="watch").start()


def _watch() -> None:
    """Watch live answers for ever; on a thread of its own, so that jobs are not kept waiting."""
    from govern.worker.tasks import watch_deployments

    while True:
        threading.Event().wait(_settings.monitor_seconds)
        watch_deployments(_settings)
