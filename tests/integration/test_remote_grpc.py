"""Candidates over gRPC: a real grpcio server of the Open Inference Protocol, good and bad."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import numpy as np
import pytest

from govern.adapters.candidates import remote
from govern.adapters.candidates.infer_messages import METHOD, message_class, outputs
from govern.adapters.candidates.opening import open_candidate
from govern.errors import CandidateError

pytestmark = pytest.mark.integration
ROWS = np.random.default_rng(3).normal(size=(50, 2))
EXPECTED = 1 / (1 + np.exp(-ROWS.sum(axis=1)))


class Answers(grpc.GenericRpcHandler):
    """Answers rows with the sigmoid of their sum; the model's name says how, or what goes wrong."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def service(self, details: Any) -> Any:
        assert details.method == METHOD
        request = message_class("ModelInferRequest")
        return grpc.unary_unary_rpc_method_handler(
            self.answer, request_deserializer=request.FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )

    def answer(self, request: Any, context: Any) -> Any:
        self.asked.append(request)
        name, tensor = request.model_name, request.inputs[0]
        assert (tensor.name, tensor.datatype, list(tensor.shape)[1:]) == ("x", "FP32", [2])
        if name == "busy" and len(self.asked) < 3:
            context.abort(grpc.StatusCode.UNAVAILABLE, "loading")
        if name == "no":
            context.abort(grpc.StatusCode.NOT_FOUND, "no such model")
        if name == "hangs":
            threading.Event().wait(0.6)
        rows = np.frombuffer(request.raw_input_contents[0], "<f4").reshape(tuple(tensor.shape))
        scores = 1 / (1 + np.exp(-rows.astype(float).sum(axis=1)))
        response = message_class("ModelInferResponse")(model_name=name)
        shape = [len(scores) - (name == "few")]
        if name == "typed":
            made = response.outputs.add(name="score", datatype="FP64", shape=shape)
            made.contents.fp64_contents.extend(scores)
            made = response.outputs.add(name="label", datatype="INT64", shape=shape)
            made.contents.int64_contents.extend((scores >= 0.9).astype(int).tolist())
            return response
        response.outputs.add(name="score", datatype="FP32", shape=shape)
        response.raw_output_contents.append(scores.astype("<f4").tobytes())
        return response


@pytest.fixture(scope="module")
def serving() -> Iterator[tuple[Answers, int]]:
    handler = Answers()
    server = grpc.server(ThreadPoolExecutor(4), handlers=[handler])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield handler, port
    server.stop(None).wait()


@pytest.fixture
def server(serving: tuple[Answers, int]) -> tuple[Answers, int]:
    serving[0].asked.clear()
    return serving


def candidate(port: int, model: str, **more: Any) -> Any:
    described = {"protocol": "v2-grpc", "url": f"grpc://127.0.0.1:{port}", "model": model, **more}
    card = {"format": "remote", "inputs": [{"columns": ["a", "b"]}], "server": described}
    return open_candidate({"model.json": json.dumps(card).encode()})


def test_a_grpc_server_is_asked_in_batches_several_at_once(server: tuple[Answers, int]) -> None:
    with candidate(server[1], "loan", rows_per_request=8, requests_at_once=4) as model:
        labels, scores = model.predict(ROWS)
        assert scores == pytest.approx(EXPECTED, abs=1e-6) and (labels == (EXPECTED >= 0.5)).all()
        assert (model.device["protocol"], model.device["requests"], model.device["retries"]) == ("v2-grpc", 7, 0)
    assert len(server[0].asked) == 7


def test_typed_contents_and_the_servers_own_labels_are_read(server: tuple[Answers, int]) -> None:
    with candidate(server[1], "typed") as model:
        labels, scores = model.predict(ROWS)
    assert scores == pytest.approx(EXPECTED, abs=1e-6) and (labels == (EXPECTED >= 0.9)).all()


def test_a_busy_grpc_server_is_asked_again_and_a_refusal_is_not(
    server: tuple[Answers, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "WAIT_SECONDS", 0.01)
    with candidate(server[1], "busy") as model:
        assert model.predict(ROWS)[1] == pytest.approx(EXPECTED, abs=1e-6)
        assert model.device["retries"] == 2
    server[0].asked.clear()
    with candidate(server[1], "no") as model, pytest.raises(CandidateError, match="refused: NOT_FOUND: no such model"):
        model.predict(ROWS)
    assert len(server[0].asked) == 1


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("hangs", "did not answer in 2 attempts: DEADLINE_EXCEEDED"),
        ("few", "answer is not that of v2-grpc"),
        ("big", "refused: RESOURCE_EXHAUSTED: .*larger than max"),
    ],
)
def test_a_bad_grpc_server_gives_a_sentence(
    server: tuple[Answers, int], model: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "WAIT_SECONDS", 0.01)
    monkeypatch.setattr(remote, "ATTEMPTS_MAX", 2)
    if model == "big":
        monkeypatch.setattr(remote, "ANSWER_BYTES_MAX", 100)
    with candidate(server[1], model) as opened, pytest.raises(CandidateError, match=sentence):
        opened._clients[0]._seconds = 0.3 if model == "hangs" else 30
        opened.predict(ROWS)


def test_no_grpc_server_and_types_that_are_none_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "WAIT_SECONDS", 0.01)
    with candidate(1, "loan") as model, pytest.raises(CandidateError, match="did not answer in 4 attempts: UNAVAILABLE"):
        model.predict(ROWS[:1])
    response = message_class("ModelInferResponse")()
    response.outputs.add(name="score", datatype="FP16", shape=[1])
    with pytest.raises(ValueError, match="raw contents only"):
        outputs(response)
