"""Hashing a model folder from disk on all cores, against OpenSSL on the same files."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from govern.adapters.hashing import hash_folder

ROUNDS, MEBI = 3, 1 << 20
BIG_MEBI, SHARDS, SHARD_MEBI = 1024, 64, 16


def _folder(root: Path) -> tuple[list[str], list[str]]:
    """Write 2 GiB, half in one file, half in 64; return the two halves."""
    piece, big = os.urandom(MEBI), root / "big.bin"
    with big.open("wb") as file:
        for _ in range(BIG_MEBI):
            file.write(piece)
    shards = [root / f"shard-{at:02}.bin" for at in range(SHARDS)]
    for shard in shards:
        shard.write_bytes(piece * SHARD_MEBI)
    return [str(big)], [str(shard) for shard in shards]


def _openssl(*halves: list[str]) -> float:
    started = time.perf_counter()
    running = [
        subprocess.Popen(["openssl", "dgst", "-sha256", *half], stdout=subprocess.DEVNULL)
        for half in halves
    ]
    assert not any(process.wait() for process in running)
    return time.perf_counter() - started


def bench_model_hash() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        halves = _folder(Path(name))
        _openssl(*halves)
        rounds = []
        for _ in range(ROUNDS):
            peer = _openssl(*halves)
            started = time.perf_counter()
            hash_folder(Path(name), workers=2)
            rounds.append((time.perf_counter() - started) / peer)
    return {
        "name": "model.hash_vs_sha256", "value": min(rounds), "unit": "ratio", "goal": "<=1.2",
        "against": "two openssl dgst -sha256 side by side, each on half of the same 2 GiB",
        "rounds": rounds,
    }
