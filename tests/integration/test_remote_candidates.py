"""Servers as candidates: our own model host, and a small server in each protocol."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from govern.adapters.candidates import remote
from govern.adapters.candidates.opening import open_candidate
from govern.errors import CandidateError, InvalidRequestError
from govern.transparency.digest import digest_of, folder_digest
from tests.support.onnx_models import sigmoid_of_sum

ROWS = np.random.default_rng(3).normal(size=(50, 2))
EXPECTED = 1 / (1 + np.exp(-ROWS.sum(axis=1)))


class Answers(BaseHTTPRequestHandler):
    """Answers rows with the sigmoid of their sum; the path says in what shape, or what goes wrong."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, body))  # type: ignore[attr-defined]
        asked = len(self.server.asked)  # type: ignore[attr-defined]
        if self.path == "/v1/models/loan:predict":
            self.reply(200, {"predictions": self.scores(body["instances"])})
        elif self.path == "/invocations":
            self.reply(200, {"predictions": self.scores(body["dataframe_split"]["data"])})
        elif self.path == "/score":
            scores = self.scores([[row["a"], row["b"]] for row in body["people"]])
            self.reply(200, {"result": {"items": [{"p": score} for score in scores]}})
        elif self.path == "/busy":
            self.reply(*((503, {}) if asked < 3 else (200, self.scores(body))))
        elif self.path == "/no":
            self.reply(400, {"error": "no"})
        elif self.path == "/hangs":
            threading.Event().wait(2)
        elif self.path == "/few":
            self.reply(200, self.scores(body)[1:])
        elif self.path == "/big":
            self.reply(200, [0.5] * 50_000)
        elif self.path == "/text":
            self.reply(200, b"<html>")

    def scores(self, rows: Any) -> list[float]:
        return (1 / (1 + np.exp(-np.array(rows, float).sum(axis=1)))).tolist()

    def reply(self, status: int, value: Any) -> None:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as found:
        found.asked = []  # type: ignore[attr-defined]
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found
        found.shutdown()


def candidate(protocol: str, port: int, path: str = "", **more: Any) -> Any:
    described = {"protocol": protocol, "url": f"http://127.0.0.1:{port}{path}", "model": "loan", **more}
    card = {"format": "remote", "inputs": [{"columns": ["a", "b"]}], "server": described}
    return open_candidate({"model.json": json.dumps(card).encode()})


@pytest.mark.parametrize(
    ("protocol", "path", "mapping"),
    [
        ("v1", "", {}),
        ("invocations", "/invocations", {}),
        ("json", "/score", {"rows": "people", "row": "object", "score": "result.items.*.p"}),
    ],
)
def test_a_protocol_gives_the_servers_answers(server: Any, protocol: str, path: str, mapping: dict) -> None:
    with candidate(protocol, server.server_port, path, mapping=mapping, rows_per_request=20) as model:
        labels, scores = model.predict(ROWS)
        assert scores == pytest.approx(EXPECTED, abs=1e-6)
        assert (labels == (EXPECTED >= 0.5)).all()
        assert model.device["requests"] == 3 and model.device["retries"] == 0
        assert model.device["sandbox"]["level"] == "none"


def test_requests_under_way_together_come_back_in_the_order_of_the_rows(server: Any) -> None:
    with candidate("v1", server.server_port, rows_per_request=5, requests_at_once=4) as model:
        assert model.predict(ROWS)[1] == pytest.approx(EXPECTED, abs=1e-6)
        assert model.device["requests"] == 10 and model.device["requests_at_once"] == 4


def test_our_own_model_host_is_a_v2_candidate(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(sigmoid_of_sum())
    (folder / "model.json").write_text("{}")
    digest = folder_digest((path.name, digest_of(path.read_bytes())) for path in folder.iterdir())
    command = [sys.executable, "-m", "serving_gate.model_host", "--model-dir", str(folder)]
    with subprocess.Popen([*command, "--digest", digest, "--name", "loan"], stdout=subprocess.PIPE) as host:
        try:
            assert host.stdout is not None
            port = json.loads(host.stdout.readline())["port"]
            with candidate("v2", port, rows_per_request=20) as model:
                labels, scores = model.predict(ROWS)
        finally:
            host.terminate()
    assert scores == pytest.approx(EXPECTED, abs=1e-6)
    assert (labels == (EXPECTED >= 0.5)).all()


def test_a_busy_server_is_asked_again(server: Any) -> None:
    with candidate("json", server.server_port, "/busy") as model:
        assert model.predict(ROWS)[1] == pytest.approx(EXPECTED, abs=1e-6)
        assert model.device["retries"] == 2


def test_a_refusal_is_not_asked_again(server: Any) -> None:
    with candidate("json", server.server_port, "/no") as model, pytest.raises(CandidateError, match="refused: status 400"):
        model.predict(ROWS)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/hangs", "did not answer in 4 attempts: TimeoutError"),
        ("/few", r"of shape \(49,\) for 50 rows"),
        ("/big", "over 10000 bytes"),
        ("/text", "is not JSON"),
    ],
)
def test_a_bad_server_gives_a_sentence(server: Any, path: str, sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "SECONDS", 0.2)
    monkeypatch.setattr(remote, "WAIT_SECONDS", 0.01)
    monkeypatch.setattr(remote, "ANSWER_BYTES_MAX", 10_000)
    with candidate("json", server.server_port, path) as model, pytest.raises(CandidateError, match=sentence):
        model._clients[0]._seconds = 0.2
        model.predict(ROWS)


def test_nobody_there_and_a_server_without_address_are_said() -> None:
    with candidate("json", 1) as model, pytest.raises(CandidateError, match="ConnectionRefusedError"):
        model.predict(ROWS[:1])
    with pytest.raises(InvalidRequestError, match="a `url`"):
        candidate("json", 1, url="file:///etc/passwd")
    with pytest.raises(InvalidRequestError, match="`protocol`, one of v2, v2-grpc, v1"):
        candidate("grpc", 1)
    with pytest.raises(InvalidRequestError, match="a `url`, grpc or grpcs"):
        candidate("v2-grpc", 1)
    with pytest.raises(InvalidRequestError, match="`requests_at_once` is 1 to 32"):
        candidate("v1", 1, requests_at_once=33)
