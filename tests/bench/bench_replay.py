"""Replay of the demo's records: read, decrypt, compare with the leaf, ask the model again."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from itertools import chain
from typing import Any

from tests.bench.bench_verifier import demo_home

TURNS, ROUNDS = 60, 3


def bench_records() -> dict[str, Any]:
    from govern.adapters.gate_files import gate_homes, read_records
    from govern.adapters.replay_hosts import open_archived
    from govern.bootstrap import open_application
    from govern.services.replaying import replay
    from govern.settings import Settings

    with demo_home() as home, ExitStack() as stack:
        application = open_application(Settings.from_environment({"GOVERN_HOME": str(home)}))
        stack.callback(application.close)
        (gate,), rounds = gate_homes(home), []
        (row,) = [
            one
            for one in json.loads((home / "summary.json").read_text())["candidates"]
            if one["decision"] == "allow"
        ]
        listed = application.operations.check_files(row["digest"])
        warm = open_archived(stack, application.blobs, listed, "cpu")
        for _ in range(ROUNDS):
            records, started = (
                chain.from_iterable(read_records(gate) for _ in range(TURNS)),
                time.perf_counter(),
            )
            outcome = replay(
                records, lambda digest: warm, tolerance=1e-6, progress=lambda more: None
            )
            seconds = time.perf_counter() - started
            assert set(outcome.counts) == {"exact"}
            rounds.append(outcome.counts["exact"] / seconds)
    return {
        "name": "replay.records_per_s",
        "value": max(rounds),
        "unit": "1/s",
        "goal": ">=5000",
        "against": "the demo's records of four rows each, in one process beside the model's sandbox; wall time",
        "rounds": rounds,
    }
