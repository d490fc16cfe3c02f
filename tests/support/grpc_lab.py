"""A real grpcio server that speaks the Open Inference Protocol, and its messages.

The messages are made from their published field numbers with Google's protobuf, so that what
the gate reads of them is held against another implementation. Holds no assertions.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from tests.support.gate_lab import DEPLOYMENT

SERVICE = "inference.GRPCInferenceService"
_TEXT, _INT64, _BYTES, _BOOL, _MESSAGE = 9, 3, 12, 8, 11
_FIELDS: dict[str, list[tuple[str, int, int, bool, str]]] = {
    "Empty": [],
    "Live": [("live", 1, _BOOL, False, "")],
    "Parameter": [("bool_param", 1, _BOOL, False, ""), ("string_param", 3, _TEXT, False, "")],
    "Entry": [("key", 1, _TEXT, False, ""), ("value", 2, _MESSAGE, False, "Parameter")],
    "Tensor": [
        ("name", 1, _TEXT, False, ""), ("datatype", 2, _TEXT, False, ""),
        ("shape", 3, _INT64, True, ""), ("parameters", 4, _MESSAGE, True, "Entry"),
    ],
    "InferRequest": [
        ("model_name", 1, _TEXT, False, ""), ("model_version", 2, _TEXT, False, ""),
        ("id", 3, _TEXT, False, ""), ("parameters", 4, _MESSAGE, True, "Entry"),
        ("inputs", 5, _MESSAGE, True, "Tensor"), ("raw_input_contents", 7, _BYTES, True, ""),
    ],
    "InferResponse": [
        ("model_name", 1, _TEXT, False, ""), ("id", 3, _TEXT, False, ""),
        ("outputs", 5, _MESSAGE, True, "Tensor"), ("raw_output_contents", 6, _BYTES, True, ""),
    ],
    "StreamResponse": [
        ("error_message", 1, _TEXT, False, ""), ("infer_response", 2, _MESSAGE, False, "InferResponse"),
    ],
    "Model": [("name", 1, _TEXT, False, ""), ("version", 2, _TEXT, False, "")],
    "Load": [("repository_name", 1, _TEXT, False, ""), ("model_name", 2, _TEXT, False, "")],
}  # fmt: skip


def _messages() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="oip.proto", package="inference", syntax="proto3")
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for field, number, kind, many, of in fields:
            message.field.add(
                name=field, number=number, type=kind, label=3 if many else 1,
                type_name=f".inference.{of}" if of else None,
            )  # fmt: skip
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"inference.{name}"))
        for name in _FIELDS
    }


MESSAGES = _messages()


def request(model: str = DEPLOYMENT, *, identity: str = "", version: str = "", **more: Any) -> Any:
    """Return an inference request of one row, with its numbers as raw bytes."""
    made = MESSAGES["InferRequest"](model_name=model, id=identity, model_version=version, **more)
    made.inputs.add(name="x", datatype="FP32", shape=[1, 2])
    made.raw_input_contents.append(bytes(range(8)))
    return made


class GrpcModel(grpc.GenericRpcHandler):
    """A model server; what it does with a request is said by the request's ``id``."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.bodies: list[bytes] = []
        self.metadata: list[dict[str, str]] = []
        self.extra: tuple[tuple[str, str], ...] = ()
        self.release = threading.Event()

    def service(self, details: Any) -> Any:
        """Serve every method, also those that the gate must not let through."""
        self.calls.append(details.method.rpartition("/")[2])
        self.metadata.append(dict(details.invocation_metadata))
        if details.method.endswith("ModelStreamInfer"):
            return grpc.stream_stream_rpc_method_handler(self._stream)
        return grpc.unary_unary_rpc_method_handler(self._infer)

    def _infer(self, data: bytes, context: Any) -> bytes:
        self.bodies.append(data)
        asked = MESSAGES["InferRequest"].FromString(data)
        if asked.id == "wrong":
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "x has the wrong shape")
        if asked.id == "wait":
            self.release.wait(5)
        context.set_trailing_metadata((("served-by", "here"), ("govern-receipt", "forged"), *self.extra))
        return _answer(asked).SerializeToString()

    def _stream(self, messages: Iterator[bytes], context: Any) -> Iterator[bytes]:
        for data in messages:
            self.bodies.append(data)
            asked = MESSAGES["InferRequest"].FromString(data)
            if asked.id == "wait":
                self.release.wait(5)
            yield MESSAGES["StreamResponse"](infer_response=_answer(asked)).SerializeToString()


def _answer(asked: Any) -> Any:
    answer = MESSAGES["InferResponse"](model_name=asked.model_name, id=asked.id)
    answer.outputs.add(name="label", datatype="INT64", shape=[1])
    answer.raw_output_contents.append(bytes(reversed(asked.raw_input_contents[0])))
    return answer


@contextmanager
def model_server(port: int = 0) -> Iterator[tuple[GrpcModel, int]]:
    """Run the server for the length of a block."""
    model, server = GrpcModel(), grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((model,))
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield model, bound
    finally:
        model.release.set()
        server.stop(0).wait()


class Client:
    """A client of a gate's gRPC port that speaks messages."""

    def __init__(self, port: int, credentials: grpc.ChannelCredentials | None = None) -> None:
        target = f"127.0.0.1:{port}"
        self.channel = (
            grpc.secure_channel(target, credentials) if credentials else grpc.insecure_channel(target)
        )

    def infer(self, asked: Any, metadata: Any = (), timeout: float = 10) -> tuple[Any, dict[str, str]]:
        """Ask once; return answer and trailing metadata."""
        answer, call = self.raw("ModelInfer", asked.SerializeToString(), metadata, timeout)
        return MESSAGES["InferResponse"].FromString(answer), dict(call.trailing_metadata())

    def raw(self, method: str, data: bytes, metadata: Any = (), timeout: float = 10) -> tuple[bytes, Any]:
        """Send bytes to a method; return the answer's bytes and the call."""
        path = method if method.startswith("/") else f"/{SERVICE}/{method}"
        return self.channel.unary_unary(path).with_call(data, timeout=timeout, metadata=metadata)

    def stream(self, requests: Iterator[Any], metadata: Any = ()) -> Any:
        """Begin a stream; iterate over the call for the answers' bytes."""
        sent = (item.SerializeToString() for item in requests)
        return self.channel.stream_stream(f"/{SERVICE}/ModelStreamInfer")(sent, timeout=10, metadata=metadata)

    def close(self) -> None:
        """Hang up."""
        self.channel.close()
