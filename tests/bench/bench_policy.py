"""One decision over every shipped pack, and the command line's help from the shell."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from govern.policy.document import load_pack
from govern.policy.evaluate import evaluate
from tests.support.evidence import allowed_evidence

ROOT = Path(__file__).resolve().parents[2]


def bench_decide() -> dict[str, Any]:
    packs = [load_pack(path.read_bytes()) for path in sorted(ROOT.glob("policies/*/policy.yaml"))]
    evidence, now, rounds = allowed_evidence(), datetime.now(UTC), []
    for _ in range(7):
        started = time.perf_counter()
        for _ in range(50):
            evaluate(packs, evidence, now)
        rounds.append((time.perf_counter() - started) / 50 * 1000)
    return {"name": "policy.decide_ms", "value": min(rounds), "unit": "ms", "goal": "<=5",
            "against": f"{len(packs)} packs", "rounds": rounds}


def bench_shell() -> list[dict[str, Any]]:
    rows = []
    for name, module, goal in (
        ("cli.help_ms", "govern.cli.main", "<=200"), ("verifier.start_ms", "govern.verifier", "<=150")
    ):
        rounds = []
        for _ in range(7):
            started = time.perf_counter()
            subprocess.run([sys.executable, "-m", module, "--help"], cwd=ROOT, check=True,
                           capture_output=True)
            rounds.append((time.perf_counter() - started) * 1000)
        rows.append({"name": name, "value": min(rounds), "unit": "ms", "goal": goal,
                     "against": "one process from the shell", "rounds": rounds})
    return rows


def bench_backtest() -> dict[str, Any]:
    """10,000 decisions, each with its own evidence, over every shipped pack, on all cores."""
    import os
    from datetime import date

    from govern.adapters.decision_files import backtest_all
    from govern.policy.backtesting import Recorded

    packs = [load_pack(path.read_bytes()) for path in sorted(ROOT.glob("policies/*/policy.yaml"))]
    past = []
    for number in range(10_000):
        evidence = allowed_evidence()
        evidence["checks"]["fairness"]["metrics"]["features"]["race"]["ratio"]["value"] = 0.70001 + number / 4e4
        past.append(Recorded(f"sha256:{number:064x}", "m", date(2026, 11, 25), "allow", "", None, evidence))
    started = time.perf_counter()
    found = backtest_all(past, packs, None, lambda done, total: None)
    seconds = time.perf_counter() - started
    assert sum(item.effect == "denied" for item in found) == 4000
    return {"name": "policy.backtest_10k_s", "value": seconds, "unit": "s", "goal": "<=30",
            "against": f"{len(packs)} packs, {os.cpu_count()} cores", "rounds": [seconds]}
