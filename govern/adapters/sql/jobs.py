"""The job table with leases: the truth about work; a message is only a nudge.

A worker claims a job for some seconds and beats while it works. A worker that dies lets the
lease run out, and another claims the job with the next attempt number. Progress and
completion are compare-and-set on that number, so a worker that comes back late changes nothing.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, update
from sqlmodel import Session, col, select

from govern.adapters.sql.sessions import Database, now_us, text_of_us
from govern.adapters.sql.tables import JobTable
from govern.errors import InvalidRequestError
from govern.services.ports import Job

ATTEMPTS_MAX = 3
PAYLOAD_BYTES_MAX = 1 << 20
ERROR_CHARS_MAX = 2_000


class JobRecords(Database):
    """Queues, leases and finishes jobs."""

    def add_job(
        self,
        kind: str,
        payload: Mapping[str, Any],
        *,
        candidate: str | None = None,
        requested_by: str | None = None,
        now: datetime | None = None,
    ) -> str:
        """Queue a job; return its id."""
        text = json.dumps(payload, sort_keys=True, allow_nan=False)
        if len(text) > PAYLOAD_BYTES_MAX:
            raise InvalidRequestError(f"a job's payload has at most {PAYLOAD_BYTES_MAX} bytes")
        job = secrets.token_hex(8)
        row = JobTable(
            id=job,
            kind=kind,
            payload=text,
            state="queued",
            candidate=candidate,
            requested_by=requested_by,
            created_us=_us(now),
        )
        with self.writing() as session:
            session.add(row)
        return job

    def job(self, job_id: str) -> Job | None:
        """Return one job."""
        with self.reading() as session:
            row = session.get(JobTable, job_id)
            return None if row is None else _job(row)

    def list_jobs(
        self, *, candidate: str | None = None, state: str | None = None, limit: int = 100
    ) -> list[Job]:
        """Return jobs, newest first."""
        query = select(JobTable).order_by(col(JobTable.created_us).desc(), col(JobTable.id))
        if candidate is not None:
            query = query.where(JobTable.candidate == candidate)
        if state is not None:
            query = query.where(JobTable.state == state)
        with self.reading() as session:
            return [_job(row) for row in session.exec(query.limit(limit))]

    def claim_job(
        self,
        kinds: Sequence[str],
        owner: str,
        *,
        lease_seconds: float,
        now: datetime | None = None,
        job_id: str | None = None,
    ) -> Job | None:
        """Lease the oldest job that is queued or whose lease ran out; None where there is none.

        Args:
            kinds: kinds this worker can do.
            owner: the worker's name.
            lease_seconds: how long before another may take it.
            now: the present; the clock where not given.
            job_id: only this job.
        """
        at = _us(now)
        free = or_(
            col(JobTable.state) == "queued",
            and_(col(JobTable.state) == "leased", col(JobTable.lease_until) <= at),
        )
        query = select(JobTable).where(
            free, col(JobTable.kind).in_(list(kinds)), col(JobTable.attempt) < ATTEMPTS_MAX
        )
        if job_id is not None:
            query = query.where(JobTable.id == job_id)
        query = query.order_by(col(JobTable.created_us), col(JobTable.id)).limit(1)
        with self.writing() as session:
            row = session.exec(query.with_for_update(skip_locked=True)).first()
            if row is None:
                return None
            row.state, row.lease_owner = "leased", owner
            row.lease_until = at + int(lease_seconds * 1_000_000)
            row.attempt += 1
            row.started_us = at
            row.progress_done = row.progress_total = 0
            session.add(row)
            session.flush()
            return _job(row)

    def beat_job(
        self,
        job: Job,
        *,
        lease_seconds: float,
        done: int | None = None,
        total: int | None = None,
        now: datetime | None = None,
    ) -> bool:
        """Prolong a lease and note progress; False where the job is no longer this worker's."""
        values: dict[str, Any] = {"lease_until": _us(now) + int(lease_seconds * 1_000_000)}
        if done is not None:
            values["progress_done"] = done
        if total is not None:
            values["progress_total"] = total
        with self.writing() as session:
            return _swap(session, job, values)

    def complete_job(
        self, job: Job, result: Mapping[str, Any] | None = None, *, now: datetime | None = None
    ) -> bool:
        """Mark a job done; False where another attempt has taken over."""
        values = {
            "state": "done",
            "finished_us": _us(now),
            "error": None,
            "result": None if result is None else json.dumps(result, sort_keys=True),
        }
        with self.writing() as session:
            return _swap(session, job, values)

    def fail_job(
        self, job: Job, error: str, *, retry: bool = False, now: datetime | None = None
    ) -> bool:
        """Mark a job failed, or queue it again where ``retry`` and attempts are left."""
        again = retry and job.attempt < ATTEMPTS_MAX
        values = {
            "state": "queued" if again else "failed",
            "error": error[:ERROR_CHARS_MAX],
            "finished_us": None if again else _us(now),
        }
        with self.writing() as session:
            return _swap(session, job, values)

    def cancel_job(self, job_id: str, *, now: datetime | None = None) -> bool:
        """Cancel a job that is not finished; a worker finds out at its next beat."""
        query = update(JobTable).where(
            col(JobTable.id) == job_id, col(JobTable.state).in_(["queued", "leased"])
        )
        with self.writing() as session:
            done = session.execute(query.values(state="cancelled", finished_us=_us(now)))
            return bool(done.rowcount)  # type: ignore[attr-defined]

    def reap_jobs(self, *, now: datetime | None = None) -> list[str]:
        """Fail jobs whose lease ran out with no attempts left; return their ids."""
        at = _us(now)
        query = select(JobTable).where(
            JobTable.state == "leased",
            col(JobTable.lease_until) <= at,
            col(JobTable.attempt) >= ATTEMPTS_MAX,
        )
        with self.writing() as session:
            rows = list(session.exec(query.with_for_update(skip_locked=True)))
            for row in rows:
                row.state, row.finished_us = "failed", at
                row.error = f"the worker stopped in all of {ATTEMPTS_MAX} attempts"
                session.add(row)
            return [row.id for row in rows]


def _us(now: datetime | None) -> int:
    return now_us() if now is None else int(now.timestamp() * 1_000_000)


def _swap(session: Session, job: Job, values: Mapping[str, Any]) -> bool:
    same: list[ColumnElement[bool]] = [
        col(JobTable.id) == job.id,
        col(JobTable.state) == "leased",
        col(JobTable.attempt) == job.attempt,
        col(JobTable.lease_owner) == job.lease_owner,
    ]
    done = session.execute(update(JobTable).where(*same).values(**values))
    return bool(done.rowcount)  # type: ignore[attr-defined]


def _job(row: JobTable) -> Job:
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
    )
