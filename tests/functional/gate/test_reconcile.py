"""Counts of gate, log and upstream are compared by `govern log reconcile`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from govern.services.reconciling import Logged, compare, of_gate, read_metrics
from tests.support.gate_lab import DEPLOYMENT, INFER, GateLab, ScriptedUpstream, ask, infer_body
from tests.support.home import govern_here as govern

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
FAST = {"GOVERN_GATE_PUBLISH_SECONDS": "0.1"}


def reconcile(lab: GateLab, *arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
    done = govern(lab.home, "log", "reconcile", *arguments, "--json")
    rows = json.loads(done.stdout) if done.stdout.startswith("[") else []
    return done.returncode, {row["what"]: row for row in rows}


def test_what_was_counted_agrees_over_a_restart_and_a_lost_record_does_not(tmp_path: Path) -> None:
    server = ScriptedUpstream(lambda connection, request: connection.sendall(ANSWER))
    lab = GateLab(tmp_path / "home")
    with lab.gate(server.port, environment=FAST) as gate:
        ask(gate.port, "POST", INFER, infer_body())
    with lab.gate(server.port, environment=FAST) as gate:
        address = f"http://127.0.0.1:{gate.port}"
        for _ in range(3):
            assert ask(gate.port, "POST", INFER, infer_body()).status == 200
        assert ask(gate.port, "POST", "/v2/models/another/infer", infer_body()).status == 403
        code, rows = reconcile(lab, "--gate", address, "--upstream", f"{DEPLOYMENT}=3")
        assert code == 0
        assert (rows["records"]["counted"], rows["records"]["logged"]) == (5, 5)
        assert (rows["inference since start"]["counted"], rows["inference since start"]["logged"]) == (3, 3)
        assert rows["refusal since start"]["logged"] == 1
        assert reconcile(lab, "--gate", address, "--upstream", f"{DEPLOYMENT}=4")[0] == 16
    assert reconcile(lab)[0] == 0
    segment = max((lab.gate_home / "payloads").glob("*.seg"))
    segment.write_bytes(segment.read_bytes()[:-20])
    assert reconcile(lab)[0] == 16
    server.close()


def test_words_without_meaning_are_usage_errors(tmp_path: Path) -> None:
    lab = GateLab(tmp_path / "home")
    for arguments in (["--upstream", "a=1"], ["--gate", "file:///etc/passwd"], ["--gate", "http://h", "--upstream", "a"]):
        assert govern(lab.home, "log", "reconcile", *arguments).returncode == 2
    done = govern(lab.home, "log", "reconcile")
    assert (done.returncode, done.stderr) == (1, "govern log: no such gate keeps records here; there are: none\n")


PAGE = """# TYPE govern_gate_records_total counter
govern_gate_records_total{gate="a"} 7
govern_gate_records_failed_total{gate="a"} 2
govern_gate_outcomes_total{gate="a",kind="inference",reason=""} 9
govern_gate_outcomes_total{gate="a",kind="unrecorded",reason="cannot-record"} 2
govern_gate_records_total{gate="b"} 1
"""


@pytest.mark.parametrize(("logged", "agrees"), [(9, True), (7, True), (6, False), (10, False)])
def test_as_many_may_be_missing_as_could_not_be_recorded(logged: int, agrees: bool) -> None:
    samples = of_gate(read_metrics(PAGE), "a")
    rows = compare("a", Logged({"inference": logged}, 7, 7), samples)
    assert {row.what: row.agrees for row in rows}["inference since start"] is agrees
