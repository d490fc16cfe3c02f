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

from sqlalchemy import and_, or_, update
from sqlmodel import Session, col, select

from govern.adapters.sql.job_rows import ATTEMPTS_MAX, job_of, swap
from govern.adapters.sql.sessions import now_us
from govern.adapters.sql.shards import ERROR_CHARS_MAX, ShardRecords, forget_shards
from govern.adapters.sql.tables import JobTable
from govern.errors import InvalidRequestError
from govern.services.ports import Job

PAYLOAD_BYTES_MAX = 1 << 20


class JobRecords(ShardRecords):
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
            return None if row is None else job_of(row)

    def list_jobs(
        self,
        *,
        candidate: str | None = None,
        state: str | None = None,
        limit: int = 100,
        shards: bool = False,
    ) -> list[Job]:
        """Return jobs, newest first; ``shards``: the shards of jobs as well."""
        query = select(JobTable).order_by(col(JobTable.created_us).desc(), col(JobTable.id))
        if not shards:
            query = query.where(col(JobTable.parent).is_(None))
        if candidate is not None:
            query = query.where(JobTable.candidate == candidate)
        if state is not None:
            query = query.where(JobTable.state == state)
        with self.reading() as session:
            return [job_of(row) for row in session.exec(query.limit(limit))]

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
            free,
            col(JobTable.kind).in_(list(kinds)),
            col(JobTable.attempt) < col(JobTable.attempts_max),
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
            if row.shards_left is None:
                row.started_us = at
                row.progress_done = row.progress_total = 0
            session.add(row)
            session.flush()
            return job_of(row)

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
            return swap(session, job, values)

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
            return _ended(session, job, values)

    def fail_job(
        self, job: Job, error: str, *, retry: bool = False, now: datetime | None = None
    ) -> bool:
        """Mark a job failed, or queue it again where ``retry`` and attempts are left.

        A shard that fails so takes its job with it.
        """
        again = retry and job.attempt < ATTEMPTS_MAX
        values = {
            "state": "queued" if again else "failed",
            "error": error[:ERROR_CHARS_MAX],
            "finished_us": None if again else _us(now),
        }
        with self.writing() as session:
            if again:
                return swap(session, job, values)
            done = _ended(session, job, values)
            if done and job.parent is not None:
                _fail_parent(session, job.parent, values)
            return done

    def cancel_job(self, job_id: str, *, now: datetime | None = None) -> bool:
        """Cancel a job that is not finished; a worker finds out at its next beat."""
        query = update(JobTable).where(
            col(JobTable.id) == job_id, col(JobTable.state).in_(["queued", "leased", "split"])
        )
        with self.writing() as session:
            done = session.execute(query.values(state="cancelled", finished_us=_us(now)))
            if done.rowcount:  # type: ignore[attr-defined]
                forget_shards(session, [job_id])
            return bool(done.rowcount)  # type: ignore[attr-defined]

    def reap_jobs(self, *, now: datetime | None = None) -> list[str]:
        """Fail jobs whose lease ran out with no attempts left; return their ids."""
        at = _us(now)
        query = select(JobTable).where(
            JobTable.state == "leased",
            col(JobTable.lease_until) <= at,
            col(JobTable.attempt) >= col(JobTable.attempts_max),
        )
        with self.writing() as session:
            rows = list(session.exec(query.with_for_update(skip_locked=True)))
            for row in rows:
                row.state, row.finished_us = "failed", at
                row.error = f"the worker stopped in all of {ATTEMPTS_MAX} attempts"
                session.add(row)
                if row.parent is not None:
                    values = {"state": "failed", "finished_us": at, "error": row.error}
                    _fail_parent(session, row.parent, values)
            session.flush()
            forget_shards(session, [row.id for row in rows if row.parent is None])
            return [row.id for row in rows]


def _us(now: datetime | None) -> int:
    return now_us() if now is None else int(now.timestamp() * 1_000_000)


def _ended(session: Session, job: Job, values: Mapping[str, Any]) -> bool:
    """End a job and forget its shards; False where another attempt has taken over."""
    done = swap(session, job, values)
    if done:
        forget_shards(session, [job.id])
    return done


def _fail_parent(session: Session, parent: str, values: Mapping[str, Any]) -> None:
    """End a job one of whose shards cannot be run."""
    query = update(JobTable).where(col(JobTable.id) == parent, col(JobTable.state) == "split")
    session.execute(query.values(**values))
    forget_shards(session, [parent])
