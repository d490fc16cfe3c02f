"""One candidate from the shell: verify its evidence and decide."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "conformance"))


def bench_shell() -> dict[str, Any]:
    """Shipped packs over a small genuine folder; the process, its imports and all."""
    from dossier_workshop import Workshop, prepare

    from govern.adapters.evidence_files import write_evidence
    from govern.domain.evidence_folder import make_folder
    from govern.services.tracing import statements_about

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shop = Workshop(folder, start=datetime.now(UTC).replace(microsecond=0))
        item = prepare(shop)
        index = statements_about(shop.recorder, item.digest)
        files = make_folder(item.digest, index.by_digest.values(), item.files, shop.now)
        write_evidence(folder / "evidence", files)
        (folder / "trust.json").write_bytes(shop.trust_bytes)
        arguments = ["ci", str(folder / "evidence"), "--trust", str(folder / "trust.json")]
        rounds = [_seconds(arguments) for _ in range(7)]
    return {"name": "ci.shell_s", "value": min(rounds), "unit": "s", "goal": "<=1",
            "against": "one process from the shell, bytecode cached", "rounds": rounds}


def _seconds(arguments: list[str]) -> float:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "govern.cli.main", *arguments], cwd=ROOT,
                          env=environment, capture_output=True, check=False)
    assert done.returncode in (0, 1, 3), done.stderr
    return time.perf_counter() - started
