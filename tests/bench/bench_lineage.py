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
