"""Callers through the gate: keys, tokens, AWS signatures; what they may use, how often."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import botocore.session
import jwt
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.client import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from serving_gate.archive import read_all
from tests.support.gate_checks import wait_until
from tests.support.gate_lab import (
    DEPLOYMENT,
    INFER,
    ROOT,
    GateLab,
    Reply,
    ScriptedUpstream,
    ask,
    infer_body,
)

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
KEY = ec.generate_private_key(ec.SECP256R1())
FAST = {"GOVERN_GATE_CALLERS_REFRESH_SECONDS": "0.1"}
AWS = f"/endpoints/{DEPLOYMENT}/invocations"


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    server = ScriptedUpstream(lambda connection, request: connection.sendall(ANSWER))
    yield server
    server.close()


@pytest.fixture
def aws_lab(tmp_path: Path) -> GateLab:
    return GateLab(tmp_path / "home", upstream={"kind": "invocations"})


def issue(lab: GateLab, *options: str) -> dict[str, str]:
    command = [sys.executable, "-m", "serving_gate.issuing", "--home", str(lab.home), "--gate", "demo"]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def infer(port: int, credential: str | None = None) -> Reply:
    headers = {} if credential is None else {"authorization": f"Bearer {credential}"}
    return ask(port, "POST", INFER, infer_body(), headers)


def reason(reply: Reply) -> str:
    return "served" if reply.status == 200 else str(json.loads(reply.body)["reason"])


def records(lab: GateLab) -> list[dict[str, Any]]:
    return [json.loads(item.record) for item in read_all(lab.gate_home) if item]


def test_an_issued_key_is_read_by_a_running_gate(lab: GateLab, upstream: ScriptedUpstream) -> None:
    first = issue(lab, "--caller", "desk")
    with lab.gate(upstream.port, environment=FAST) as gate:
        assert reason(infer(gate.port)) == "unauthenticated"
        assert reason(infer(gate.port, first["key"])) == "served"
        other = issue(lab, "--caller", "lab", "--deployment", "another")
        wait_until(
            lambda: reason(infer(gate.port, other["key"])) == "caller-not-allowed", "the file is read again"
        )
        path = lab.gate_home / "callers.json"
        assert first["key"] not in path.read_text()
        path.write_text("{")
        wait_until(lambda: ask(gate.port, "GET", "/gate/readyz").status == 503, "a broken file is told")
        assert reason(infer(gate.port, first["key"])) == "served", "and changes nothing"
    assert all(first["key"].encode() not in request for request in upstream.requests)


def test_a_caller_name_is_issued_once(lab: GateLab) -> None:
    issue(lab, "--caller", "desk")
    command = [sys.executable, "-m", "serving_gate.issuing", "--home", str(lab.home), "--gate", "demo"]
    for options in (["--caller", "desk"], ["--caller", "x", "--rate", "-1"], ["--caller", "a\nb"]):
        done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode in (1, 10)
        assert done.stderr.startswith("issuing: ")
        assert done.stderr.count("\n") == 1


def test_who_asks_too_often_gets_429_and_a_record(lab: GateLab, upstream: ScriptedUpstream) -> None:
    slow = issue(lab, "--caller", "slow", "--rate", "1", "--burst", "3")["key"]
    free = issue(lab, "--caller", "free")["key"]
    with lab.gate(upstream.port) as gate:
        found = [infer(gate.port, slow) for _ in range(6)]
        assert [reply.status for reply in found] == [200] * 3 + [429] * 3
        assert reason(found[-1]) == "rate-limited"
        assert found[-1].headers["content-type"] == "application/problem+json"
        assert found[-1].headers["govern-receipt"].startswith("v1;")
        assert infer(gate.port, free).status == 200, "one caller's haste is not another's"
        time.sleep(int(found[-1].headers["retry-after"]))
        assert infer(gate.port, slow).status == 200
    assert len(upstream.requests) == 5
    limited = [item for item in records(lab) if item["reason"] == "rate-limited"]
    assert [(item["kind"], item["status"], item["caller"]) for item in limited] == [
        ("refusal", 429, "slow")
    ] * 3


class KeyServer:
    """Serves a key set over HTTP, or redirects to it."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                data = json.dumps({"keys": server.keys}).encode()
                self.send_response(302 if self.path == "/moved" else 200)
                self.send_header("location", "/jwks")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *arguments: Any) -> None:
                """Say nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}"


def _issuer(lab: GateLab, url: str) -> None:
    row = {"name": "bank", "issuer": "https://login.bank.example", "audience": "gate", "jwks_url": url}
    lab.gate_home.mkdir(parents=True, exist_ok=True)
    (lab.gate_home / "callers.json").write_text(json.dumps({"callers": [], "issuers": [row]}))


def _token(kid: str = "one") -> str:
    claims = {"iss": "https://login.bank.example", "aud": "gate", "sub": "ada", "exp": int(time.time()) + 60}
    return jwt.encode(claims, KEY, "ES256", {"kid": kid})


def test_tokens_by_an_address_of_keys_that_rotate(lab: GateLab, upstream: ScriptedUpstream) -> None:
    server = KeyServer()
    _issuer(lab, server.url + "/jwks")
    with lab.gate(upstream.port, environment=FAST) as gate:
        assert reason(infer(gate.port, _token())) == "unauthenticated"
        assert ask(gate.port, "GET", "/gate/readyz").status == 503, "no key: nobody can be known"
        server.keys = [{**ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True), "kid": "one"}]
        wait_until(lambda: reason(infer(gate.port, _token())) == "served", "the set is read again")
        server.keys = [{**server.keys[0], "kid": "two"}]
        wait_until(lambda: reason(infer(gate.port, _token("two"))) == "served", "the new key counts")
        assert reason(infer(gate.port, _token("one"))) == "unauthenticated"
        server.http.shutdown()
        server.http.server_close()
        time.sleep(0.3)
        assert reason(infer(gate.port, _token("two"))) == "served", "known keys stay"
    assert {item["caller"] for item in records(lab)} == {None, "bank:ada"}


def test_a_redirected_key_set_is_not_followed(lab: GateLab, upstream: ScriptedUpstream) -> None:
    server = KeyServer()
    server.keys = [{**ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True), "kid": "one"}]
    _issuer(lab, server.url + "/moved")
    with lab.gate(upstream.port, environment=FAST) as gate:
        time.sleep(0.3)
        assert reason(infer(gate.port, _token())) == "unauthenticated"
    server.http.shutdown()
    server.http.server_close()


def _client(port: int, key: dict[str, str]) -> Any:
    return botocore.session.Session().create_client(
        "sagemaker-runtime", region_name="eu-west-1", endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id=key["aws_access_key_id"], aws_secret_access_key=key["aws_secret_access_key"],
        config=Config(retries={"max_attempts": 0}),
    )  # fmt: skip


def test_the_sagemaker_client_is_identified_and_told_in_its_own_words(
    aws_lab: GateLab, upstream: ScriptedUpstream
) -> None:
    key = issue(aws_lab, "--caller", "trainer", "--sigv4")
    with aws_lab.gate(upstream.port, environment=FAST) as gate:
        invoke = {"EndpointName": DEPLOYMENT, "Body": b"[[1]]", "ContentType": "application/json"}
        answer = _client(gate.port, key).invoke_endpoint(**invoke)
        assert answer["Body"].read() == b"{}"

        def error(key: dict[str, str]) -> tuple[str, int, str]:
            try:
                _client(gate.port, key).invoke_endpoint(**invoke)
            except ClientError as caught:
                told = caught.response
            else:
                return "", 200, ""
            status = told["ResponseMetadata"]["HTTPStatusCode"]
            return told["Error"]["Code"], status, told["Error"]["Message"].partition(":")[0]

        for wrong in (
            {**key, "aws_secret_access_key": "x" * 40}, {**key, "aws_access_key_id": "GVAK" + "A" * 16},
        ):  # fmt: skip
            assert error(wrong) == ("UnrecognizedClientException", 401, "unauthenticated")
        aws_lab.offer("suspended")
        wait_until(lambda: error(key)[0] == "AccessDeniedException", "the suspension bites")
        assert error(key) == ("AccessDeniedException", 403, "suspended")
    named = [item["caller"] for item in records(aws_lab)]
    assert named[:3] == ["trainer", None, None] and set(named[3:]) == {"trainer"}
    sent = upstream.requests[0].lower()
    assert b"post /invocations http/1.1" in sent
    assert b"aws4-hmac" not in sent


def test_signatures_that_cover_something_else_are_refused(
    aws_lab: GateLab, upstream: ScriptedUpstream
) -> None:
    key = issue(aws_lab, "--caller", "trainer", "--sigv4")
    with aws_lab.gate(upstream.port) as gate:

        def send(body: bytes = b"[[1]]", service: str = "sagemaker", **changes: str) -> str:
            found = AWSRequest("POST", f"http://127.0.0.1:{gate.port}{AWS}", data=b"[[1]]")
            found.headers["Content-Type"] = "application/json"
            secret = Credentials(key["aws_access_key_id"], key["aws_secret_access_key"])
            SigV4Auth(secret, service, "eu-west-1").add_auth(found)
            headers = {name.lower(): value for name, value in found.headers.items()}
            headers |= {"host": f"127.0.0.1:{gate.port}"}
            headers |= {name.replace("_", "-"): value for name, value in changes.items()}
            return reason(ask(gate.port, "POST", AWS, body, headers))

        assert send() == "served"
        assert send(body=b"[[2]]") == "unauthenticated", "another body"
        assert send(host="other") == "unauthenticated", "another host"
        assert send(content_type="text/csv") == "unauthenticated", "another type"
        assert send(service="s3") == "unauthenticated", "another service"
        assert send(x_amz_date="20200101T000000Z") == "unauthenticated", "an old date"
        assert send(x_amz_target="added") == "unauthenticated", "an unsigned header of AWS"
        assert send(x_amz_content_sha256="UNSIGNED-PAYLOAD") == "unauthenticated"
        assert send(authorization="AWS4-HMAC-SHA256 Credential=x") == "unauthenticated"
    assert len(upstream.requests) == 1
