"""Admission is asked on every request, from a snapshot that only moves forward."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from govern.domain.gate_record import parse_leaf, parse_receipt_header
from serving_gate.archive import read_record
from tests.support.gate_lab import INFER, GateLab, Running, ScriptedUpstream, ask, infer_body

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ngovern-receipt: forged\r\n\r\n{}"
FAST = {"GOVERN_GATE_SNAPSHOT_POLL_SECONDS": "0.1"}


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    server = ScriptedUpstream(lambda connection, request: connection.sendall(ANSWER))
    yield server
    server.close()


def reason(gate: Running) -> str:
    reply = ask(gate.port, "POST", INFER, infer_body())
    return "served" if reply.status == 200 else str(json.loads(reply.body)["reason"])


def wait_for(gate: Running, expected: str, seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while (found := reason(gate)) != expected:
        assert time.monotonic() < end, f"{found} instead of {expected}"
        time.sleep(0.05)


def test_an_answer_carries_a_receipt_of_its_record(lab: GateLab) -> None:
    with lab.host() as host, lab.gate(host.port) as gate:
        reply = ask(gate.port, "POST", INFER, infer_body(3))
        receipt = parse_receipt_header(reply.headers["govern-receipt"])
        archived = read_record(lab.gate_home, receipt.index)
    record = json.loads(archived.record)
    assert (reply.status, record["kind"], record["status"]) == (200, "inference", 200)
    assert archived.request_body == infer_body(3)
    assert archived.response_body == reply.body
    assert record["candidate"] == lab.digest
    assert record["admission"] == receipt.admission
    assert archived.leaf == receipt.leaf
    assert parse_leaf(receipt.leaf)[0] == receipt.index == 0


def test_an_unknown_deployment_is_refused_and_recorded(
    lab: GateLab, upstream: ScriptedUpstream
) -> None:
    with lab.gate(upstream.port) as gate:
        reply = ask(gate.port, "POST", "/v2/models/mortgage-logistic/infer", infer_body())
        assert (reply.status, json.loads(reply.body)["reason"]) == (403, "not-admitted")
        record = json.loads(read_record(lab.gate_home, 0).record)
    assert (record["kind"], record["deployment"]) == ("refusal", "mortgage-logistic")


@pytest.mark.parametrize("status", ["suspended", "revoked"])
def test_a_change_of_status_bites(lab: GateLab, upstream: ScriptedUpstream, status: str) -> None:
    with lab.gate(upstream.port, environment=FAST) as gate:
        assert reason(gate) == "served"
        lab.offer(status)
        wait_for(gate, status)


def test_a_rolled_back_snapshot_is_refused(lab: GateLab, upstream: ScriptedUpstream) -> None:
    old = lab.snapshot_path.read_bytes()
    with lab.gate(upstream.port, environment=FAST) as gate:
        lab.offer("revoked")
        wait_for(gate, "revoked")
        lab.snapshot_path.write_bytes(old)
        time.sleep(0.4)
        assert reason(gate) == "revoked"
    with lab.gate(upstream.port, environment=FAST) as gate:
        time.sleep(0.3)
        assert reason(gate) == "revoked"


def test_a_forged_snapshot_changes_nothing(lab: GateLab, upstream: ScriptedUpstream) -> None:
    with lab.gate(upstream.port, environment=FAST) as gate:
        forged = lab.forge("revoked")
        lab.snapshot_path.write_bytes(forged)
        time.sleep(0.4)
        assert reason(gate) == "served"
        metrics = ask(gate.port, "GET", "/gate/metrics").body.decode()
        assert "govern_gate_snapshots_rejected_total 0" not in metrics


def test_expiry_bites_to_the_second(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    end = (datetime.now(UTC) + timedelta(seconds=4)).replace(microsecond=0)
    lab = GateLab(tmp_path / "home", expires_at=end.isoformat().replace("+00:00", "Z"))
    with lab.gate(upstream.port, environment=FAST) as gate:
        while time.time() < end.timestamp() - 0.15:
            assert reason(gate) == "served"
            time.sleep(0.05)
        time.sleep(max(0.0, end.timestamp() - time.time()))
        assert reason(gate) == "expired"


def test_a_stale_snapshot_closes_the_gate(lab: GateLab, upstream: ScriptedUpstream) -> None:
    environment = {**FAST, "GOVERN_GATE_SNAPSHOT_STALE_SECONDS": "1"}
    with lab.gate(upstream.port, environment=environment) as gate:
        assert reason(gate) == "served"
        document = lab.snapshot_path.read_bytes()
        lab.snapshot_path.unlink()
        wait_for(gate, "stale-snapshot")
        assert ask(gate.port, "GET", "/gate/readyz").status == 503
        lab.snapshot_path.write_bytes(document)
        wait_for(gate, "served")


def test_a_missing_snapshot_closes_the_gate(lab: GateLab, upstream: ScriptedUpstream) -> None:
    lab.snapshot_path.unlink()
    with lab.gate(upstream.port) as gate:
        assert reason(gate) == "not-ready"


def test_a_forged_receipt_from_the_upstream_is_dropped(
    lab: GateLab, upstream: ScriptedUpstream
) -> None:
    with lab.gate(upstream.port) as gate:
        reply = ask(gate.port, "POST", INFER, infer_body())
    assert reply.headers["govern-receipt"].startswith("v1; origin=")
