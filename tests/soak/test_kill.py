"""The long form of the kill test: the gate is killed two hundred times under load."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.soak


def test_every_answer_survives_two_hundred_kills() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/functional/gate/test_durability.py",
         "-k", "kill_9"],
        cwd=ROOT, env={**os.environ, "GATE_TEST_KILLS": "200"}, check=False,
        capture_output=True, text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]
