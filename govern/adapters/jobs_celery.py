"""Celery as the messenger between the control plane and its workers.

The embedded default needs no server: messages are files in the home's ``broker`` folder.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from celery import Celery

QUEUE = "checks"
NUDGE = "govern.nudge"


def make_celery(home: Path, broker_url: str) -> Celery:
    """Return a Celery application on a broker, or on files under ``home`` if there is none."""
    from celery import Celery  # costs more than most commands; few of them send a message

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
    if broker_url:
        app.conf.broker_url = broker_url
    else:
        app.conf.update(broker_url="filesystem://", broker_transport_options=_folders(home))
    return app


def _folders(home: Path) -> dict[str, object]:
    names = {
        "data_folder_in": "messages",
        "data_folder_out": "messages",
        "processed_folder": "processed",
        "control_folder": "control",
    }
    folders: dict[str, object] = {}
    for option, name in names.items():
        path = home / "broker" / name
        path.mkdir(parents=True, exist_ok=True)
        folders[option] = str(path)
    return {**folders, "store_processed": False, "polling_interval": 0.1}


def make_nudge(home: Path, broker_url: str) -> Callable[[], None]:
    """Return a function that tells workers to look at the job table."""

    @cache
    def app() -> Celery:
        return make_celery(home, broker_url)

    def nudge() -> None:
        app().send_task(NUDGE, queue=QUEUE)

    return nudge
