"""Signs of life while a check runs: the lease is prolonged, progress is noted, a loss is acted on.

A check may take longer than a lease. A thread beats meanwhile; when the job is cancelled or
another worker has taken it over, the candidate is stopped, so that the check ends at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol, Self

from govern.services.ports import Job

BEATS_PER_LEASE = 4
BEAT_SECONDS_MAX = 2.0


class Leases(Protocol):
    """The job table, as far as beating needs it."""

    def beat_job(
        self, job: Job, *, lease_seconds: float, done: int | None = None, total: int | None = None
    ) -> bool:
        """Prolong a lease; False where the job is no longer this worker's."""


class Beating:
    """Beats for one job while the ``with`` block runs.

    Args:
        leases: the job table.
        job: the leased job.
        lease_seconds: how long each beat prolongs the lease.
        rows_total: rows the check will ask, 0 where nobody knows; those that its shards
            asked are counted already.
        stop: ends the work when the job is lost.
    """

    def __init__(
        self,
        leases: Leases,
        job: Job,
        *,
        lease_seconds: float,
        rows_total: int,
        stop: Callable[[], None],
    ) -> None:
        self._leases, self._job, self._stop = leases, job, stop
        self._lease_seconds, self._total = lease_seconds, rows_total
        self.rows = job.progress_done if job.shards_left is not None else 0
        self.lost = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="beating")

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Stop beating."""
        self._over.set()
        self._thread.join()

    def count(self, rows: int) -> None:
        """Note that so many more rows have been answered."""
        self.rows += rows

    def _run(self) -> None:
        seconds = min(BEAT_SECONDS_MAX, self._lease_seconds / BEATS_PER_LEASE)
        while not self._over.wait(seconds):
            held = self._leases.beat_job(
                self._job,
                lease_seconds=self._lease_seconds,
                done=self.rows,
                total=max(self.rows, self._total) if self._total else 0,
            )
            if not held:
                self.lost = True
                self._stop()
                return
