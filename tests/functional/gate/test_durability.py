"""No log, no answer: crashes and failing disks lose nothing that was answered."""

from __future__ import annotations

import json
import os
import random
import re
import resource
import threading
import time
from collections.abc import Iterator

import pytest

from govern.domain.gate_record import parse_receipt_header
from serving_gate.__main__ import main
from serving_gate.archive import read_all, read_record
from tests.support.gate_checks import check_log, check_proof, wait_until
from tests.support.gate_lab import (
    INFER,
    GateLab,
    ScriptedUpstream,
    Wire,
    ask,
    infer_body,
    launch,
    stop,
)

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
KILLS = int(os.environ.get("GATE_TEST_KILLS", "20"))
FAST = {"GOVERN_GATE_PUBLISH_SECONDS": "0.05", "GOVERN_GATE_SEGMENT_BYTES_MAX": "65536"}


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    server = ScriptedUpstream(lambda connection, request: connection.sendall(ANSWER))
    yield server
    server.close()


def load(port: int, receipts: list[str]) -> None:
    """Ask until the gate dies; keep every receipt that came with an answer."""
    try:
        wire = Wire(port, timeout_seconds=5)
        while True:
            reply = wire.ask("POST", INFER, infer_body())
            if reply.status == 200:
                receipts.append(reply.headers["govern-receipt"])
    except OSError:
        return


def test_every_answer_survives_kill_9(lab: GateLab, upstream: ScriptedUpstream) -> None:
    chance, receipts = random.Random(4), []
    checkpoints: list[str] = []
    for _ in range(KILLS):
        running = launch(lab.gate_command(upstream.port), FAST)
        clients = [threading.Thread(target=load, args=(running.port, receipts)) for _ in range(4)]
        for client in clients:
            client.start()
        time.sleep(chance.uniform(0.02, 0.25))
        running.process.kill()
        running.process.communicate()
        for client in clients:
            client.join()
        note = lab.gate_home / "log" / "checkpoint"
        checkpoints.append(note.read_text())
    assert len(receipts) > KILLS
    with lab.gate(upstream.port) as gate:
        wire = Wire(gate.port)
        for text in receipts:
            receipt = parse_receipt_header(text)
            proof = wire.ask("GET", f"/gate/receipt/{receipt.index}").body
            checkpoint = check_proof(proof, lab, receipt.leaf, receipt.index)
        wire.close()
    assert len(list(read_all(lab.gate_home))) == checkpoint.size
    check_log(lab, [parse_receipt_header(text) for text in receipts], checkpoints)


def test_a_disk_that_refuses_gives_no_answer_and_heals(
    lab: GateLab, upstream: ScriptedUpstream
) -> None:
    with lab.gate(upstream.port) as gate:
        first = ask(gate.port, "POST", INFER, infer_body())
        assert first.status == 200
        pid = gate.process.pid
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (8, hard))
        for _ in range(3):
            reply = ask(gate.port, "POST", INFER, infer_body())
            assert reply.status == 503
            assert json.loads(reply.body)["reason"] == "cannot-record"
            assert "govern-receipt" not in reply.headers
        assert ask(gate.port, "GET", "/gate/readyz").status == 503
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
        wait_until(lambda: ask(gate.port, "GET", "/gate/readyz").status == 200, "it heals")
        healed = ask(gate.port, "POST", INFER, infer_body())
        assert healed.status == 200
        receipt = parse_receipt_header(healed.headers["govern-receipt"])
        assert receipt.index == 1
        check_proof(ask(gate.port, "GET", "/gate/receipt/1").body, lab, receipt.leaf, receipt.index)
    assert len(list(read_all(lab.gate_home))) == 2


def test_a_second_gate_on_the_same_folder_is_refused(
    lab: GateLab, upstream: ScriptedUpstream
) -> None:
    with lab.gate(upstream.port), pytest.raises(RuntimeError, match="another gate process"):
        launch(lab.gate_command(upstream.port))


def test_a_port_in_use_is_one_sentence(
    lab: GateLab, upstream: ScriptedUpstream, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(lab.gate_command(upstream.port, ["--port", str(upstream.port)])[1:]) != 0
    assert re.fullmatch(r"gate: port \d+ on 127.0.0.1 is in use[^\n]*\n", capsys.readouterr().err)


def test_sigterm_finishes_what_was_begun(lab: GateLab) -> None:
    def slow(connection, request):  # type: ignore[no-untyped-def]
        time.sleep(0.4)
        connection.sendall(ANSWER)

    server = ScriptedUpstream(slow)
    running = launch(lab.gate_command(server.port))
    wire = Wire(running.port)
    body = infer_body()
    wire.send(f"POST {INFER} HTTP/1.1\r\nhost: g\r\ncontent-length: {len(body)}\r\n\r\n".encode())
    wire.send(body)
    time.sleep(0.1)
    running.process.terminate()
    reply = wire.reply()
    assert reply.status == 200
    assert stop(running) == 0
    assert read_record(lab.gate_home, 0).response_body == b"{}"
    server.close()


def test_a_client_that_leaves_is_on_record(lab: GateLab) -> None:
    server = ScriptedUpstream(lambda connection, request: time.sleep(0.3))
    with lab.gate(server.port) as gate:
        wire = Wire(gate.port)
        body = infer_body()
        head = f"POST {INFER} HTTP/1.1\r\nhost: g\r\ncontent-length: {len(body)}\r\n\r\n"
        wire.send(head.encode() + body)
        time.sleep(0.1)
        wire.close()
        half = Wire(gate.port)
        half.send(head.encode() + body[:9])
        time.sleep(0.1)
        half.close()
        time.sleep(0.2)
    kinds = [json.loads(item.record)["kind"] for item in read_all(lab.gate_home) if item]
    assert kinds == ["cancelled", "cancelled"]
    server.close()


def test_a_stream_has_an_opening_and_a_closing_record(lab: GateLab) -> None:
    def script(connection, request):  # type: ignore[no-untyped-def]
        connection.sendall(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
            b"transfer-encoding: chunked\r\n\r\n8\r\ndata: 1\n\r\n"
        )
        time.sleep(0.1)
        connection.sendall(b"8\r\ndata: 2\n\r\n0\r\n\r\n")

    server = ScriptedUpstream(script)
    with lab.gate(server.port) as gate:
        reply = ask(gate.port, "POST", INFER, infer_body())
        assert reply.body == b"data: 1\ndata: 2\n"
    opened, closed = [item for item in read_all(lab.gate_home) if item]
    assert json.loads(opened.record)["kind"] == "stream-open"
    record = json.loads(closed.record)
    assert (record["kind"], record["request"]["opened"]) == ("stream-close", 0)
    assert record["response"]["chunks"] >= 2
    assert closed.response_body == reply.body
    server.close()
