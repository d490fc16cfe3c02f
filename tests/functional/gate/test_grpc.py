"""gRPC through the gate: a real server behind it, the same rules, a record before every answer."""

from __future__ import annotations

import json
import signal
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from govern.domain.gate_record import parse_receipt_header
from serving_gate.archive import read_all
from serving_gate.grpc_wire import framed
from tests.support.certificates import Authority
from tests.support.gate_checks import check_log, check_proof, wait_until
from tests.support.gate_lab import DEPLOYMENT, INFER, GateLab, Running, ask, infer_body, started
from tests.support.grpc_lab import MESSAGES, SERVICE, Client, GrpcModel, model_server, request

FAST = {"GOVERN_GATE_PUBLISH_SECONDS": "0.05", "GOVERN_GATE_SNAPSHOT_POLL_SECONDS": "0.05",
        "GOVERN_GATE_REQUEST_BODY_BYTES_MAX": "65536"}  # fmt: skip


class Site:
    """A gate with a gRPC port, its model server and a client."""

    def __init__(self, lab: GateLab, gate: Running, model: GrpcModel, model_port: int) -> None:
        self.lab, self.gate, self.model, self.model_port = lab, gate, model, model_port
        self.client = Client(gate.ready["grpc_port"])
        self.receipts: list[str] = []

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(item.record) for item in read_all(self.lab.gate_home) if item]

    def offer(self, status: str) -> None:
        self.lab.offer(status)
        version = self.lab.version
        wait_until(
            lambda: f"govern_gate_snapshot_version {version}".encode()
            in ask(self.gate.port, "GET", "/gate/metrics").body,
            "the gate takes the snapshot over",
        )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    lab = GateLab(tmp_path_factory.mktemp("grpc") / "home")
    with model_server() as (model, port):
        arguments = ["--grpc-port", "0", "--grpc-upstream", f"{DEPLOYMENT}=http://127.0.0.1:{port}"]
        with lab.gate(9, environment=FAST, arguments=arguments) as gate:
            made = Site(lab, gate, model, port)
            yield made
            made.client.close()
    check_log(lab, [parse_receipt_header(text) for text in made.receipts])


def refused(site: Site, call: Any) -> tuple[grpc.StatusCode, str, dict[str, Any]]:
    """Run a call that must be refused; return status, reason and its record."""
    before = len(site.records())
    with pytest.raises(grpc.RpcError) as caught:
        call()
    trailing = dict(caught.value.trailing_metadata())
    site.receipts.append(trailing["govern-receipt"])
    receipt = parse_receipt_header(trailing["govern-receipt"])
    assert receipt.index == before, "one record, and it is named"
    record = site.records()[receipt.index]
    assert record["reason"] == trailing["govern-reason"]
    return caught.value.code(), trailing["govern-reason"], record


def test_an_answer_comes_byte_for_byte_with_a_receipt_that_proves(site: Site) -> None:
    asked = request(identity="a-1")
    answer, trailing = site.client.infer(asked, (("x-request-id", "r-7"), ("grpc-trace-bin", b"\0")))
    assert answer.raw_output_contents[0] == bytes(range(7, -1, -1))
    assert site.model.bodies[-1] == asked.SerializeToString()
    assert site.model.metadata[-1]["x-request-id"] == "r-7"
    assert trailing["served-by"] == "here"
    receipt = parse_receipt_header(trailing["govern-receipt"])
    proof = ask(site.gate.port, "GET", f"/gate/receipt/{receipt.index}").body
    check_proof(proof, site.lab, receipt.leaf, receipt.index)
    kept = [item for item in read_all(site.lab.gate_home) if item][receipt.index]
    assert (kept.request_body, kept.response_body) == (asked.SerializeToString(), answer.SerializeToString())
    record = json.loads(kept.record)
    assert record["path"] == f"/{SERVICE}/ModelInfer"
    assert (record["kind"], record["status"], record["deployment"]) == ("inference", 200, DEPLOYMENT)
    assert record["candidate"] == site.lab.digest
    assert record["response"]["grpc_status"] == 0
    site.receipts.append(trailing["govern-receipt"])


def test_an_upstreams_own_error_passes_and_is_on_record(site: Site) -> None:
    with pytest.raises(grpc.RpcError, match="wrong shape") as caught:
        site.client.infer(request(identity="wrong"))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    receipt = parse_receipt_header(dict(caught.value.trailing_metadata())["govern-receipt"])
    record = site.records()[receipt.index]
    assert (record["kind"], record["status"], record["response"]["grpc_status"]) == ("error", 400, 3)


@pytest.mark.parametrize(
    "method",
    ["RepositoryModelLoad", "RepositoryModelUnload", "RepositoryIndex", "SystemSharedMemoryRegister",
     "CudaSharedMemoryRegister", "TraceSetting", "LogSettings", "ModelConfig",
     "/inference.ModelRepositoryService/RepositoryModelLoad", "/other.Service/ModelInfer",
     "/inference.GRPCInferenceService/modelinfer"],
)  # fmt: skip
def test_attack_methods_beside_inference_are_denied_and_on_record(site: Site, method: str) -> None:
    calls = len(site.model.calls)
    load = MESSAGES["Load"](model_name="other").SerializeToString()
    code, reason, record = refused(site, lambda: site.client.raw(method, load))
    assert (code, reason) == (grpc.StatusCode.UNIMPLEMENTED, "not-found")
    assert record["path"].endswith(method)
    assert len(site.model.calls) == calls, "the model server was not asked"


def _tagged(extra: bytes) -> bytes:
    return request().SerializeToString() + extra


ATTACKS: dict[str, tuple[bytes, str]] = {
    "another model": (request("other").SerializeToString(), "not-admitted"),
    "no model": (request("").SerializeToString(), "not-admitted"),
    "a version": (request(version="2").SerializeToString(), "refused-body"),
    "the name twice": (_tagged(b"\x0a\x05other"), "malformed-request"),
    "the name twice, its tag written long": (_tagged(b"\x8a\x00\x05other"), "malformed-request"),
    "the name twice, its tag beyond 32 bits": (_tagged(b"\x8a\x80\x80\x80\x80\x01\x05other"), "malformed-request"),
    "the name as a number": (b"\x08\x01", "malformed-request"),
    "an unknown field": (_tagged(b"\x42\x01x"), "malformed-request"),
    "a group": (_tagged(b"\x1b\x1c"), "malformed-request"),
    "cut": (request().SerializeToString()[:-3], "malformed-request"),
    "not a message": (b"\xff" * 12, "malformed-request"),
    "shared memory": (
        request(parameters=[MESSAGES["Entry"](key="shared_memory_region")]).SerializeToString(), "refused-body",
    ),
    "too large": (request(identity="x" * 70_000).SerializeToString(), "too-large"),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack_messages_that_select_another_model_do_not_pass(site: Site, attack: str) -> None:
    calls = len(site.model.calls)
    data, expected = ATTACKS[attack]
    _, reason, _ = refused(site, lambda: site.client.raw("ModelInfer", data))
    assert reason == expected
    assert len(site.model.calls) == calls


def test_health_is_the_gates_own_and_metadata_is_admitted(site: Site) -> None:
    for method in ("ServerLive", "ServerReady"):
        answer, _ = site.client.raw(method, b"")
        assert MESSAGES["Live"].FromString(answer).live
    with pytest.raises(grpc.RpcError, match="no admission"):
        site.client.raw("ModelMetadata", MESSAGES["Model"](name="other").SerializeToString())


def test_a_suspended_model_is_refused_in_grpc_until_it_stands_again(site: Site) -> None:
    site.offer("suspended")
    code, reason, record = refused(site, lambda: site.client.infer(request()))
    assert (code, reason) == (grpc.StatusCode.PERMISSION_DENIED, "suspended")
    assert (record["status"], record["response"]["grpc_status"]) == (403, 7)
    site.offer("active")
    site.client.infer(request())


def test_a_client_that_leaves_is_on_record(site: Site) -> None:
    site.model.release.clear()
    with pytest.raises(grpc.RpcError) as caught:
        site.client.infer(request(identity="wait"), timeout=0.3)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    site.model.release.set()
    wait_until(lambda: site.records()[-1]["kind"] == "cancelled", "it is on record")


def test_a_stream_has_an_opening_and_a_closing_record(site: Site) -> None:
    asked = [request(identity=str(n)) for n in range(3)]
    call = site.client.stream(iter(asked))
    leading = dict(call.initial_metadata())
    answers = list(call)
    assert [MESSAGES["StreamResponse"].FromString(item).infer_response.id for item in answers] == ["0", "1", "2"]
    trailing = dict(call.trailing_metadata())
    opened, closed = (parse_receipt_header(item["govern-receipt"]).index for item in (leading, trailing))
    kept = [item for item in read_all(site.lab.gate_home) if item]
    first, last = json.loads(kept[opened].record), json.loads(kept[closed].record)
    assert (first["kind"], last["kind"]) == ("stream-open", "stream-close")
    assert kept[opened].request_body == asked[0].SerializeToString()
    assert kept[closed].request_body == b"".join(framed(item.SerializeToString()) for item in asked[1:])
    assert kept[closed].response_body == b"".join(map(framed, answers))
    assert (last["request"]["opened"], last["request"]["chunks"], last["response"]["chunks"]) == (opened, 2, 3)


def test_a_stream_is_admitted_with_every_message(site: Site) -> None:
    def messages() -> Iterator[Any]:
        yield request(identity="first")
        time.sleep(0.2)
        site.offer("revoked")
        yield request(identity="second")

    call = site.client.stream(messages())
    assert MESSAGES["StreamResponse"].FromString(next(call)).infer_response.id == "first"
    with pytest.raises(grpc.RpcError, match="revoked") as caught:
        list(call)
    assert caught.value.code() == grpc.StatusCode.PERMISSION_DENIED
    record = site.records()[-1]
    assert (record["kind"], record["reason"], record["response"]["chunks"]) == ("stream-close", "revoked", 1)
    asked = [MESSAGES["InferRequest"].FromString(item).id for item in site.model.bodies[-1:]]
    assert asked == ["first"], "the second never reached the model"
    site.offer("active")


def test_attack_a_stream_that_changes_its_model_is_ended(site: Site) -> None:
    call = site.client.stream(iter([request(), request("other")]))
    with pytest.raises(grpc.RpcError, match="stays with the model"):
        list(call)
    assert site.records()[-1]["reason"] == "refused-body"


def test_an_answer_from_other_bytes_does_not_leave(site: Site) -> None:
    site.model.extra = (("x-model-digest", "sha256:" + "0" * 64),)
    code, reason, _ = refused(site, lambda: site.client.infer(request()))
    site.model.extra = ()
    assert (code, reason) == (grpc.StatusCode.PERMISSION_DENIED, "digest-mismatch")


def test_a_deployment_without_a_grpc_upstream_or_a_dead_one_is_said(tmp_path: Path) -> None:
    lab = GateLab(tmp_path / "home")
    arguments = ["--grpc-port", "0", "--grpc-upstream", f"{DEPLOYMENT}=http://127.0.0.1:9"]
    with lab.gate(9, environment=FAST, arguments=arguments) as gate:
        client = Client(gate.ready["grpc_port"])
        with pytest.raises(grpc.RpcError, match="upstream-failed") as caught:
            client.infer(request())
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        client.close()


def test_callers_are_known_over_mutual_tls_and_keys_stay_with_the_gate(tmp_path: Path) -> None:
    lab, authority = GateLab(tmp_path / "home"), Authority(tmp_path / "tls")
    certificate, key = authority.issue("gate", address="127.0.0.1")
    pair = [path.read_bytes() for path in authority.issue("client")]
    lab.gate_home.mkdir(parents=True)
    rows = [{"name": "desk", "certificate_subject": "CN=client,O=Bank", "deployments": ["*"]}]
    (lab.gate_home / "callers.json").write_text(json.dumps({"callers": rows}))
    ca = authority.path.read_bytes()
    with model_server() as (model, port):
        arguments = ["--grpc-port", "0", "--grpc-upstream", f"{DEPLOYMENT}=http://127.0.0.1:{port}",
                     "--tls-cert", str(certificate), "--tls-key", str(key),
                     "--client-ca", str(authority.path)]  # fmt: skip
        with started(lab.gate_command(9, arguments), FAST) as gate:
            known = Client(gate.ready["grpc_port"], grpc.ssl_channel_credentials(ca, pair[1], pair[0]))
            known.infer(request())
            with pytest.raises(grpc.RpcError) as caught:
                known.infer(request(), (("authorization", "Bearer nobody's"),))
            assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
            stranger = Client(gate.ready["grpc_port"], grpc.ssl_channel_credentials(ca))
            with pytest.raises(grpc.RpcError):
                stranger.infer(request())
            before = ssl.get_server_certificate(("127.0.0.1", gate.ready["grpc_port"]))
            authority.issue("gate", address="127.0.0.1")
            gate.process.send_signal(signal.SIGHUP)
            wait_until(
                lambda: ssl.get_server_certificate(("127.0.0.1", gate.ready["grpc_port"])) != before,
                "a hang-up serves the new certificate",
            )
            later = Client(gate.ready["grpc_port"], grpc.ssl_channel_credentials(ca, pair[1], pair[0]))
            later.infer(request())
            for item in (known, stranger, later):
                item.close()
    first = next(item for item in read_all(lab.gate_home) if item)
    assert json.loads(first.record)["caller"] == "desk"
    assert len(model.calls) == 2


def test_a_failing_disk_gives_no_answer_in_grpc(tmp_path: Path) -> None:
    lab = GateLab(tmp_path / "home")
    with model_server() as (model, port):
        command = ["tests.support.faulty_disk", str(lab.home / "faults.json"), *lab.gate_command(9)]
        command += ["--grpc-port", "0", "--grpc-upstream", f"{DEPLOYMENT}=http://127.0.0.1:{port}"]
        with started(command, FAST) as gate:
            client = Client(gate.ready["grpc_port"])
            client.infer(request())
            lab.break_disk(under="payloads", fdatasync="EIO")
            for _ in range(2):
                with pytest.raises(grpc.RpcError, match="cannot-record") as caught:
                    client.infer(request())
                assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
                assert "govern-receipt" not in dict(caught.value.trailing_metadata())
            assert len(model.calls) == 2, "the second was not let in at all"
            lab.break_disk()
            wait_until(lambda: ask(gate.port, "GET", "/gate/readyz").status == 200, "it heals")
            client.infer(request())
            client.close()


def test_http_and_grpc_share_one_log(site: Site) -> None:
    before = len(site.records())
    assert ask(site.gate.port, "POST", INFER, infer_body()).status == 502
    site.client.infer(request())
    assert [item["seq"] for item in site.records()[before:]] == [before, before + 1]
    metrics = ask(site.gate.port, "GET", "/gate/metrics").body.decode()
    assert f'govern_gate_upstream_sent_total{{deployment="{DEPLOYMENT}",protocol="grpc"}}' in metrics
