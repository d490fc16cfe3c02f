"""The counts of client, gate, log and upstream agree exactly."""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path

from serving_gate.archive import read_all
from tests.support.gate_lab import INFER, GateLab, ScriptedUpstream, Wire, ask, infer_body

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
REQUESTS = int(os.environ.get("GATE_TEST_REQUESTS", "2000"))
CLIENTS = 4


def load(port: int, count: int, indexes: set[int]) -> None:
    wire = Wire(port)
    for _ in range(count):
        reply = wire.ask("POST", INFER, infer_body())
        assert reply.status == 200
        indexes.add(int(reply.headers["govern-receipt"].split("index=")[1].split(";")[0]))
    wire.close()


def test_client_gate_log_and_upstream_count_the_same(tmp_path: Path) -> None:
    server = ScriptedUpstream(lambda connection, request: connection.sendall(ANSWER))
    lab, seen = GateLab(tmp_path / "home"), [set[int]() for _ in range(CLIENTS)]
    with lab.gate(server.port) as gate:
        clients = [
            threading.Thread(target=load, args=(gate.port, REQUESTS // CLIENTS, indexes)) for indexes in seen
        ]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        page = ask(gate.port, "GET", "/gate/metrics").body.decode()
    metrics = dict(re.findall(r"^(\S+) ([0-9.]+)$", page, re.MULTILINE))
    spool = sum(path.stat().st_size for path in (lab.gate_home / "payloads").glob("*.seg"))
    assert len(set().union(*seen)) == len(server.requests) == REQUESTS
    assert int(metrics['govern_gate_outcomes_total{kind="inference",reason=""}']) == REQUESTS
    assert int(metrics["govern_gate_records_total"]) == REQUESTS
    assert int(metrics['govern_gate_upstream_sent_total{deployment="mortgage-approval"}']) == REQUESTS
    assert metrics['govern_gate_commit_seconds_bucket{le="+Inf"}'] == metrics["govern_gate_commits_total"]
    assert int(metrics["govern_gate_spool_bytes"]) == spool
    assert sum(1 for _ in read_all(lab.gate_home)) == REQUESTS
    server.close()
