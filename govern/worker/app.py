"""The Celery application.

A message is only a nudge: the truth is the job table with its leases. A lost message
costs time, never a job: the worker looks at the table when it starts, after each nudge,
and every few seconds. The embedded default needs no server: messages are files.
"""

from __future__ import annotations

import os
from pathlib import Path

from celery import Celery
from celery.signals import worker_ready

from govern.settings import Settings

QUEUE = "checks"
SWEEP_SECONDS = 3.0


def make_app(settings: Settings) -> Celery:
    """Return a Celery application for these settings."""
    app = Celery("govern")
    app.conf.update(
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_default_queue=QUEUE,
        task_acks_late=True,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        worker_enable_remote_control=False,
    )
    if settings.broker_url:
        app.conf.broker_url = settings.broker_url
    else:
        app.conf.update(broker_url="filesystem://", broker_transport_options=_folders(settings))
    return app


def _folders(settings: Settings) -> dict[str, object]:
    names = {
        "data_folder_in": "messages",
        "data_folder_out": "messages",
        "processed_folder": "processed",
        "control_folder": "control",
    }
    folders: dict[str, object] = {}
    for option, name in names.items():
        path = Path(settings.home) / "broker" / name
        path.mkdir(parents=True, exist_ok=True)
        folders[option] = str(path)
    return {**folders, "store_processed": False, "polling_interval": 0.1}


app = make_app(Settings.from_environment(os.environ))


@app.task(name="govern.nudge")
def nudge() -> int:
    """Run every job that can be leased; return how many."""
    from govern.worker.tasks import run_waiting_jobs

    return run_waiting_jobs(Settings.from_environment(os.environ))


@worker_ready.connect
def _begin(**_: object) -> None:
    import threading

    def sweep() -> None:
        from govern.worker.tasks import jobs_wait

        while True:
            if jobs_wait(Settings.from_environment(os.environ)):
                nudge.delay()
            threading.Event().wait(SWEEP_SECONDS)

    threading.Thread(target=sweep, daemon=True, name="sweep").start()
