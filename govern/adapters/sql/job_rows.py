"""Rows of the job table: compare-and-set on the attempt, and the plain job."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, update
from sqlmodel import Session, col

from govern.adapters.sql.sessions import text_of_us
from govern.adapters.sql.tables import JobTable
from govern.services.ports import Job

ATTEMPTS_MAX = 3


def swap(session: Session, job: Job, values: Mapping[str, Any]) -> bool:
    """Change a leased job; False where it is another attempt's, or nobody's."""
    same: list[ColumnElement[bool]] = [
        col(JobTable.id) == job.id,
        col(JobTable.state) == "leased",
        col(JobTable.attempt) == job.attempt,
        col(JobTable.lease_owner) == job.lease_owner,
    ]
    done = session.execute(update(JobTable).where(*same).values(**values))
    return bool(done.rowcount)  # type: ignore[attr-defined]


def job_of(row: JobTable) -> Job:
    """Return a row as services know it."""
    return Job(
        id=row.id,
        kind=row.kind,
        payload=json.loads(row.payload),
        state=row.state,
        candidate=row.candidate,
        requested_by=row.requested_by,
        created_at=text_of_us(row.created_us) or "",
        started_at=text_of_us(row.started_us),
        finished_at=text_of_us(row.finished_us),
        lease_owner=row.lease_owner,
        lease_until=row.lease_until,
        attempt=row.attempt,
        progress_done=row.progress_done,
        progress_total=row.progress_total,
        error=row.error,
        result=None if row.result is None else json.loads(row.result),
        parent=row.parent,
        shards_left=row.shards_left,
    )
