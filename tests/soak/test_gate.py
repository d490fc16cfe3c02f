"""The long forms: two hundred kills under load, two hundred rounds of a failing disk, a million requests.

Each runs the short form of the same test with a larger number; ``GATE_SOAK_PART=0.01`` runs a
hundredth of it, to see that the long form itself works.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PART = float(os.environ.get("GATE_SOAK_PART", "1"))
pytestmark = pytest.mark.soak


def run(test: str, choose: str, name: str, number: int) -> None:
    """Run one test of the gate with an environment variable that makes it long."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", f"tests/functional/gate/{test}", "-k", choose],
        cwd=ROOT, env={**os.environ, name: str(max(4, int(number * PART)))}, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "1 passed" in done.stdout, done.stdout[-300:]


def test_every_answer_survives_two_hundred_kills() -> None:
    run("test_durability.py", "kill_9", "GATE_TEST_KILLS", 200)


def test_two_hundred_rounds_of_a_failing_disk_lose_and_fork_nothing() -> None:
    run("test_disk_faults.py", "at_random", "GATE_TEST_FAULT_ROUNDS", 200)


def test_a_million_requests_are_counted_alike() -> None:
    run("test_counts.py", "count_the_same", "GATE_TEST_REQUESTS", 1_000_000)
