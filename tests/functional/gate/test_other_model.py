"""Answers from other bytes than those admitted do not leave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from serving_gate.archive import read_all
from tests.support.gate_lab import INFER, GateLab, Reply, Running, ScriptedUpstream, ask, infer_body

OTHER = "sha256:" + "0" * 64


class Stating:
    """An upstream that says which model answers, or does not."""

    def __init__(self) -> None:
        self.line = b""
        self.status = 200
        self.chunked = False
        self.server = ScriptedUpstream(self._answer)

    def _answer(self, connection: Any, request: bytes) -> None:
        head = b"HTTP/1.1 %d X\r\n%s" % (self.status, self.line)
        if self.chunked:
            connection.sendall(head + b"transfer-encoding: chunked\r\n\r\n6\r\nsecret\r\n0\r\n\r\n")
        else:
            connection.sendall(head + b"content-length: 6\r\n\r\nsecret")

    def state(self, digest: str | None) -> None:
        self.line = b"" if digest is None else f"X-Model-Digest: {digest}\r\n".encode()


def infer(gate: Running) -> Reply:
    return ask(gate.port, "POST", INFER, infer_body())


def refused(reply: Reply) -> bool:
    assert b"secret" not in reply.body or reply.status != 403
    return reply.status == 403 and json.loads(reply.body)["reason"] == "digest-mismatch"


@pytest.mark.parametrize("chunked", [False, True], ids=["whole", "stream"])
def test_another_digest_than_the_admitted_one_is_refused_at_once_and_only_then(
    tmp_path: Path, chunked: bool
) -> None:
    lab, upstream = GateLab(tmp_path / "home"), Stating()
    upstream.chunked = chunked
    with lab.gate(upstream.server.port) as gate:
        upstream.state(lab.digest)
        assert infer(gate).body == b"secret"
        upstream.state(OTHER)
        reply = infer(gate)
        assert refused(reply)
        assert reply.headers["govern-receipt"].startswith("v1;")
        upstream.state(lab.digest)
        assert infer(gate).body == b"secret", "an upstream that was put right serves again"
        upstream.state(None)
        assert infer(gate).status == 200, "this admission does not ask for it"
    upstream.server.close()
    records = [json.loads(item.record) for item in read_all(lab.gate_home) if item]
    (record,) = [item for item in records if item["reason"] == "digest-mismatch"]
    assert (record["kind"], record["status"], record["candidate"]) == ("refusal", 403, lab.digest)


def test_an_upstream_that_must_state_the_digest_and_does_not_is_refused(tmp_path: Path) -> None:
    lab = GateLab(tmp_path / "home", upstream={"kind": "onnx", "states_digest": True})
    upstream = Stating()
    with lab.gate(upstream.server.port) as gate:
        assert refused(infer(gate))
        upstream.state(f"{lab.digest}, {lab.digest}")
        assert refused(infer(gate))
        upstream.state(None)
        upstream.status = 500
        assert infer(gate).status == 500, "a failure is told as it is"
    upstream.server.close()
    with lab.host() as host, lab.gate(host.port) as gate:
        reply = infer(gate)
        assert (reply.status, reply.headers["x-model-digest"]) == (200, lab.digest)
