"""Recall: counting gate records by admission, and the graph of many statements."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from govern.adapters.gate_tallies import count_gates
from tests.support.gate_records import write_gate

RECORDS = 100_000


def bench_recall_records() -> dict[str, Any]:
    folder = Path(tempfile.mkdtemp())
    try:
        admission = "sha256:" + "a" * 64
        write_gate(folder / "gate", [(admission, "inference")] * RECORDS, segment_records=RECORDS // 8, body=b"q" * 300)
        rounds = []
        for _ in range(3):
            started = time.perf_counter()
            (found,) = count_gates([(folder / "gate", "gate")])
            rounds.append(RECORDS / (time.perf_counter() - started))
            assert found.tally.under(admission)["answers"] == RECORDS
    finally:
        shutil.rmtree(folder)
    return {"name": "lineage.recall_records_per_s", "value": max(rounds), "unit": "1/s", "goal": ">=50000",
            "against": "decrypting and comparing each record with its leaf, every core", "rounds": rounds}


ROWS = 4_000_000


def bench_fingerprint() -> dict[str, Any]:
    """Schema, missing values, groups and profile of a Parquet file, against reading it at all."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from govern.observing.tables import batches, profile_files

    folder = Path(tempfile.mkdtemp())
    path, random = folder / "loans.parquet", np.random.default_rng(0)
    columns = {f"x{at}": random.normal(size=ROWS) for at in range(6)}
    columns["race"] = np.array(["a", "b", "c"])[random.integers(0, 3, ROWS)]
    pq.write_table(pa.table(columns), path)
    try:
        rounds = []
        for _ in range(3):
            started = time.perf_counter()
            assert sum(batch.num_rows for batch in batches(path)) == ROWS
            reading = time.perf_counter() - started
            started = time.perf_counter()
            assert profile_files([path], ["race"])["rows"] == ROWS
            rounds.append((time.perf_counter() - started) / reading)
    finally:
        shutil.rmtree(folder)
    return {"name": "lineage.fingerprint_vs_reading", "value": min(rounds), "unit": "ratio", "goal": "<=2",
            "against": "the same file read by the same library, nothing computed", "rounds": rounds}


def bench_events() -> dict[str, Any]:
    """OpenLineage events checked and made durable, sixteen senders at once."""
    import json
    from concurrent.futures import ThreadPoolExecutor
    from datetime import UTC, datetime

    from govern.adapters.lineage_inbox import LineageInbox
    from govern.adapters.sources.openlineage_inbox import receive

    count, now = 4_000, datetime.now(UTC)
    side = [{"namespace": "file", "name": f"/data/{at}", "facets": {"schema": {"fields": [{"name": "x", "type": "double"}] * 20}}} for at in range(3)]
    events = [
        json.dumps({"eventType": "COMPLETE", "eventTime": "2026-11-25T12:00:00Z", "job": {"namespace": "n", "name": "j"}, "inputs": side,
                    "run": {"runId": f"0191c0de-0000-7000-8000-{at:012}"}}).encode()
        for at in range(count)
    ]  # fmt: skip
    rounds = []
    for _ in range(3):
        folder = Path(tempfile.mkdtemp())
        inbox = LineageInbox(folder)
        started = time.perf_counter()
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda data, inbox=inbox: receive(inbox, data, sender="etl@bank.example", now=now), events))
        rounds.append(count / (time.perf_counter() - started))
        shutil.rmtree(folder)
    return {"name": "lineage.openlineage_events_per_s", "value": max(rounds), "unit": "1/s", "goal": ">=1000",
            "against": "16 senders at once, each event checked and on disk before it is answered; HTTP not counted", "rounds": rounds}
