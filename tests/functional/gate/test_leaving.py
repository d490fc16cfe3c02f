"""Clients that leave, read slowly or not at all: always a record, never a gate that hangs."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from typing import Any

import pytest

from serving_gate.archive import read_all
from tests.support.gate_checks import check_log, wait_until
from tests.support.gate_lab import INFER, GateLab, Running, ScriptedUpstream, Wire, ask, infer_body

STREAM = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
PIECE = b"8\r\ndata: 1\n\r\n"


def request() -> bytes:
    body = infer_body()
    head = f"POST {INFER} HTTP/1.1\r\nhost: gate\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def records(lab: GateLab) -> list[dict[str, Any]]:
    return [json.loads(item.record) for item in read_all(lab.gate_home) if item]


def kinds(lab: GateLab) -> list[tuple[str, str | None]]:
    return [(item["kind"], item["reason"]) for item in records(lab)]


def reset(wire: Wire) -> None:
    """Leave with a RST, not a FIN."""
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.close()


def waiting_connections(gate: Running) -> int:
    page = ask(gate.port, "GET", "/gate/metrics").body.decode()
    line = next(row for row in page.splitlines() if row.startswith("govern_gate_connections "))
    return int(line.split()[1]) - 1


class Endless:
    """An upstream that sends pieces until it is told to stop or its gate hangs up."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.cut = threading.Event()
        self.sent_bytes = 0
        self.server = ScriptedUpstream(self._script)

    def _script(self, connection: socket.socket, request: bytes) -> str:
        connection.sendall(STREAM)
        try:
            while not self.stop.wait(0.01):
                connection.sendall(PIECE)
                self.sent_bytes += len(PIECE)
        except OSError:
            self.cut.set()
        return "close"


@pytest.mark.parametrize("leave", [Wire.close, reset], ids=["fin", "rst"])
def test_leaving_in_the_middle_of_a_stream_ends_it_upstream_and_on_record(
    lab: GateLab, leave: Any
) -> None:
    upstream = Endless()
    with lab.gate(upstream.server.port) as gate:
        wire = Wire(gate.port)
        wire.send(request())
        while PIECE not in wire.socket.recv(4096):
            pass
        leave(wire)
        assert upstream.cut.wait(5), "the upstream goes on for nobody"
        wait_until(lambda: waiting_connections(gate) == 0, "the connection is forgotten")
    upstream.server.close()
    assert kinds(lab) == [("stream-open", None), ("stream-close", "cancelled")]
    opened, closed = records(lab)
    assert closed["request"]["opened"] == opened["seq"]
    assert closed["response"]["bytes"] >= 8
    check_log(lab, [])


def test_leaving_before_the_opening_record_is_durable_does_not_hang(lab: GateLab) -> None:
    upstream = Endless()
    with lab.gate_on_faulty_disk(upstream.server.port) as gate:
        lab.break_disk(under="payloads", fdatasync=0.6)
        wire = Wire(gate.port)
        wire.send(request())
        time.sleep(0.2)
        wire.close()
        assert upstream.cut.wait(5)
        lab.break_disk()
        wait_until(lambda: waiting_connections(gate) == 0, "nothing waits for the opening record")
        began = time.monotonic()
    assert time.monotonic() - began < 3, "the end does not wait either"
    upstream.server.close()
    assert kinds(lab) == [("stream-open", None), ("stream-close", "cancelled")]


def test_a_stream_whose_opening_cannot_be_recorded_never_begins(lab: GateLab) -> None:
    upstream = Endless()
    with lab.gate_on_faulty_disk(upstream.server.port) as gate:
        lab.break_disk(under="payloads", fdatasync="EIO")
        reply = ask(gate.port, "POST", INFER, infer_body())
        assert (reply.status, json.loads(reply.body)["reason"]) == (503, "cannot-record")
        assert upstream.cut.wait(5), "the upstream goes on for nobody"
    upstream.server.close()
    assert kinds(lab) == []


def test_a_stream_whose_end_cannot_be_recorded_is_broken_off(lab: GateLab) -> None:
    upstream = Endless()
    with lab.gate_on_faulty_disk(upstream.server.port) as gate:
        wire = Wire(gate.port)
        wire.send(request())
        wire.socket.recv(4096)
        lab.break_disk(under="payloads", fdatasync="EIO")
        upstream.stop.set()
        received = b""
        with pytest.raises(ConnectionError):
            while True:
                received += _some(wire)
        assert b"0\r\n\r\n" not in received, "the last chunk says that the answer is whole"
    upstream.server.close()
    assert kinds(lab) == [("stream-open", None)]


def _some(wire: Wire) -> bytes:
    data = wire.socket.recv(4096)
    if not data:
        raise ConnectionError("closed")
    return data


def test_leaving_while_the_upstream_thinks_frees_it_and_is_on_record(lab: GateLab) -> None:
    left = threading.Event()

    def script(connection: socket.socket, request: bytes) -> None:
        if connection.recv(1) == b"":
            left.set()

    upstream = ScriptedUpstream(script)
    with lab.gate(upstream.port) as gate:
        wire = Wire(gate.port)
        wire.send(request())
        time.sleep(0.2)
        reset(wire)
        assert left.wait(5)
    upstream.close()
    assert kinds(lab) == [("cancelled", "cancelled")]


def test_leaving_after_the_answer_came_but_before_it_was_durable(lab: GateLab) -> None:
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
    upstream = ScriptedUpstream(lambda connection, request: connection.sendall(answer))
    with lab.gate_on_faulty_disk(upstream.port) as gate:
        lab.break_disk(under="payloads", fdatasync=0.5)
        wire = Wire(gate.port)
        wire.send(request())
        time.sleep(0.2)
        reset(wire)
        lab.break_disk()
        wait_until(lambda: waiting_connections(gate) == 0, "the connection is forgotten")
        assert ask(gate.port, "POST", INFER, infer_body()).status == 200
    upstream.close()
    assert kinds(lab) == [("inference", None), ("inference", None)]


def test_a_body_that_stops_coming_is_a_time_out_on_record(lab: GateLab) -> None:
    with lab.gate(9, environment={"GOVERN_GATE_REQUEST_TIMEOUT_SECONDS": "0.3"}) as gate:
        wire = Wire(gate.port)
        wire.send(request()[:-10])
        assert wire.reply().status == 408
    assert kinds(lab) == [("refusal", "request-timeout")]


def test_a_client_that_reads_nothing_holds_the_upstream_back_and_is_let_go(lab: GateLab) -> None:
    block = b"%x\r\n%s\r\n" % (1 << 16, b"z" * (1 << 16))
    sent = [0]
    cut = threading.Event()

    def script(connection: socket.socket, request: bytes) -> str:
        connection.sendall(STREAM)
        try:
            while sent[0] < 4000:
                connection.sendall(block)
                sent[0] += 1
        except OSError:
            cut.set()
        return "close"

    upstream = ScriptedUpstream(script)
    environment = {"GOVERN_GATE_SEND_TIMEOUT_SECONDS": "1"}
    with lab.gate(upstream.port, environment=environment) as gate:
        wire = Wire(gate.port)
        wire.send(request())
        assert cut.wait(8), "it is let go"
        assert sent[0] < 1600, "what went into a client that reads nothing is sockets' buffers"
        wait_until(lambda: waiting_connections(gate) == 0, "the connection is forgotten")
        wire.close()
    upstream.close()
    assert kinds(lab) == [("stream-open", None), ("stream-close", "cancelled")]


def test_requests_behind_answers_that_nobody_reads_are_not_begun(lab: GateLab) -> None:
    size = 1 << 20
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size + b"z" * size
    upstream = ScriptedUpstream(lambda connection, request: connection.sendall(answer))
    environment = {"GOVERN_GATE_SEND_TIMEOUT_SECONDS": "1.5"}
    with lab.gate(upstream.port, environment=environment) as gate:
        wire = Wire(gate.port)
        wire.send(request() * 60)
        time.sleep(0.8)
        assert len(upstream.requests) < 20
        for _ in range(10):
            assert len(wire.reply().body) == size
        wait_until(lambda: waiting_connections(gate) == 0, "then it is let go", seconds=6)
        wire.close()
    upstream.close()
