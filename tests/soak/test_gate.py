"""The long forms: the gate is killed two hundred times under load; a million requests are counted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.soak


def run(test: str, choose: str, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", f"tests/functional/gate/{test}", "-k", choose],
        cwd=ROOT, env={**os.environ, **environment}, check=False, capture_output=True, text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]


def test_every_answer_survives_two_hundred_kills() -> None:
    run("test_durability.py", "kill_9", GATE_TEST_KILLS="200")


def test_a_million_requests_are_counted_alike() -> None:
    run("test_counts.py", "count_the_same", GATE_TEST_REQUESTS="1000000")
