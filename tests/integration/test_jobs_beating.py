"""Jobs over a real table: cancelled and lost ones stop the candidate; a late one changes nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from govern.adapters.candidates.card import Card
from govern.adapters.candidates.process import Limits, SandboxedModel
from govern.adapters.sql.records import Records
from govern.errors import CandidateError
from govern.worker.beating import Beating

CARD = Card.read(json.dumps({"format": "onnx", "inputs": [{"columns": ["a"]}]}).encode())
LIMITS = Limits(memory_bytes=1 << 30, load_seconds=60, predict_seconds=120)


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    store = Records.open(tmp_path / "govern.db", migrate=True)
    yield store
    store.close()


def test_cancelling_a_job_stops_a_candidate_that_hangs(records: Records) -> None:
    records.add_job("check", {})
    job = records.claim_job(["check"], "w", lease_seconds=2)
    assert job is not None
    with SandboxedModel(CARD, {}, limits=LIMITS, module=("tests.support.hostile", "hangs")) as model:
        started = time.monotonic()
        with Beating(records, job, lease_seconds=2, rows_total=0, stop=model.stop) as beating:
            assert records.cancel_job(job.id)
            with pytest.raises(CandidateError, match="killed"):
                model.predict(np.zeros((3, 1)))
        assert time.monotonic() - started < 20
    assert beating.lost
    assert not records.complete_job(job, {})
    assert records.job(job.id).state == "cancelled"  # type: ignore[union-attr]


def test_a_long_check_keeps_its_lease_and_says_how_far_it_is(records: Records) -> None:
    records.add_job("check", {})
    job = records.claim_job(["check"], "w", lease_seconds=0.8)
    assert job is not None
    with Beating(records, job, lease_seconds=0.8, rows_total=100, stop=lambda: None) as beating:
        beating.count(40)
        time.sleep(1.5)
        assert records.claim_job(["check"], "other", lease_seconds=1) is None
        found = records.job(job.id)
        assert found is not None and (found.progress_done, found.progress_total) == (40, 100)
    assert not beating.lost


def test_a_worker_that_comes_back_late_is_stopped(records: Records) -> None:
    records.add_job("check", {})
    job = records.claim_job(["check"], "slow", lease_seconds=1)
    assert job is not None
    later = datetime.now(UTC) + timedelta(seconds=60)
    assert records.claim_job(["check"], "other", lease_seconds=60, now=later) is not None
    stopped: list[bool] = []
    with Beating(records, job, lease_seconds=0.4, rows_total=0, stop=lambda: stopped.append(True)) as beating:
        time.sleep(0.6)
    assert beating.lost and stopped == [True]
