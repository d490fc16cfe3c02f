"""Shards of jobs: jobs of their own with leases, counted down on the job they belong to.

A job that is cut is ``split`` until its last shard has ended; then it is queued again, and
the worker that claims it puts the answers together. What a shard brought back and the count
change in one transaction, which compares the shard's attempt: a shard that is run twice is
counted once. When the job has ended in any way, its shards are gone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, update
from sqlmodel import Session, col, select

from govern.adapters.sql.job_rows import ATTEMPTS_MAX, job_of, swap
from govern.adapters.sql.sessions import Database, now_us
from govern.adapters.sql.tables import JobTable
from govern.errors import InvalidRequestError
from govern.services.ports import Job, ShardAnswer

ANSWER_BYTES_MAX = 256 << 20
ERROR_CHARS_MAX = 2_000


class ShardRecords(Database):
    """Cuts jobs into shards, and counts what they bring back."""

    def split_job(
        self, job: Job, kind: str, payloads: Sequence[Mapping[str, Any]], total: int
    ) -> bool:
        """Cut a leased job into shards; False where it is no longer this worker's.

        Args:
            job: the job.
            kind: of its shards.
            payloads: one for each shard; ``evaluations`` counts towards ``total``.
            total: evaluations of all shards.
        """
        values = {
            "state": "split", "shards_left": len(payloads), "lease_owner": None,
            "lease_until": None, "attempts_max": job.attempt + ATTEMPTS_MAX,
            "progress_done": 0, "progress_total": total,
        }  # fmt: skip
        with self.writing() as session:
            if not swap(session, job, values):
                return False
            row = session.get(JobTable, job.id)
            assert row is not None
            for place, payload in enumerate(payloads):
                session.add(_shard(row, kind, place, payload))
            return True

    def complete_shard(self, shard: Job, answer: bytes) -> bool:
        """Keep what a shard brought back and count it; False where another attempt did.

        Raises:
            InvalidRequestError: the answer is over ``ANSWER_BYTES_MAX``.
        """
        if len(answer) > ANSWER_BYTES_MAX:
            raise InvalidRequestError(
                f"a shard brought {len(answer)} bytes; at most {ANSWER_BYTES_MAX} are kept"
            )
        done = {"state": "done", "finished_us": now_us(), "answer": answer}
        evaluations = int(shard.payload.get("evaluations", 0))
        with self.writing() as session:
            _lock(session, shard.parent)
            if not swap(session, shard, done):
                return False
            parent = update(JobTable).where(
                col(JobTable.id) == shard.parent, col(JobTable.state) == "split"
            )
            session.execute(
                parent.values(
                    shards_left=JobTable.shards_left - 1,  # type: ignore[operator]
                    progress_done=JobTable.progress_done + evaluations,
                )
            )
            last = parent.where(col(JobTable.shards_left) <= 0)
            session.execute(last.values(state="queued"))
            return True

    def fail_shard(self, shard: Job, error: str) -> bool:
        """End a shard whose questions the model cannot answer: its job is taken up at once."""
        values = {"state": "failed", "finished_us": now_us(), "error": error[:ERROR_CHARS_MAX]}
        with self.writing() as session:
            _lock(session, shard.parent)
            if not swap(session, shard, values):
                return False
            siblings = delete(JobTable).where(
                col(JobTable.parent) == shard.parent, col(JobTable.state) != "failed"
            )
            session.execute(siblings)
            parent = update(JobTable).where(
                col(JobTable.id) == shard.parent, col(JobTable.state) == "split"
            )
            session.execute(parent.values(state="queued", shards_left=0))
            return True

    def shard_answers(self, job_id: str) -> list[ShardAnswer]:
        """Return what the ended shards of a job brought back, in their order."""
        query = (
            select(JobTable)
            .where(JobTable.parent == job_id, col(JobTable.state).in_(["done", "failed"]))
            .order_by(col(JobTable.id))
        )
        with self.reading() as session:
            return [
                ShardAnswer(json.loads(row.payload), row.answer or b"", row.error)
                for row in session.exec(query)
            ]

    def shards(self, job_id: str) -> list[Job]:
        """Return the shards of a job, in their order."""
        query = select(JobTable).where(JobTable.parent == job_id).order_by(col(JobTable.id))
        with self.reading() as session:
            return [job_of(row) for row in session.exec(query)]


def _shard(row: JobTable, kind: str, place: int, payload: Mapping[str, Any]) -> JobTable:
    """Return one shard; it stands in the queue where its job stood."""
    return JobTable(
        id=f"{row.id}-{place:05d}",
        kind=kind,
        payload=json.dumps(dict(payload), sort_keys=True, allow_nan=False),
        state="queued",
        candidate=row.candidate,
        requested_by=row.requested_by,
        created_us=row.created_us,
        parent=row.id,
    )


def _lock(session: Session, job_id: str | None) -> None:
    """Lock the job before its shard, in the order in which cancelling does."""
    session.exec(select(JobTable.id).where(JobTable.id == job_id).with_for_update()).first()


def forget_shards(session: Session, job_ids: Sequence[str]) -> None:
    """Delete the shards of jobs that have ended."""
    session.execute(delete(JobTable).where(col(JobTable.parent).in_(list(job_ids))))
