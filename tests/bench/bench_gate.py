"""The gate with keys, encryption, records and receipts on, against proxies that record nothing.

All in one run: proxies on one core, upstream and client on the other, rounds interleaved.
The value is the median of the rounds; ratios are made within a round.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from govern.domain.gate_archive import make_frame, segment_header
from govern.domain.gate_record import make_leaf
from govern.transparency.checkpoint import Checkpoint, sign_checkpoint
from govern.transparency.trust import TrustRoot
from serving_gate.edge_tree import EdgeTree
from serving_gate.log_files import LogFolder
from serving_gate.log_keys import log_signer
from tests.bench import gate_peers as peers
from tests.support.gate_lab import GateLab, Running

ROUNDS, SECONDS, CONNECTIONS = 5, 3.0, 64
RECORDS, SEGMENT_RECORDS, FRAME_BYTES = 100_000_123, 90_000, 700
KEY = "bench-" + "k" * 40


def _lab(folder: Path) -> GateLab:
    lab = GateLab(folder / "home")
    lab.gate_home.mkdir(parents=True)
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    callers = {"callers": [{"name": "bench", "key_sha256": digest}]}
    (lab.gate_home / "callers.json").write_text(json.dumps(callers))
    return lab


def _pin(gate: Running) -> None:
    subprocess.run(["taskset", "-a", "-cp", str(peers.PROXY_CORE), str(gate.process.pid)],
                   check=True, stdout=subprocess.DEVNULL)


def _rss_bytes(pid: int) -> int:
    pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _row(name: str, rounds: list[float], unit: str, goal: str, against: str) -> dict[str, Any]:
    return {"name": name, "value": median(rounds), "unit": unit, "goal": goal, "against": against,
            "rounds": rounds}


def bench_gate() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        upstream = stack.enter_context(peers.upstream(folder))
        gate = stack.enter_context(_lab(folder).gate(upstream))
        _pin(gate)
        ports = {"direct": upstream, "gate": gate.port}
        for peer in (peers.nginx_proxy, peers.envoy_proxy, peers.aiohttp_proxy):
            ports[peer.__name__] = stack.enter_context(peer(folder, upstream))

        def load(name: str, connections: int) -> peers.Load:
            return peers.wrk(ports[name], folder, connections=connections, seconds=SECONDS, key=KEY)

        warm = load("gate", CONNECTIONS)
        before = _rss_bytes(gate.process.pid)
        many = [{name: load(name, CONNECTIONS) for name in ports} for _ in range(ROUNDS)]
        alone = ("direct", "gate", "nginx_proxy")
        one, disk = [], []
        for _ in range(ROUNDS):
            one.append({name: load(name, 1) for name in alone})
            disk.append(_disk_p99_ms(folder))
        grown = _rss_bytes(gate.process.pid) - before
        records = sum(item["gate"].requests for item in many + one) + warm.requests
        return _rows(many, one, disk, grown / records)


def _disk_p99_ms(folder: Path) -> float:
    """Return what appending a record and ``fdatasync`` alone take here and now, on the gate's core.

    Stalls count as wrk counts them: a stall of n usual times is n late requests.
    """
    times: list[float] = []
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {peers.PROXY_CORE})
    try:
        with open(folder / "disk", "wb", buffering=0) as file:
            end = time.monotonic() + 1.0
            while (began := time.monotonic()) < end:
                file.write(bytes(FRAME_BYTES))
                os.fdatasync(file.fileno())
                times.append((time.monotonic() - began) * 1e3)
    finally:
        os.sched_setaffinity(0, everywhere)
    usual = median(times)
    late = [took - usual * n for took in times for n in range(1, int(took / usual))]
    return sorted(times + late)[int(0.99 * (len(times) + len(late)))]


def _rows(
    many: list[dict[str, peers.Load]],
    one: list[dict[str, peers.Load]],
    disk: list[float],
    growth: float,
) -> list[dict[str, Any]]:
    def ratio(peer: str) -> list[float]:
        return [item["gate"].requests_per_s / item[peer].requests_per_s for item in many]

    def added(pick: Callable[[peers.Load], float]) -> list[float]:
        return [pick(item["gate"]) - pick(item["direct"]) for item in one]

    rates = [item["gate"].requests_per_s for item in many]
    return [
        _row("gate.vs_nginx", ratio("nginx_proxy"), "ratio", ">=0.35",
             "nginx passing through, no log, one core, 64 connections"),
        _row("gate.vs_envoy", ratio("envoy_proxy"), "ratio", ">=1.0",
             "Envoy with a file access log, one core, 64 connections"),
        _row("gate.vs_aiohttp", ratio("aiohttp_proxy"), "ratio", ">=2.0",
             "an aiohttp proxy on uvloop, no log, one core, 64 connections"),
        _row("gate.added_p50_ms", added(lambda load: load.p50_ms), "ms", "<=1.5",
             "the upstream asked directly, 1 connection"),
        _row("gate.added_p99_ms", added(lambda load: load.p99_ms), "ms", "<=5",
             "the upstream asked directly, 1 connection"),
        _row("gate.control_disk_p99_ms", disk, "ms", "", "append and fdatasync alone, same minutes"),
        _row("gate.control_nginx_p99_ms",
             [item["nginx_proxy"].p99_ms - item["direct"].p99_ms for item in one], "ms", "",
             "nginx passing through, 1 connection, same core and minutes"),
        _row("gate.answers_per_s", rates, "1/s", "", "recorded answers, one core, 64 connections"),
        _row("gate.rss_growth_bytes", [growth], "B/record", "<=64", "resident memory after warm-up"),
    ]


def bench_restart() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        lab = _lab(Path(name))
        _long_log(lab)
        rounds = []
        for _ in range(3):
            started = time.monotonic()
            with lab.gate(9) as gate:
                rounds.append(time.monotonic() - started)
                assert gate.ready["records"] == RECORDS
        return _row("gate.restart_s", rounds, "s", "<=2",
                    "process start to ready, log of 100 million records")


def _long_log(lab: GateLab) -> None:
    """Write what a start reads of a long log: right edge, checkpoint, names, last segment."""
    levels, level = [], 0
    while RECORDS >> (8 * level):
        levels.append(os.urandom(32 * ((RECORDS >> (8 * level)) % 256)))
        level += 1
    entries = b"".join(b"\0\x30" + os.urandom(48) for _ in range(RECORDS % 256))
    tree = EdgeTree.restore(RECORDS, entries, levels)
    trust = TrustRoot.from_json((lab.home / "trust.json").read_bytes())
    signer = log_signer([lab.home / "keys" / "gate-demo.key"], trust)
    note = sign_checkpoint(Checkpoint(signer.name, RECORDS, tree.root()), signer)
    LogFolder(lab.gate_home / "log").write(tree.partial(), note)
    _segments(lab.gate_home / "payloads")


def _segments(folder: Path) -> None:
    folder.mkdir(parents=True)
    last = RECORDS - SEGMENT_RECORDS
    for first in range(0, last, SEGMENT_RECORDS):
        (folder / f"{first:016d}.seg").write_bytes(segment_header(first))
    sealed = os.urandom(FRAME_BYTES)
    frames = [
        make_frame(make_leaf(index, 0, bytes(32)), bytes(8), bytes(12), sealed)
        for index in range(last, RECORDS)
    ]
    (folder / f"{last:016d}.seg").write_bytes(segment_header(last) + b"".join(frames))
