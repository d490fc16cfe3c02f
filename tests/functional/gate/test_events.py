"""What happens to a gate is told as lines of JSON, and no secret is in them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from tests.support.gate_checks import wait_until
from tests.support.gate_lab import DEPLOYMENT, INFER, GateLab, ask, infer_body, launch

KEY, PERSON = "key-" + "k" * 40, "maria.silva"


def test_events_are_json_without_secrets(tmp_path: Path) -> None:
    lab = GateLab(tmp_path / "home")
    lab.gate_home.mkdir(parents=True)
    row = {"name": "desk", "key_sha256": hashlib.sha256(KEY.encode()).hexdigest()}
    (lab.gate_home / "callers.json").write_text(json.dumps({"callers": [row]}))
    headers = {"authorization": f"Bearer {KEY}", "govern-subject": PERSON}

    def served() -> bool:
        return ask(gate.port, "POST", INFER, infer_body(value=0.625), headers).status != 403

    gate = launch(lab.gate_command(9), {"GOVERN_GATE_SNAPSHOT_POLL_SECONDS": "0.05"})
    assert served()
    lab.offer("suspended")
    wait_until(lambda: not served(), "the suspension bites")
    lab.snapshot_path.write_bytes(lab.forge("active"))
    wait_until(lambda: ask(gate.port, "GET", "/gate/metrics").body.count(b"rejected_total 0") == 0, "refused")
    gate.process.terminate()
    _, errors = gate.process.communicate(timeout=20)
    lines = [json.loads(line) for line in errors.decode().splitlines()]
    assert [line["event"] for line in lines if line["event"] != "not ready"] == [
        "started", "snapshot", "snapshot", "draining", "ended",
    ]  # fmt: skip
    assert {line["gate"] for line in lines} == {"demo"}
    told = [line["deployments"] for line in lines if line["event"] == "snapshot"]
    assert told == [{DEPLOYMENT: "active"}, {DEPLOYMENT: "suspended"}]
    for secret in (KEY, row["key_sha256"], PERSON, "0.625"):
        assert secret not in errors.decode()
