"""Keys are rotated while a gate runs: it takes them up, or answers nothing and says why."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from govern.adapters.key_home import KeyHome
from govern.services import keying
from govern.transparency.trust import TrustRoot
from tests.support.gate_checks import wait_until
from tests.support.gate_lab import INFER, GateLab, Running, ask, infer_body

pytestmark = pytest.mark.functional
ORIGIN = "bank.example/govern/gate/demo"


@pytest.fixture
def lab(tmp_path: Path) -> GateLab:
    return GateLab(tmp_path / "home")


def rotated(lab: GateLab, role: str) -> bytes:
    shop = lab.workshop
    maker = KeyHome(lab.home, shop.keys)
    now = datetime.now(UTC)
    return keying.rotate(
        shop.trust_bytes, role, maker, now=now, reason="test", overlap=timedelta(seconds=60)
    )


def put(lab: GateLab, data: bytes) -> TrustRoot:
    path = lab.home / "trust.part"
    path.write_bytes(data)
    path.replace(lab.home / "trust.json")
    return TrustRoot.from_json(data)


def status(gate: Running) -> int:
    return ask(gate.port, "POST", INFER, infer_body()).status


def problems(gate: Running) -> str:
    return " ".join(json.loads(ask(gate.port, "GET", "/gate/readyz").body)["problems"])


def test_a_running_gate_signs_with_the_successor_of_its_key(lab: GateLab) -> None:
    with lab.host() as host, lab.gate(host.port) as gate:
        assert status(gate) == 200
        trust = put(lab, rotated(lab, "gate-demo"))
        newest = trust.log(ORIGIN)
        assert newest.id != lab.workshop.trust.log(ORIGIN).id

        def signed_by_newest() -> bool:
            note = ask(gate.port, "GET", "/gate/checkpoint").body.decode()
            return trust.open_checkpoint(note, ORIGIN)[1].id == newest.id

        wait_until(signed_by_newest, "a checkpoint under the new key")
        assert status(gate) == 200 and problems(gate) == ""


def test_snapshots_are_verified_under_the_newer_trust_file(lab: GateLab) -> None:
    with lab.host() as host, lab.gate(host.port) as gate:
        trust = put(lab, rotated(lab, "snapshot"))
        lab.workshop.keys.take_up(trust)
        lab.offer("suspended")
        wait_until(lambda: status(gate) == 403, "the suspension")


def test_a_gate_refuses_a_trust_file_that_is_rolled_back(lab: GateLab) -> None:
    first = lab.workshop.trust_bytes
    put(lab, rotated(lab, "ca"))
    with lab.host() as host, lab.gate(host.port) as gate:
        assert status(gate) == 200
        put(lab, first)
        wait_until(lambda: status(gate) == 503, "a refusal")
        assert "newer than version 2, got version 1" in problems(gate)


def test_a_gate_whose_key_ended_and_has_no_successor_here_answers_nothing(lab: GateLab) -> None:
    newer = rotated(lab, "gate-demo")
    aside = lab.home / "gate-demo.2.key"
    (lab.home / "keys" / aside.name).rename(aside)
    with lab.host() as host, lab.gate(host.port) as gate:
        put(lab, newer)
        wait_until(lambda: status(gate) == 503, "a refusal")
        assert "no gate log with this key" in problems(gate)
        aside.rename(lab.home / "keys" / aside.name)
        wait_until(lambda: status(gate) == 200, "an answer")
