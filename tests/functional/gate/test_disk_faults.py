"""A disk that is full, fails or is slow: 503, nothing lost, nothing forked, healed by itself."""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Iterator

import pytest

from govern.domain.gate_record import parse_receipt_header
from serving_gate.archive import read_all
from tests.support.gate_checks import check_log, check_proof, wait_until
from tests.support.gate_lab import (
    INFER,
    GateLab,
    Reply,
    Running,
    ScriptedUpstream,
    Wire,
    ask,
    infer_body,
    launch,
)

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
FAST = {"GOVERN_GATE_PUBLISH_SECONDS": "0.05"}
ROUNDS = int(os.environ.get("GATE_TEST_FAULT_ROUNDS", "4"))
FULL = {"under": "payloads", "write": "ENOSPC"}
BROKEN = {"under": "payloads", "fdatasync": "EIO"}
WORSE = {"under": "payloads", "fdatasync": "EIO", "ftruncate": "EIO", "fsync": "EIO"}
NO_FILE = {"under": "payloads", "open": "ENOSPC", "fdatasync": "EIO"}
FAULTS = [FULL, BROKEN, WORSE, NO_FILE]


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    server = ScriptedUpstream(lambda connection, request: connection.sendall(ANSWER))
    yield server
    server.close()


def infer(gate: Running, headers: dict[str, str] | None = None) -> Reply:
    return ask(gate.port, "POST", INFER, infer_body(), headers)


def refused(reply: Reply) -> bool:
    cannot = reply.status == 503 and json.loads(reply.body)["reason"] == "cannot-record"
    return cannot and "govern-receipt" not in reply.headers


def ready(gate: Running) -> bool:
    return ask(gate.port, "GET", "/gate/readyz").status == 200


@pytest.mark.parametrize("fault", FAULTS, ids=["full", "fsync", "fsync-and-no-way-back", "no-file"])
def test_a_failing_disk_gives_no_answer_and_the_gate_heals(
    lab: GateLab, upstream: ScriptedUpstream, fault: dict[str, str]
) -> None:
    with lab.gate_on_faulty_disk(upstream.port, FAST) as gate:
        assert infer(gate).status == 200
        lab.break_disk(**fault)
        assert [refused(infer(gate)) for _ in range(3)] == [True] * 3
        assert not ready(gate)
        lab.break_disk()
        wait_until(lambda: ready(gate), "a healed disk makes the gate ready without a request")
        receipt = parse_receipt_header(infer(gate).headers["govern-receipt"])
        assert receipt.index == 1
        proof = ask(gate.port, "GET", f"/gate/receipt/{receipt.index}").body
        check_proof(proof, lab, receipt.leaf, receipt.index)
    check_log(lab, [receipt])


def test_a_crash_after_a_failed_write_that_could_not_be_undone(
    lab: GateLab, upstream: ScriptedUpstream
) -> None:
    command = ["tests.support.faulty_disk", str(lab.home / "faults.json")]
    gate = launch(command + lab.gate_command(upstream.port), FAST)
    before = parse_receipt_header(infer(gate).headers["govern-receipt"])
    lab.break_disk(**WORSE)
    assert refused(infer(gate))
    lab.break_disk()
    wait_until(lambda: ready(gate), "it heals")
    after = parse_receipt_header(infer(gate).headers["govern-receipt"])
    gate.process.kill()
    gate.process.communicate()
    with lab.gate(upstream.port):
        assert [item.index for item in (before, after)] == [0, 1]
    check_log(lab, [before, after])


def test_a_new_subject_whose_key_cannot_be_saved_gets_no_answer(
    lab: GateLab, upstream: ScriptedUpstream
) -> None:
    with lab.gate_on_faulty_disk(upstream.port, FAST) as gate:
        assert infer(gate).status == 200
        lab.break_disk(under="keyring", fsync="EIO")
        assert refused(infer(gate, {"govern-subject": "maria"}))
        wait_until(lambda: ready(gate), "others are served")
        assert infer(gate).status == 200
        lab.break_disk()
        reply = infer(gate, {"govern-subject": "maria"})
    check_log(lab, [parse_receipt_header(reply.headers["govern-receipt"])])


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_a_log_folder_that_cannot_be_written_is_published_later(
    lab: GateLab, upstream: ScriptedUpstream, call: str
) -> None:
    with lab.gate_on_faulty_disk(upstream.port, FAST) as gate:
        lab.break_disk(under="/log", **{call: "ENOSPC"})
        assert infer(gate).status == 200, "the journal is what an answer rests on"
        wait_until(lambda: not ready(gate), "a log that is not published is a problem")
        assert ask(gate.port, "GET", "/gate/receipt/0").status == 503
        lab.break_disk()
        wait_until(lambda: ready(gate), "publication is tried again without a request")
        reply = infer(gate)
    check_log(lab, [parse_receipt_header(reply.headers["govern-receipt"])])


def test_a_slow_disk_is_refused_within_its_time_and_spares_the_upstream(
    lab: GateLab, upstream: ScriptedUpstream
) -> None:
    environment = {**FAST, "GOVERN_GATE_RECORD_TIMEOUT_SECONDS": "0.3"}
    with lab.gate_on_faulty_disk(upstream.port, environment) as gate:
        assert infer(gate).status == 200
        lab.break_disk(under="payloads", fdatasync=3.0)
        began = time.monotonic()
        assert refused(infer(gate)), "the first to wait"
        assert refused(infer(gate)), "the next is not let in at all"
        assert time.monotonic() - began < 1.5
        assert len(upstream.requests) == 2
        assert not ready(gate)
        lab.break_disk()
        wait_until(lambda: ready(gate), "the disk has answered", seconds=6)
        receipt = parse_receipt_header(infer(gate).headers["govern-receipt"])
        assert receipt.index == 2, "the refused record became durable all the same"
    check_log(lab, [receipt])


def test_a_disk_that_hangs_does_not_hang_the_end(lab: GateLab, upstream: ScriptedUpstream) -> None:
    environment = {
        "GOVERN_GATE_RECORD_TIMEOUT_SECONDS": "0.2",
        "GOVERN_GATE_DRAIN_SECONDS": "0.5",
    }
    with lab.gate_on_faulty_disk(upstream.port, environment) as gate:
        lab.break_disk(under="payloads", fdatasync=600.0)
        assert refused(infer(gate))
        gate.process.terminate()
        assert gate.process.wait(timeout=6) == 1, "an end without a durable log is an error"


def test_faults_at_random_under_load_lose_and_fork_nothing(
    lab: GateLab, upstream: ScriptedUpstream
) -> None:
    chance = random.Random(11)
    receipts: list[str] = []
    notes: list[str] = []
    command = ["tests.support.faulty_disk", str(lab.home / "faults.json")]
    for _ in range(ROUNDS):
        gate = launch(command + lab.gate_command(upstream.port), FAST)
        clients = [threading.Thread(target=_load, args=(gate.port, receipts)) for _ in range(4)]
        for client in clients:
            client.start()
        for _ in range(4):
            lab.break_disk(**chance.choice([*FAULTS, {"fsync": "EIO"}, {"fdatasync": 0.02}]))
            time.sleep(chance.uniform(0.01, 0.1))
            lab.break_disk()
            time.sleep(chance.uniform(0.01, 0.1))
        gate.process.kill()
        gate.process.communicate()
        for client in clients:
            client.join()
        notes.append((lab.gate_home / "log" / "checkpoint").read_text())
    with lab.gate(upstream.port):
        assert len(receipts) > ROUNDS
    check_log(lab, [parse_receipt_header(text) for text in receipts], notes)
    assert len(list(read_all(lab.gate_home))) <= len(upstream.requests)


def _load(port: int, receipts: list[str]) -> None:
    """Ask until the gate dies; keep the receipt of every answer."""
    try:
        wire = Wire(port, timeout_seconds=5)
        while True:
            reply = wire.ask("POST", INFER, infer_body())
            assert reply.status == 200 or refused(reply)
            if reply.status == 200:
                receipts.append(reply.headers["govern-receipt"])
    except OSError:
        return
