"""TLS and client certificates on both sides of the gate."""

from __future__ import annotations

import json
import re
import signal
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving_gate.__main__ import main
from serving_gate.archive import read_all
from tests.support.certificates import Authority
from tests.support.gate_checks import wait_until
from tests.support.gate_lab import (
    INFER,
    GateLab,
    ScriptedUpstream,
    Wire,
    ask,
    infer_body,
    started,
)

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "tls")


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    server = ScriptedUpstream(lambda connection, request: connection.sendall(ANSWER))
    yield server
    server.close()


def serve(authority: Authority, *more: str) -> list[str]:
    certificate, key = authority.issue("gate", address="127.0.0.1")
    return ["--tls-cert", str(certificate), "--tls-key", str(key), *more]


def client(authority: Authority, pair: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority.path)
    if pair is not None:
        context.load_cert_chain(*pair)
    return context


def secure(port: int, context: ssl.SSLContext) -> Wire:
    wire = Wire(port)
    wire.socket = context.wrap_socket(wire.socket, server_hostname="127.0.0.1")
    return wire


def infer(port: int, context: ssl.SSLContext) -> Any:
    wire = secure(port, context)
    try:
        return wire.ask("POST", INFER, infer_body())
    finally:
        wire.close()


def records(lab: GateLab) -> list[dict[str, Any]]:
    return [json.loads(item.record) for item in read_all(lab.gate_home) if item]


def test_a_gate_with_a_certificate_speaks_tls_alone(
    lab: GateLab, upstream: ScriptedUpstream, authority: Authority
) -> None:
    with lab.gate(upstream.port, arguments=serve(authority)) as gate:
        wire = secure(gate.port, client(authority))
        assert wire.socket.version() == "TLSv1.3"
        for _ in range(3):
            reply = wire.ask("POST", INFER, infer_body())
            assert reply.status == 200
            assert "govern-receipt" in reply.headers
        wire.close()
        old = client(authority)
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.raises(ssl.SSLError):
            secure(gate.port, old)
        with pytest.raises((ConnectionError, TimeoutError)):
            ask(gate.port, "POST", INFER, infer_body())
        with pytest.raises(ssl.SSLCertVerificationError):
            secure(gate.port, ssl.create_default_context())
        assert infer(gate.port, client(authority)).status == 200
    assert len(records(lab)) == 4


def test_a_client_certificate_names_the_caller(
    lab: GateLab, upstream: ScriptedUpstream, authority: Authority
) -> None:
    lab.gate_home.mkdir(parents=True)
    row = {"name": "branch", "certificate_subject": "CN=branch-7,O=Bank"}
    (lab.gate_home / "callers.json").write_text(json.dumps({"callers": [row]}))
    arguments = serve(authority, "--client-ca", str(authority.path))
    foreign = Authority(lab.home / "foreign", "foreign").issue("branch-7")
    with lab.gate(upstream.port, arguments=arguments) as gate:
        known = client(authority, authority.issue("branch-7"))
        assert infer(gate.port, known).status == 200
        unknown = client(authority, authority.issue("branch-8"))
        assert infer(gate.port, unknown).status == 401
        for context in (client(authority), client(authority, foreign)):
            with pytest.raises((ssl.SSLError, ConnectionError)):
                infer(gate.port, context)
    assert [item["caller"] for item in records(lab)] == ["branch", None]


def test_hang_up_serves_the_new_certificate(
    lab: GateLab, upstream: ScriptedUpstream, authority: Authority
) -> None:
    with lab.gate(upstream.port, arguments=serve(authority)) as gate:

        def shown() -> bytes | None:
            wire = secure(gate.port, client(authority))
            try:
                return wire.socket.getpeercert(binary_form=True)  # type: ignore[attr-defined,no-any-return]
            finally:
                wire.close()

        before = shown()
        certificate, key = authority.issue("gate", address="127.0.0.1")
        gate.process.send_signal(signal.SIGHUP)
        wait_until(lambda: shown() != before, "the new certificate is served")
        key.write_text("not a key")
        gate.process.send_signal(signal.SIGHUP)
        assert infer(gate.port, client(authority)).status == 200, "a bad file changes nothing"
        assert certificate.exists()


def test_clients_that_never_finish_the_handshake_do_not_stay(
    lab: GateLab, upstream: ScriptedUpstream, authority: Authority
) -> None:
    with lab.gate(upstream.port, arguments=serve(authority)) as gate:
        silent = [socket.create_connection(("127.0.0.1", gate.port)) for _ in range(50)]
        silent[0].sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert infer(gate.port, client(authority)).status == 200
        for item in silent:
            item.close()


def _behind_tls(lab: GateLab, port: int, *options: str) -> list[str]:
    return [*lab.gate_command(port, scheme="https"), *options]


def _server(authority: Authority, address: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("model", address=address))
    return context


def test_an_upstream_behind_tls_that_knows_the_gate_by_its_certificate(
    lab: GateLab, authority: Authority
) -> None:
    context = _server(authority)
    context.load_verify_locations(authority.path)
    context.verify_mode = ssl.CERT_REQUIRED
    server = ScriptedUpstream(lambda connection, request: connection.sendall(ANSWER), context)
    certificate, key = authority.issue("gate-client")
    options = ["--upstream-ca", str(authority.path), "--upstream-cert", str(certificate)]
    with started(_behind_tls(lab, server.port, *options, "--upstream-key", str(key))) as gate:
        assert [ask(gate.port, "POST", INFER, infer_body()).status for _ in range(3)] == [200] * 3
    server.close()
    assert records(lab)[0]["upstream"] == f"https://127.0.0.1:{server.port}"


@pytest.mark.parametrize("case", ["another authority", "another name", "no tls"])
def test_an_upstream_that_is_not_who_it_should_be_gets_no_request(
    lab: GateLab, authority: Authority, case: str
) -> None:
    context = {
        "another authority": lambda: _server(Authority(lab.home / "foreign", "foreign")),
        "another name": lambda: _server(authority, "127.0.0.2"),
        "no tls": lambda: None,
    }[case]()
    server = ScriptedUpstream(lambda connection, request: connection.sendall(ANSWER), context)
    options = ["--upstream-ca", str(authority.path)]
    soon = {"GOVERN_GATE_UPSTREAM_CONNECT_SECONDS": "0.5"}
    with started(_behind_tls(lab, server.port, *options), soon) as gate:
        reply = ask(gate.port, "POST", INFER, infer_body())
        assert (reply.status, json.loads(reply.body)["reason"]) == (502, "upstream-failed")
    assert server.requests == []
    server.close()
    assert [item["kind"] for item in records(lab)] == ["error"]


def test_files_that_are_no_certificates_are_one_sentence(
    lab: GateLab, authority: Authority, capsys: pytest.CaptureFixture[str]
) -> None:
    certificate, _ = authority.issue("one")
    _, key = authority.issue("two")
    for options in (
        ["--tls-cert", str(certificate), "--tls-key", str(key)],
        ["--tls-cert", str(key), "--tls-key", str(key)],
        ["--tls-cert", "none.pem", "--tls-key", str(key)],
        serve(authority, "--client-ca", str(key)),
    ):
        assert main(lab.gate_command(9, options)[1:]) != 0
        assert re.fullmatch(r"gate: [^\n]*\n", capsys.readouterr().err)
