"""The offline verifier as a person starts it: how soon it speaks, and how long a dossier takes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
STARTS, ROUNDS = 15, 5


def _seconds(*words: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *words], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


@contextmanager
def demo_home() -> Iterator[Path]:
    """Yield a folder with the demo's dossier: the one here, or a new one."""
    if (ROOT / "demo" / "dossier.zip").is_file():
        yield ROOT / "demo"
        return
    with tempfile.TemporaryDirectory() as name:
        environment = {**os.environ, "GOVERN_HOME": name}
        words = [sys.executable, "-m", "govern.cli.main", "demo"]
        subprocess.run(words, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
        yield Path(name)


def bench_start() -> dict[str, Any]:
    rounds = [_seconds("-m", "govern.verifier", "--help") * 1000 for _ in range(STARTS)]
    return {
        "name": "verifier.start_ms", "value": min(rounds), "unit": "ms", "goal": "<=150",
        "against": f"python -m govern.verifier --help; best of {STARTS}", "rounds": rounds,
    }


def bench_demo_dossier() -> dict[str, Any]:
    with demo_home() as folder:
        words = ("-m", "govern.verifier", str(folder / "dossier.zip"))
        rounds = [_seconds(*words, "--trust", str(folder / "trust.json")) for _ in range(ROUNDS)]
        size = (folder / "dossier.zip").stat().st_size / 1e6
    return {
        "name": "verifier.demo_dossier_s", "value": min(rounds), "unit": "s", "goal": "<=2",
        "against": f"the demo's dossier of {size:.1f} MB, start included", "rounds": rounds,
    }
