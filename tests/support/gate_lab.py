"""A genuine admission, a model host and a gate as real processes, for tests of the gate.

Holds no assertions.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from onnx import TensorProto, helper, numpy_helper

from govern.domain.snapshot import make_snapshot
from govern.transparency.digest import digest_of, folder_digest
from tests.conformance.dossier_workshop import EVAN, ROSA, TOMAS, Candidate, Workshop

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = 32
DEPLOYMENT = "mortgage-approval"
INFER = f"/v2/models/{DEPLOYMENT}/infer"


def onnx_model(shift: float = 0.0) -> bytes:
    """Return a model with the contract's inputs and outputs; ``shift`` is added to its score."""
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["x", "axes"], ["mean"], keepdims=0),
            helper.make_node("Add", ["mean", "shift"], ["score"]),
            helper.make_node("Greater", ["score", "zero"], ["positive"]),
            helper.make_node("Cast", ["positive"], ["label"], to=TensorProto.INT64),
        ],
        "mean",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, COLUMNS])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
            helper.make_tensor_value_info("score", TensorProto.FLOAT, [None]),
        ],
        [
            numpy_helper.from_array(np.array([1], dtype=np.int64), "axes"),
            numpy_helper.from_array(np.array(shift, dtype=np.float32), "shift"),
            numpy_helper.from_array(np.array(0, dtype=np.float32), "zero"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return bytes(onnx.ModelProto.SerializeToString(model))


def infer_body(rows: int = 1, value: float = 0.5) -> bytes:
    """Return an inference request."""
    tensor = {
        "name": "x",
        "datatype": "FP32",
        "shape": [rows, COLUMNS],
        "data": [value] * rows * COLUMNS,
    }
    return json.dumps({"inputs": [tensor]}).encode()


class GateLab:
    """An installation with one admitted deployment."""

    def __init__(self, folder: Path, *, days: int = 30, **admission: Any) -> None:
        self.home = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.workshop = Workshop(folder, start=datetime.now(UTC) - timedelta(minutes=5))
        self.workshop.trace()
        self.files = {"model.onnx": onnx_model(), "model.json": b'{"name":"mean","version":"1"}'}
        self.model_folder = folder / "model"
        self.model_folder.mkdir()
        for name, data in self.files.items():
            (self.model_folder / name).write_bytes(data)
        self.digest = folder_digest((name, digest_of(data)) for name, data in self.files.items())
        self.candidate = self._admitted(days, admission)
        (folder / "trust.json").write_bytes(self.workshop.trust_bytes)
        self.version = 0
        self.snapshot_path = folder / "offered.json"
        self.offer()

    def _admitted(self, days: int, admission: Mapping[str, Any]) -> Candidate:
        shop = self.workshop
        item = _register(shop, self.files)
        shop.check(item, by=EVAN)
        shop.decide(item)
        for reviewer in (ROSA, TOMAS):
            shop.vote(item, reviewer)
        shop.admit(item, days=days, **admission)
        return item

    def offer(
        self,
        status: str = "active",
        *,
        version: int | None = None,
        lifetime_seconds: int = 3600,
        now: datetime | None = None,
        lineage: str | None = None,
    ) -> bytes:
        """Write a snapshot where the gate looks for it."""
        self.version = self.version + 1 if version is None else version
        key = self.workshop.keys.ed25519_key("snapshot")
        document = self._document(status, key, lifetime_seconds, now, lineage)
        temporary = self.snapshot_path.with_suffix(".part")
        temporary.write_bytes(document)
        temporary.replace(self.snapshot_path)
        return document

    def renew(self) -> None:
        """Forget what gates have left and what a test has put in their way; offer anew."""
        shutil.rmtree(self.home / "gates", ignore_errors=True)
        (self.home / "faults.json").unlink(missing_ok=True)
        self.version = 0
        self.offer()

    def forge(self, status: str) -> bytes:
        """Return a newer snapshot that is signed with another key."""
        self.version += 1
        return self._document(status, Ed25519PrivateKey.generate(), 3600, None)

    def _document(
        self,
        status: str,
        key: Ed25519PrivateKey,
        lifetime_seconds: int,
        now: datetime | None,
        lineage: str | None = None,
    ) -> bytes:
        assert self.candidate.admission is not None
        entry = {
            "deployment": DEPLOYMENT,
            "admission": self.candidate.admission.digest,
            "status": status,
        }
        return make_snapshot(
            version=self.version,
            entries=[entry],
            bundles=[item.bundle for item in self.workshop.store.items],
            key=key,
            now=now or datetime.now(UTC),
            lifetime_seconds=lifetime_seconds,
            lineage=lineage,
        )

    @property
    def gate_home(self) -> Path:
        """The gate's folder."""
        return self.home / "gates" / "demo"

    @contextmanager
    def host(self) -> Iterator[Running]:
        """Run a model host for the admitted artifact."""
        command = ["serving_gate.model_host", "--model-dir", str(self.model_folder)]
        command += ["--digest", self.digest, "--name", DEPLOYMENT]
        with started(command) as running:
            yield running

    @contextmanager
    def gate(
        self,
        upstream: int,
        *,
        environment: Mapping[str, str] | None = None,
        arguments: list[str] | None = None,
    ) -> Iterator[Running]:
        """Run a gate in front of an upstream's port."""
        with started(self.gate_command(upstream, arguments), environment) as running:
            yield running

    @contextmanager
    def gate_on_faulty_disk(
        self, upstream: int, environment: Mapping[str, str] | None = None
    ) -> Iterator[Running]:
        """Run a gate whose disk does what ``break_disk`` says."""
        command = ["tests.support.faulty_disk", str(self.home / "faults.json")]
        with started(command + self.gate_command(upstream), environment) as running:
            yield running

    def break_disk(self, **faults: str | float) -> None:
        """Say what fails from now on (see ``faulty_disk``); nothing mends it."""
        temporary = self.home / "faults.part"
        temporary.write_text(json.dumps(faults))
        temporary.replace(self.home / "faults.json")

    def gate_command(
        self, upstream: int, arguments: list[str] | None = None, scheme: str = "http"
    ) -> list[str]:
        """Return the gate's command line."""
        return [
            "serving_gate",
            "--home",
            str(self.home),
            "--name",
            "demo",
            "--port",
            "0",
            "--snapshot-file",
            str(self.snapshot_path),
            "--upstream",
            f"{DEPLOYMENT}={scheme}://127.0.0.1:{upstream}",
            *(arguments or []),
        ]


def _register(shop: Workshop, files: dict[str, bytes]) -> Candidate:
    from govern.domain import predicates
    from govern.services import tracing

    digest = folder_digest(tracing.file_digests(files))
    tracing.record_build(
        shop.recorder,
        build_type=predicates.BUILD_TRAINING,
        subject=("mean", digest),
        dependencies=[("features", shop.features)],
        parameters={"algorithm": "test"},
        internal={"trained_by": "ada@bank.example", "seed": 0},
        signer="ada@bank.example",
    )
    card = {
        "name": "mean",
        "version": "1",
        "owner": "credit risk",
        "risk_tier": "high",
        "intended_use": "mortgage approval",
        "domain": "credit",
        "use": "credit-decision",
        "jurisdictions": ["US"],
        "format": "onnx",
        "inputs": ["income"],
        "protected_inputs": [],
        "randomised": False,
    }
    statement = tracing.register_candidate(shop.recorder, card, files, author="ada@bank.example")
    return Candidate("mean", files, statement)


@dataclass
class Running:
    """A process that printed its ready line."""

    process: subprocess.Popen[bytes]
    ready: dict[str, Any]

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.ready["port"])


def launch(command: list[str], environment: Mapping[str, str] | None = None) -> Running:
    """Start ``python -m command…`` and wait for its ready line.

    Raises:
        RuntimeError: it ended before it was ready; the text is what it said.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **(environment or {})},
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        _, errors = process.communicate(timeout=10)
        raise RuntimeError(errors.decode())
    return Running(process, json.loads(line))


@contextmanager
def started(command: list[str], environment: Mapping[str, str] | None = None) -> Iterator[Running]:
    """Run a process for the length of a block."""
    running = launch(command, environment)
    try:
        yield running
    finally:
        stop(running)


def stop(running: Running) -> int:
    """End a process gently, then not."""
    if running.process.poll() is None:
        running.process.terminate()
        try:
            running.process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            running.process.kill()
    running.process.communicate()
    return running.process.returncode


@dataclass
class Reply:
    """An HTTP answer, read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes


class Wire:
    """A raw client connection."""

    def __init__(self, port: int, timeout_seconds: float = 10) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_seconds)
        self._buffer = b""

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def reply(self) -> Reply:
        """Read one answer.

        Raises:
            ConnectionError: the connection ended first.
        """
        while b"\r\n\r\n" not in self._buffer:
            self._more()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        status = int(first.split(" ")[1])
        return Reply(status, headers, self._body(headers))

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") == "chunked":
            parts = []
            while (size := int(self._line(), 16)) > 0:
                parts.append(self._take(size))
                self._take(2)
            self._take(2)
            return b"".join(parts)
        return self._take(int(headers.get("content-length", "0")))

    def _line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            self._more()
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._more()
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def _more(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("closed")
        self._buffer += data

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Send a request and read its answer."""
        lines = {"host": "gate", "content-length": str(len(body)), **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self.send(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        return self.reply()

    def close(self) -> None:
        """Close."""
        self.socket.close()


def ask(
    port: int, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> Reply:
    """Ask once on a connection of its own."""
    wire = Wire(port)
    try:
        return wire.ask(method, path, body, headers)
    finally:
        wire.close()


class ScriptedUpstream:
    """An upstream that answers each request with bytes it is told; counts what it gets."""

    def __init__(self, script: Any, context: ssl.SSLContext | None = None) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        if context is not None:
            self._listener = context.wrap_socket(self._listener, server_side=True)
        self.port = self._listener.getsockname()[1]
        self.requests: list[bytes] = []
        self._script = script
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        buffer = b""
        try:
            while data := connection.recv(65536):
                buffer += data
                while (request := _whole_request(buffer)) is not None:
                    buffer = buffer[len(request) :]
                    self.requests.append(request)
                    if self._script(connection, request) == "close":
                        connection.close()
                        return
        except OSError:
            return

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()


def _whole_request(buffer: bytes) -> bytes | None:
    head, found, rest = buffer.partition(b"\r\n\r\n")
    if not found:
        return None
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    if len(rest) < length:
        return None
    return buffer[: len(head) + 4 + length]
