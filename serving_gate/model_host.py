"""The embedded model host: one admitted ONNX artifact, by digest, in its own process.

Speaks the Open Inference Protocol V2 (JSON) on loopback. The folder's digest — SHA-256
over the file digests in order of their names — is computed from the very bytes that are
then loaded; another digest refuses to start. There is no route that loads or unloads.
Every answer states the digest in ``X-Model-Digest``.

``python -m serving_gate.model_host --model-dir DIR --digest sha256:… --port N --name NAME``
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnxruntime as ort
import orjson
import uvloop

from govern.errors import DigestMismatchError, GovernError, InvalidRequestError
from govern.transparency.canonical import parse_json
from govern.transparency.digest import check_digest, digest_of, folder_digest
from serving_gate.heads import HEAD_BYTES_MAX, BadHeadError, RequestHead, read_request

ROWS_MAX = 100_000
BODY_BYTES_MAX = 64 << 20
FILES_MAX = 64
_TYPES: dict[str, type[np.generic]] = {
    "FP32": np.float32,
    "FP64": np.float64,
    "INT64": np.int64,
    "INT32": np.int32,
    "BOOL": np.bool_,
}
_NAMES = {"float32": "FP32", "float64": "FP64", "int64": "INT64", "int32": "INT32", "bool": "BOOL"}
_ONNX = {
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(int64)": "INT64",
    "tensor(int32)": "INT32",
    "tensor(bool)": "BOOL",
}


def load_folder(folder: Path, digest: str) -> dict[str, bytes]:
    """Return the files of a model folder whose digest is the one asked for.

    Raises:
        DigestMismatchError: the bytes are others than those admitted.
        InvalidRequestError: the folder cannot be read.
    """
    check_digest(digest)
    try:
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        if len(paths) > FILES_MAX:
            raise InvalidRequestError(f"a model folder has at most {FILES_MAX} files")
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    except OSError as error:
        raise InvalidRequestError(f"cannot read {folder}: {error.strerror}") from None
    found = folder_digest((name, digest_of(data)) for name, data in files.items())
    if found != digest:
        raise DigestMismatchError(f"the model folder has digest {found}, not {digest}")
    return files


class Model:
    """A loaded artifact."""

    def __init__(self, name: str, digest: str, files: dict[str, bytes]) -> None:
        if "model.onnx" not in files or "model.json" not in files:
            raise InvalidRequestError("a model folder has model.onnx and model.json")
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.name, self.digest = name, digest
        self.about = parse_json(files["model.json"])
        try:
            self._session = ort.InferenceSession(
                files["model.onnx"], options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime raises its own, undocumented types
            raise InvalidRequestError(f"model.onnx cannot be loaded: {str(error)[:200]}") from None
        self._inputs = {item.name: item for item in self._session.get_inputs()}
        self._outputs = [item.name for item in self._session.get_outputs()]

    def metadata(self) -> dict[str, Any]:
        """Return the protocol's model metadata, with the digest as a parameter."""
        return {
            "name": self.name,
            "versions": [str(self.about.get("version", "1"))],
            "platform": "onnx",
            "inputs": [_described(item) for item in self._session.get_inputs()],
            "outputs": [_described(item) for item in self._session.get_outputs()],
            "parameters": {"digest": self.digest},
        }

    def infer(self, request: Any) -> dict[str, Any]:
        """Answer an inference request.

        Raises:
            InvalidRequestError: a tensor is missing, unknown or of another shape.
        """
        if not isinstance(request, dict) or not isinstance(request.get("inputs"), list):
            raise InvalidRequestError("a request has a list of inputs")
        feed = dict(_tensor(item) for item in request["inputs"])
        if set(feed) != set(self._inputs):
            raise InvalidRequestError(f"the model's inputs are {sorted(self._inputs)}")
        try:
            values = self._session.run(self._outputs, feed)
        except Exception as error:  # onnxruntime raises its own, undocumented types
            raise InvalidRequestError(
                f"the model refused the tensors: {str(error)[:200]}"
            ) from None
        answer: dict[str, Any] = {
            "model_name": self.name,
            "model_version": str(self.about.get("version", "1")),
            "parameters": {"digest": self.digest},
            "outputs": [
                _output(name, value) for name, value in zip(self._outputs, values, strict=True)
            ],
        }
        if isinstance(request.get("id"), str):
            answer["id"] = request["id"]
        return answer


def _described(item: Any) -> dict[str, Any]:
    shape = [size if isinstance(size, int) else -1 for size in item.shape]
    return {"name": item.name, "datatype": _ONNX.get(item.type, "BYTES"), "shape": shape}


def _tensor(item: Any) -> tuple[str, np.ndarray[Any, Any]]:
    if not isinstance(item, dict) or item.get("datatype") not in _TYPES:
        raise InvalidRequestError("an input has name, shape, data and a numeric datatype")
    shape = item.get("shape")
    if not isinstance(shape, list) or not all(isinstance(n, int) and n >= 0 for n in shape):
        raise InvalidRequestError("a shape is a list of sizes")
    if shape and shape[0] > ROWS_MAX:
        raise InvalidRequestError(f"at most {ROWS_MAX} rows at once")
    try:
        array = np.asarray(item.get("data"), dtype=_TYPES[item["datatype"]]).reshape(shape)
    except (TypeError, ValueError):
        raise InvalidRequestError("the data do not fit datatype and shape") from None
    return str(item.get("name")), array


def _output(name: str, value: Any) -> dict[str, Any]:
    array = np.asarray(value)
    return {
        "name": name,
        "datatype": _NAMES.get(array.dtype.name, "BYTES"),
        "shape": list(array.shape),
        "data": array.ravel().tolist(),
    }


class HostConnection(asyncio.Protocol):
    """One connection from the gate."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Take bytes as they come."""
        self._buffer += data
        while self._serve_one():
            pass

    def _serve_one(self) -> bool:
        assert self._transport is not None
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > HEAD_BYTES_MAX:
                self._transport.abort()
            return False
        try:
            head = read_request(bytes(self._buffer[: end + 4]))
        except BadHeadError as error:
            self._reply(400, {"error": str(error)})
            self._transport.close()
            return False
        if head.chunked or head.length > BODY_BYTES_MAX:
            self._reply(413, {"error": "a body with a Content-Length within limits is needed"})
            self._transport.close()
            return False
        stop = end + 4 + head.length
        if len(self._buffer) < stop:
            return False
        body = bytes(self._buffer[end + 4 : stop])
        del self._buffer[:stop]
        self._reply(*respond(self._model, head, body))
        return True

    def _reply(self, status: int, value: Any) -> None:
        assert self._transport is not None
        body = orjson.dumps(value)
        self._transport.write(
            b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\nx-model-digest: %s\r\n"
            b"content-length: %d\r\n\r\n%s"
            % (
                status,
                b"OK" if status == 200 else b"Refused",
                self._model.digest.encode(),
                len(body),
                body,
            )
        )


def respond(model: Model, head: RequestHead, body: bytes) -> tuple[int, Any]:
    """Return status and answer for one request."""
    base = f"/v2/models/{model.name}".encode()
    line = head.method + b" " + head.target
    if line == b"POST " + base + b"/infer":
        try:
            return 200, model.infer(orjson.loads(body))
        except (InvalidRequestError, orjson.JSONDecodeError) as error:
            return 400, {"error": str(error)}
    if line == b"GET " + base:
        return 200, model.metadata()
    if line in (b"GET " + base + b"/ready", b"GET /v2/health/ready"):
        return 200, {"ready": True}
    if line == b"GET /v2/health/live":
        return 200, {"live": True}
    return 404, {"error": "no such path"}


async def serve(model: Model, host: str, port: int) -> None:
    """Serve until SIGTERM."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: HostConnection(model), host, port)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    bound = server.sockets[0].getsockname()[1]
    ready = {"ready": True, "host": host, "port": bound, "pid": os.getpid(), "digest": model.digest}
    print(orjson.dumps(ready).decode(), flush=True)
    await stop.wait()
    server.close()


def main(arguments: list[str] | None = None) -> int:
    """Run; return the exit code."""
    parser = argparse.ArgumentParser(prog="serving_gate.model_host")
    parser.add_argument("--model-dir", type=Path, required=True)
    parser.add_argument("--digest", required=True)
    parser.add_argument("--name", required=True, help="the deployment's name")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    options = parser.parse_args(arguments)
    try:
        files = load_folder(options.model_dir, options.digest)
        model = Model(options.name, options.digest, files)
        uvloop.run(serve(model, options.host, options.port))
    except GovernError as error:
        print(f"model host: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"model host: port {options.port}: {error.strerror or error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
