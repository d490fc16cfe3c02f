"""Several gate processes on one port: each its own log, the dead restarted, one end for all."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from govern.domain.gate_record import Receipt, parse_receipt_header
from serving_gate.archive import read_all
from serving_gate.family import merge
from serving_gate.supervisor import DELAY_SECONDS_MAX, restart_delay
from tests.support.gate_checks import check_proof, wait_until
from tests.support.gate_lab import (
    INFER,
    ROOT,
    GateLab,
    Running,
    ScriptedUpstream,
    ask,
    infer_body,
    launch,
    stop,
)

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
TWO = ["--name", "other"]
FAST = {"GOVERN_GATE_PUBLISH_SECONDS": "0.1"}


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    server = ScriptedUpstream(lambda connection, request: connection.sendall(ANSWER))
    yield server
    server.close()


def until_both_answer(port: int, receipts: list[Receipt]) -> Counter[str]:
    """Ask on connections of their own until both processes have answered ten times."""
    seen: Counter[str] = Counter()
    end = time.monotonic() + 20
    while len(seen) < 2 or min(seen.values()) < 10:
        assert time.monotonic() < end, seen
        reply = ask(port, "POST", INFER, infer_body())
        assert reply.status == 200
        receipts.append(parse_receipt_header(reply.headers["govern-receipt"]))
        seen[receipts[-1].origin] += 1
    return seen


def workers(gate: Running) -> dict[str, dict[str, Any]]:
    return {item["name"]: item for item in gate.ready["workers"]}


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_each_process_has_its_log_and_any_of_them_shows_all(
    lab: GateLab, upstream: ScriptedUpstream
) -> None:
    receipts: list[Receipt] = []
    with lab.gate(upstream.port, environment=FAST, arguments=TWO) as gate:
        seen = until_both_answer(gate.port, receipts)
        assert set(seen) == {item["origin"] for item in gate.ready["workers"]}
        time.sleep(0.3)
        for receipt in receipts[-8:]:
            name = receipt.origin.rpartition("/")[2]
            proof = ask(gate.port, "GET", f"/gate/logs/{name}/receipt/{receipt.index}")
            assert proof.status == 200
            if name == "demo":
                check_proof(proof.body, lab, receipt.leaf, receipt.index)
            for page in (f"/gate/logs/{name}/checkpoint", f"/gate/logs/{name}/tile/0/000.p/1"):
                assert ask(gate.port, "GET", page).status in (200, 404)
        assert ask(gate.port, "GET", "/gate/logs/nobody/checkpoint").status == 404
        assert ask(gate.port, "GET", "/gate/logs/../receipt/0").status == 404
        page = ask(gate.port, "GET", "/gate/metrics").body.decode()
    counted = dict(re.findall(r'^govern_gate_records_total\{gate="(\w+)"\} (\d+)$', page, re.MULTILINE))
    assert {name: int(count) for name, count in counted.items()} == {
        origin.rpartition("/")[2]: count for origin, count in seen.items()
    }
    for name in ("demo", "other"):
        found = list(read_all(lab.home / "gates" / name))
        mine = [item for item in receipts if item.origin.endswith(f"/{name}")]
        assert [item.leaf for item in found if item] == [item.leaf for item in mine]


def test_a_dead_process_is_started_again_and_loses_nothing(
    lab: GateLab, upstream: ScriptedUpstream
) -> None:
    receipts: list[Receipt] = []
    with lab.gate(upstream.port, environment=FAST, arguments=TWO) as gate:
        until_both_answer(gate.port, receipts)
        os.kill(workers(gate)["other"]["pid"], signal.SIGKILL)
        wait_until(lambda: not alive(workers(gate)["other"]["pid"]), "it is dead")
        before = len(receipts)
        until_both_answer(gate.port, receipts)
        assert len(receipts) > before
    for name in ("demo", "other"):
        mine = [item for item in receipts if item.origin.endswith(f"/{name}")]
        assert len({item.index for item in mine}) == len(mine)
        assert len(list(read_all(lab.home / "gates" / name))) >= len(mine)


def test_sigterm_lets_every_process_finish(lab: GateLab) -> None:
    def slow(connection: Any, request: bytes) -> None:
        time.sleep(0.6)
        connection.sendall(ANSWER)

    server = ScriptedUpstream(slow)
    gate = launch(lab.gate_command(server.port, TWO))
    found: list[int] = []

    def call() -> None:
        found.append(ask(gate.port, "POST", INFER, infer_body()).status)

    callers = [threading.Thread(target=call) for _ in range(8)]
    for caller in callers:
        caller.start()
    time.sleep(0.3)
    assert stop(gate) == 0
    for caller in callers:
        caller.join()
    server.close()
    assert found == [200] * 8
    assert not any(alive(item["pid"]) for item in gate.ready["workers"])


def test_processes_end_with_a_supervisor_that_was_killed(
    lab: GateLab, upstream: ScriptedUpstream
) -> None:
    gate = launch(lab.gate_command(upstream.port, TWO))
    gate.process.kill()
    pids = [item["pid"] for item in gate.ready["workers"]]
    wait_until(lambda: not any(alive(pid) for pid in pids), "no process is left behind", seconds=8)
    gate.process.communicate()


def test_a_process_that_cannot_start_ends_all_with_a_sentence(
    lab: GateLab, upstream: ScriptedUpstream
) -> None:
    key = lab.home / "keys" / "gate-other.key"
    key.rename(key.with_suffix(".away"))
    with pytest.raises(RuntimeError, match=r"(?s)log key cannot be read.*\ngate: the gate process other"):
        launch(lab.gate_command(upstream.port, TWO))
    key.with_suffix(".away").rename(key)  # the module's tests share the installation


@pytest.mark.parametrize("options", [
    ["--name", "demo"], ["--name", "x", "--key", "k"], ["--tls-cert", "a"], ["--client-ca", "a"],
    ["--upstream-key", "a"],
], ids=" ".join)  # fmt: skip
def test_options_without_meaning_are_usage_errors(options: list[str]) -> None:
    command = [sys.executable, "-m", "serving_gate", "--home", "h", "--name", "demo", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2


def test_who_dies_young_waits_longer_each_time_up_to_a_bound() -> None:
    waits = [restart_delay(deaths) for deaths in range(40)]
    assert waits == sorted(waits)
    assert waits[0] < 1
    assert waits[-1] == DELAY_SECONDS_MAX


def test_merged_metrics_name_each_family_once() -> None:
    page = b'# HELP a_b Text.\n# TYPE a_b counter\na_b{kind="x"} 1\n# HELP c Text.\n# TYPE c gauge\nc 2.5\n'
    assert merge({"one": page, "two": page}).decode().splitlines() == [
        "# HELP a_b Text.", "# TYPE a_b counter", 'a_b{gate="one",kind="x"} 1', 'a_b{gate="two",kind="x"} 1',
        "# HELP c Text.", "# TYPE c gauge", 'c{gate="one"} 2.5', 'c{gate="two"} 2.5',
    ]  # fmt: skip
