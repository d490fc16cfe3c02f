"""The messages of the Open Inference Protocol's ``ModelInfer`` over gRPC, without generated code.

Names, numbers and types of the fields are those of ``open_inference_grpc.proto`` (package
``inference``, github.com/kserve/open-inference-protocol); fields that are not needed here are
left out, which Protocol Buffers allows.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

METHOD = "/inference.GRPCInferenceService/ModelInfer"
_TENSOR = (
    "name=1 string", "datatype=2 string", "shape=3 *int64", "contents=5 InferTensorContents",
)  # fmt: skip
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "InferTensorContents": (
        "bool_contents=1 *bool", "int_contents=2 *int32", "int64_contents=3 *int64",
        "uint_contents=4 *uint32", "uint64_contents=5 *uint64", "fp32_contents=6 *float",
        "fp64_contents=7 *double",
    ),
    "InferInputTensor": _TENSOR,
    "InferOutputTensor": _TENSOR,
    "ModelInferRequest": (
        "model_name=1 string", "model_version=2 string", "id=3 string",
        "inputs=5 *InferInputTensor", "raw_input_contents=7 *bytes",
    ),
    "ModelInferResponse": (
        "model_name=1 string", "model_version=2 string", "id=3 string",
        "outputs=5 *InferOutputTensor", "raw_output_contents=6 *bytes",
    ),
}  # fmt: skip
# Data type to its dtype on the wire (little-endian) and the field that holds it otherwise.
_TYPES: Mapping[str, tuple[str, str]] = {
    "BOOL": ("?", "bool_contents"),
    "INT8": ("i1", "int_contents"),
    "INT16": ("<i2", "int_contents"),
    "INT32": ("<i4", "int_contents"),
    "INT64": ("<i8", "int64_contents"),
    "UINT8": ("u1", "uint_contents"),
    "UINT16": ("<u2", "uint_contents"),
    "UINT32": ("<u4", "uint_contents"),
    "UINT64": ("<u8", "uint64_contents"),
    "FP16": ("<f2", ""),
    "FP32": ("<f4", "fp32_contents"),
    "FP64": ("<f8", "fp64_contents"),
}


@cache
def message_class(name: str) -> Any:
    """Return the class of a message of the protocol.

    Raises:
        ModuleNotFoundError: Protocol Buffers is not installed.
    """
    from google.protobuf import message_factory

    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"inference.{name}"))


@cache
def _pool() -> Any:
    from google.protobuf import descriptor_pb2, descriptor_pool

    file = descriptor_pb2.FileDescriptorProto(
        name="govern/open_inference.proto", package="inference", syntax="proto3"
    )
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for text in fields:
            _add(message, text, descriptor_pb2.FieldDescriptorProto)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def _add(message: Any, text: str, kinds: Any) -> None:
    """Add ``name=number type``; a ``*`` before the type repeats it."""
    named, kind = text.split(" ")
    name, number = named.split("=")
    plain = kind.removeprefix("*")
    field = message.field.add(name=name, number=int(number))
    field.label = kinds.LABEL_REPEATED if plain != kind else kinds.LABEL_OPTIONAL
    if plain in _FIELDS:
        field.type, field.type_name = kinds.TYPE_MESSAGE, f".inference.{plain}"
    else:
        field.type = getattr(kinds, f"TYPE_{plain.upper()}")


def request(model: str, inputs: Mapping[str, tuple[str, np.ndarray]]) -> Any:
    """Return a ``ModelInferRequest`` with raw contents.

    Args:
        model: the model's name.
        inputs: name to data type and array.
    """
    made = message_class("ModelInferRequest")(model_name=model)
    for name, (datatype, array) in inputs.items():
        made.inputs.add(name=name, datatype=datatype, shape=array.shape)
        made.raw_input_contents.append(np.ascontiguousarray(array, _TYPES[datatype][0]).tobytes())
    return made


def outputs(response: Any) -> dict[str, np.ndarray]:
    """Return the output tensors of a ``ModelInferResponse`` by name.

    Raises:
        ValueError: a tensor's bytes are not what its shape and data type say.
        KeyError: a data type is not known.
    """
    raw = list(response.raw_output_contents)
    if raw and len(raw) != len(response.outputs):
        raise ValueError("raw contents for some outputs only")
    found = {}
    for place, tensor in enumerate(response.outputs):
        dtype, field = _TYPES[tensor.datatype]
        if not raw and not field:
            raise ValueError(f"{tensor.datatype} comes as raw contents only")
        plain = raw[place] if raw else np.asarray(getattr(tensor.contents, field), dtype).tobytes()
        found[tensor.name] = np.frombuffer(plain, dtype).reshape(tuple(tensor.shape))
    return found
