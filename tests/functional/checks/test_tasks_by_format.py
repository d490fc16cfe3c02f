"""Every other task in ONNX, PyTorch and on a gRPC server: checked end to end, to the same figures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save

from govern.adapters.candidates.infer_messages import message_class
from govern.worker import tasks
from tests.support.check_home import CheckHome
from tests.support.onnx_models import linear

pytestmark = pytest.mark.functional
COLUMNS = ["a", "b"]
SIZE = 400
CLASSES = ["deny", "grant", "refer"]
WEIGHTS = {  # [outputs, inputs], [outputs]
    "regression": (np.array([[3.0, -2.0]]), np.array([1.0])),
    "ranking": (np.array([[1.0, 0.5]]), np.array([0.0])),
    "multiclass": (np.array([[-2.0, 0.0], [0.0, 1.0], [2.0, 0.5]]), np.array([0.0, 0.3, -0.2])),
}
CARDS: dict[str, dict[str, Any]] = {
    "regression": {}, "ranking": {"top": 40}, "multiclass": {"classes": CLASSES, "positive": "grant"},
}


def scores(rows: np.ndarray, task: str) -> np.ndarray:
    weights, bias = WEIGHTS[task]
    found = rows @ weights.T + bias
    if task != "multiclass":
        return np.asarray(found[:, 0])
    powers = np.exp(found - found.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def onnx_folder(task: str, **card: Any) -> dict[str, bytes]:
    return {"model.onnx": linear(*WEIGHTS[task]), "model.json": described("onnx", task, **card)}


def torch_folder(task: str, **card: Any) -> dict[str, bytes]:
    weights, bias = (torch.tensor(part, dtype=torch.float32) for part in WEIGHTS[task])
    data = save({"0.weight": weights.contiguous(), "0.bias": bias})
    more = {"architecture": {"kind": "mlp", "hidden": []}, **card}
    return {"model.safetensors": data, "model.json": described("safetensors", task, **more)}


def remote_folder(task: str, **card: Any) -> dict[str, bytes]:
    return {"model.json": described("remote", task, **card)}


def described(chosen: str, task: str, **card: Any) -> bytes:
    return json.dumps({"format": chosen, "inputs": [{"columns": COLUMNS}], "task": task, **CARDS[task], **card}).encode()


class Answers(grpc.GenericRpcHandler):
    """A server of the Open Inference Protocol; the model's name is the task."""

    def service(self, details: Any) -> Any:
        request = message_class("ModelInferRequest")
        return grpc.unary_unary_rpc_method_handler(
            self.answer, request_deserializer=request.FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )

    def answer(self, request: Any, context: Any) -> Any:
        rows = np.frombuffer(request.raw_input_contents[0], "<f4").reshape(tuple(request.inputs[0].shape))
        found = scores(rows, request.model_name).astype("<f8")
        response = message_class("ModelInferResponse")()
        response.outputs.add(name="score", datatype="FP64", shape=found.shape)
        response.raw_output_contents.append(found.tobytes())
        return response


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(2), handlers=[Answers()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"grpc://127.0.0.1:{port}"
    server.stop(None).wait()


class Evaluated(CheckHome):
    """A home with an evaluation table for each task."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        random = np.random.default_rng(5)
        rows = random.normal(size=(SIZE, 2)).astype(np.float32).astype(float)
        self.race = random.choice(["x", "y"], SIZE)
        self.rows, self.labels, self.evaluations = rows, {}, {}
        for task in CARDS:
            true = scores(rows + random.normal(size=rows.shape) * 0.3, task)
            label = np.array(CLASSES)[true.argmax(axis=1)] if task == "multiclass" else true
            table = pd.DataFrame(rows, columns=COLUMNS).assign(label=label, race=self.race)
            self.labels[task] = label
            self.evaluations[task] = self.prepare(table, "--label", "label", "--group", "race")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evaluated]:
    yield Evaluated(tmp_path_factory.mktemp("formats"))
    tasks.warm().close()


@pytest.mark.parametrize("task", list(CARDS))
@pytest.mark.parametrize("chosen", ["onnx", "safetensors", "remote"])
def test_a_task_is_checked_alike_in_every_format(home: Evaluated, address: str, chosen: str, task: str) -> None:
    server = {"server": {"protocol": "v2-grpc", "url": address, "model": task, "rows_per_request": 64}}
    make = {"onnx": onnx_folder, "safetensors": torch_folder, "remote": remote_folder}[chosen]
    files = make(task, **(server if chosen == "remote" else {}))
    digest = home.register(files, home.evaluations[task], f"{chosen}-{task}")
    found = home.check(digest, ["performance", "fairness"])
    performance, fairness = (found[name]["metrics"] for name in ("performance", "fairness"))
    answers, labels = scores(home.rows, task), home.labels[task]
    assert {found[name]["verdict"] for name in found} <= {"pass", "uncertain", "fail"}, found
    if task == "multiclass":
        right = (np.array(CLASSES)[answers.argmax(axis=1)] == labels).mean()
        assert performance["accuracy"]["value"] == pytest.approx(right)
        selected = answers.argmax(axis=1) == 1
    elif task == "regression":
        assert performance["mae"]["value"] == pytest.approx(np.abs(answers - labels).mean(), abs=1e-5)
        selected = answers > np.median(answers)
    else:
        assert performance["ndcg"]["value"] > 0.9
        selected = np.isin(np.arange(SIZE), np.argsort(-answers, kind="stable")[:40])
    rates = pd.Series(selected).groupby(home.race).mean()
    shown = fairness["features"]["race"]["groups"]
    assert {row["group"]: row["rate"] for row in shown} == pytest.approx(rates.to_dict())
    device = found["fairness"]["device"]
    assert device["kind"] == ("remote" if chosen == "remote" else device["kind"]) and device["rows_per_batch"] > 0
