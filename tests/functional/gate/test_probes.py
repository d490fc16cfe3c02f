"""An upstream that answers otherwise than the admitted model does not serve."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from govern.cli.admission_probes import Asked, answered
from govern.domain.probes import Probe, checked, probes_of
from govern.errors import GovernError
from serving_gate.archive import read_all
from serving_gate.model_host import Model
from tests.support.gate_checks import wait_until
from tests.support.gate_lab import (
    DEPLOYMENT,
    INFER,
    GateLab,
    Reply,
    Running,
    ScriptedUpstream,
    ask,
    infer_body,
    onnx_model,
)
from tests.support.home import govern_here

BODIES = [infer_body(2, 0.25), infer_body(1, -1.0)]


def loaded(model: bytes) -> Model:
    return Model(DEPLOYMENT, "sha256:" + "0" * 64, {"model.onnx": model, "model.json": b"{}"})


ADMITTED, OTHER = loaded(onnx_model()), loaded(onnx_model(shift=0.5))
PROBES = checked([Probe(body, json.dumps(ADMITTED.infer(json.loads(body))).encode()) for body in BODIES])


class Server:
    """A model server whose model can be exchanged, and which can be restarted."""

    def __init__(self) -> None:
        self.model, self.restart = ADMITTED, False
        self.upstream = ScriptedUpstream(self._serve)

    def _serve(self, connection: Any, request: bytes) -> str | None:
        if self.restart:
            self.restart = False
            return "close"
        answer = self.model.infer(json.loads(request.partition(b"\r\n\r\n")[2]))
        answer["model_version"] = "7"  # how a server counts versions is its own affair
        body = json.dumps(answer).encode()
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
        return None

    def asked(self) -> list[bytes]:
        return [item.partition(b"\r\n\r\n")[2] for item in self.upstream.requests]


class ControlPlane(BaseHTTPRequestHandler):
    """Takes suspensions; what came is in ``told``."""

    told: ClassVar[list[tuple[str, str | None, Any]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.told.append((self.path, self.headers.get("authorization"), json.loads(body)))
        self.send_response(200)
        self.end_headers()

    def do_GET(self) -> None:
        self.send_response(404)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.upstream.close()


@pytest.fixture(scope="module")
def control_plane() -> Iterator[str]:
    http = ThreadingHTTPServer(("127.0.0.1", 0), ControlPlane)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{http.server_port}"
    http.shutdown()
    http.server_close()


@pytest.fixture
def lab(tmp_path: Path) -> GateLab:
    return GateLab(tmp_path / "home", upstream={"kind": "onnx", "probes": PROBES.to_json()})


def infer(gate: Running) -> Reply:
    return ask(gate.port, "POST", INFER, infer_body(1, 0.75))


def why(reply: Reply) -> str | None:
    return None if reply.status == 200 else json.loads(reply.body)["reason"]


def records(lab: GateLab) -> list[dict[str, Any]]:
    return [json.loads(item.record) for item in read_all(lab.gate_home) if item]


def test_a_model_exchanged_while_it_serves_is_noticed_on_schedule(
    lab: GateLab, server: Server, control_plane: str, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("gate-token\n")
    arguments = ["--control-plane", control_plane, "--control-plane-token", str(tmp_path / "token")]
    with lab.gate(
        server.upstream.port, environment={"GOVERN_GATE_PROBE_SECONDS": "0.1"}, arguments=arguments
    ) as gate:
        assert infer(gate).status == 200
        server.model = OTHER
        wait_until(lambda: why(infer(gate)) == "digest-mismatch", "the route is closed")
        before = len(server.asked())
        assert json.loads(infer(gate).body)["detail"].startswith("the answer.outputs.")
        wait_until(lambda: bool(ControlPlane.told), "the control plane is told")
        server.model = ADMITTED
        wait_until(lambda: infer(gate).status == 200, "every probe is answered as signed again")
        assert set(server.asked()[before:-1]) <= set(BODIES), "no request went to the other model"
    assert lab.candidate.admission is not None
    path, token, body = ControlPlane.told[0]
    assert path == f"/api/v1/admissions/{lab.candidate.admission.digest}/suspend"
    assert (token, body["reason"].partition(":")[0]) == ("Bearer gate-token", "probe")
    probes = [item["reason"] for item in records(lab) if item["kind"] == "probe"]
    assert probes == [None, "digest-mismatch", None]
    wrong = next(item for item in read_all(lab.gate_home) if item and json.loads(item.record)["reason"])
    assert wrong.request_body in BODIES and wrong.response_body, "what was asked and answered is kept"


def test_attack_another_model_after_a_restart_answers_nobody(lab: GateLab, server: Server) -> None:
    with lab.gate(server.upstream.port) as gate:
        assert infer(gate).status == 200
        server.model, server.restart = OTHER, True
        assert infer(gate).status == 502, "the server goes down under a request"
        before = len(server.asked())
        assert [why(infer(gate)) for _ in range(3)] == ["digest-mismatch"] * 3
        assert set(server.asked()[before:]) <= set(BODIES), "it was asked nothing but probes"
    assert [item["reason"] for item in records(lab) if item["kind"] == "probe"][-1] == "digest-mismatch"


def test_attack_another_model_from_the_start_answers_nobody(lab: GateLab, server: Server) -> None:
    server.model = OTHER
    with lab.gate(server.upstream.port) as gate:
        assert why(infer(gate)) == "digest-mismatch"
    assert set(server.asked()) <= set(BODIES)


def test_probes_that_cannot_be_read_serve_nothing(tmp_path: Path, server: Server) -> None:
    broken = {"kind": "onnx", "probes": {"items": [{"body": "!"}], "tolerance": 0}}
    lab = GateLab(tmp_path / "home", upstream=broken)
    with lab.gate(server.upstream.port) as gate:
        assert why(infer(gate)) in ("not-ready", "digest-mismatch")
    assert server.asked() == []


class Home:
    """What recording probes needs of an opened home."""

    def __init__(self, lab: GateLab) -> None:
        self.home, self.operations, self.blobs = lab.home, self, lab.files

    def check_files(self, digest: str) -> dict[str, str]:
        return {name: name for name in self.blobs}


def test_the_admitted_models_own_answers_are_signed(lab: GateLab, server: Server, tmp_path: Path) -> None:
    file = tmp_path / "probes.jsonl"
    file.write_bytes(b"\n".join(BODIES) + b"\n\n")
    hosted = answered(Home(lab), Asked(lab.digest, DEPLOYMENT, "onnx", None, 1e-5), file)
    url = f"http://127.0.0.1:{server.upstream.port}"
    asked = answered(Home(lab), Asked(lab.digest, DEPLOYMENT, "onnx", url, 1e-5), file)
    for value in (hosted, asked):
        made = probes_of({"probes": value})
        assert made is not None
        for one, signed in zip(made.items, PROBES.items, strict=True):
            assert one.body == signed.body
            assert signed.difference(one.answer, 0) is None


@pytest.mark.parametrize("text", ["", "not json\n", '{"inputs": 7}\n'])
def test_probes_that_the_model_does_not_answer_are_not_signed(lab: GateLab, tmp_path: Path, text: str) -> None:
    file = tmp_path / "probes.jsonl"
    file.write_text(text)
    with pytest.raises(GovernError):
        answered(Home(lab), Asked(lab.digest, DEPLOYMENT, "onnx", None, 1e-5), file)


def test_probes_count_in_the_log_and_at_the_upstream(lab: GateLab, server: Server) -> None:
    with lab.gate(server.upstream.port, environment={"GOVERN_GATE_PUBLISH_SECONDS": "0.05"}) as gate:
        assert infer(gate).status == 200

        def agree() -> bool:
            counted = ["--upstream", f"{DEPLOYMENT}={len(server.upstream.requests)}"]
            address = f"http://127.0.0.1:{gate.port}"
            return govern_here(lab.home, "log", "reconcile", "--gate", address, *counted).returncode == 0

        wait_until(agree, "gate, log and upstream counted the same")
