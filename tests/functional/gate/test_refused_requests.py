"""Requests without a single meaning are refused, recorded, and never forwarded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving_gate.archive import read_record
from tests.support.gate_lab import INFER, GateLab, Running, ScriptedUpstream, Wire, ask, infer_body

CASES = json.loads((Path(__file__).parent / "refused_requests.json").read_text())["cases"]
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    server = ScriptedUpstream(lambda connection, request: connection.sendall(ANSWER))
    yield server
    server.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> GateLab:
    return GateLab(tmp_path_factory.mktemp("gate") / "home")


@pytest.fixture(scope="module")
def gate(lab: GateLab, upstream: ScriptedUpstream) -> Iterator[Running]:
    with lab.gate(upstream.port) as running:
        yield running


def test_the_corpus_is_large() -> None:
    assert len(CASES) >= 100


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_refused_recorded_not_forwarded(
    case: dict[str, str], lab: GateLab, gate: Running, upstream: ScriptedUpstream
) -> None:
    before = len(upstream.requests)
    wire = Wire(gate.port, timeout_seconds=5)
    wire.send(case["raw"].encode("latin-1"))
    reply = wire.reply()
    assert 400 <= reply.status < 506
    reason = json.loads(reply.body)["reason"]
    index = int(reply.headers["govern-receipt"].split("index=")[1].split(";")[0])
    record = json.loads(read_record(lab.gate_home, index).record)
    assert (record["kind"], record["status"], record["reason"]) == ("refusal", reply.status, reason)
    assert len(upstream.requests) == before
    if reason == "malformed-request":
        with pytest.raises(ConnectionError):
            wire.reply()
    wire.close()


def test_the_gate_still_serves(gate: Running, upstream: ScriptedUpstream) -> None:
    assert ask(gate.port, "POST", INFER, infer_body()).status == 200
    assert upstream.requests[-1].endswith(infer_body())
