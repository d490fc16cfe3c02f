"""The long form: tens of thousands of one-byte changes of genuine evidence, another seed each day."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.soak


def test_forty_thousand_changed_bytes_prove_nothing_else() -> None:
    seed = os.environ.get("MUTATION_SEED", f"{datetime.now(UTC):%Y-%m-%d}")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/conformance/test_mutations.py"],
        cwd=ROOT, env={**os.environ, "MUTATION_ROUNDS": "50", "MUTATION_SEED": seed},
        check=False, capture_output=True, text=True,
    )
    assert done.returncode == 0, f"seed {seed}: {done.stdout[-3000:]}"
