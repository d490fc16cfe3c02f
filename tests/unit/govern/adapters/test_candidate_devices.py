"""Where a candidate runs is asked, asserted and compared with the CPU."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from govern.adapters.candidates.card import Card
from govern.adapters.candidates.devices import cuda_here
from govern.adapters.candidates.equivalence import compared, with_equivalence
from govern.adapters.candidates.opening import open_candidate
from govern.checks import shapley
from govern.checks.registry import CheckData, run_check
from govern.errors import CandidateError, InvalidRequestError
from tests.bench import bench_gpu
from tests.support.onnx_models import sigmoid_of_sum

ROWS = np.random.default_rng(1).normal(size=(300, 2))


def folder(**card: object) -> dict[str, bytes]:
    described = {"format": "onnx", "inputs": [{"columns": ["a", "b"]}], **card}
    return {"model.onnx": sigmoid_of_sum(), "model.json": json.dumps(described).encode()}


def test_a_candidate_that_asks_for_cuda_and_runs_elsewhere_is_refused() -> None:
    with pytest.raises(CandidateError, match="cuda was asked for, it runs on cpu"):
        open_candidate(folder(device="cuda"))


def test_what_the_cpu_answers_to_a_sample_is_evidence_once() -> None:
    files = folder()
    with open_candidate(files) as model:
        with_equivalence(model, lambda: files, ROWS, {})
        assert "cpu_equivalence" not in model.device  # it runs on the CPU itself
        model.device["kind"] = "cuda"
        with_equivalence(model, lambda: files, ROWS, {})
        expected = {"rows": 256, "labels_changed": 0, "max_abs_score_difference": 0.0, "rms_score_difference": 0.0}
        assert model.device["cpu_equivalence"] == expected
        assert set(model.device["builds"]) == {"python", "numpy"}


def test_a_difference_between_devices_is_counted() -> None:
    one = (np.array([0, 1, 1]), np.array([0.1, 0.6, 0.7]))
    two = (np.array([0, 0, 1]), np.array([0.1, 0.4, 0.7]))
    found = compared(one, two)
    assert found["labels_changed"] == 1 and found["max_abs_score_difference"] == pytest.approx(0.2)


def rounded_folder(**card: object) -> dict[str, bytes]:
    import torch
    from safetensors.torch import save

    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(2, 16), torch.nn.ReLU(), torch.nn.Linear(16, 1))
    architecture = {"kind": "mlp", "hidden": [16]}
    described = {"format": "safetensors", "inputs": [{"columns": ["a", "b"]}], "architecture": architecture, **card}
    return {"model.safetensors": save(module.state_dict()), "model.json": json.dumps(described).encode()}


def test_bfloat16_is_compared_with_float32_on_the_same_rows_and_no_gpu_is_said() -> None:
    files = rounded_folder(precision="bfloat16")
    with open_candidate(files) as model:
        assert model.device["precision"] == "bfloat16"
        assert ("gpu" in model.device) == (not cuda_here() and model.device["kind"] == "cpu")
        again = [model.predict(ROWS)[1].tobytes() for _ in range(2)]
        assert again[0] == again[1]
        with_equivalence(model, lambda: files, ROWS, {})
    found = model.device["cpu_equivalence"]
    assert found["rows"] == 256 and 1e-6 < found["rms_score_difference"] < 0.01
    assert found["max_abs_score_difference"] >= found["rms_score_difference"]


@pytest.fixture(scope="module")
def network() -> Iterator[Any]:
    with open_candidate(rounded_folder(rows_per_batch=300)) as model:
        yield model


def test_paths_on_the_models_own_device_are_those_of_the_host(network: Any) -> None:
    background, few = ROWS[:20], ROWS[20:50]
    found = network.explain_paths(few, background, 40, 3)
    again = network.explain_paths(few[:12], background, 40, 3)
    score = lambda rows: network.predict(rows)[1].astype(float)  # noqa: E731
    host = shapley.explain(score, few, background, paths=40, seed=3)
    assert found.values == pytest.approx(host.values, abs=1e-6) and found.errors == pytest.approx(host.errors, abs=1e-6)
    assert found.base == pytest.approx(host.base, abs=1e-6) and found.additivity_error < 1e-6
    assert found.values[:12].tobytes() == again.values.tobytes()  # three rows go into one batch


def test_paths_of_a_wide_table_are_walked_in_blocks_on_the_device_too(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from govern.adapters.candidates import paths_torch

    function = lambda rows: torch.sigmoid(rows[:, 0] * rows[:, 1])  # noqa: E731
    told = {"paths": 40, "seed": 3, "batch": 65_536, "torch": torch, "device": "cpu"}
    whole = paths_torch.explain(function, ROWS[:5], ROWS[20:40], **told)
    monkeypatch.setattr(shapley, "CELLS_MAX", 30)
    found = paths_torch.explain(function, ROWS[:5], ROWS[20:40], **told)
    assert found.values == pytest.approx(whole.values, abs=1e-6) and found.errors == pytest.approx(whole.errors, abs=1e-6)


def test_the_explanation_of_a_torch_candidate_says_where_its_paths_were_walked(network: Any) -> None:
    frame, labels = pd.DataFrame(ROWS[:60], columns=["a", "b"]), np.arange(60) % 2
    people = pd.DataFrame({"race": np.where(labels, "x", "y")})
    data = CheckData(frame, labels, people, ROWS[100:120], {}, {}, "sha256:0")
    result = run_check("explainability", model=network, data=data, clock=lambda: "2026-11-25T00:00:00Z")
    assert result.metrics["method"].endswith(f"on {network.device['provider']} itself")
    assert {item.id: item.verdict for item in result.findings}["oracle"] == "pass", result.findings


@pytest.mark.parametrize("name", ["checks.gpu.mlp_100k_s", "checks.gpu.mlp50m_bf16_10k_s"])
def test_the_gpu_benchmark_runs_small_on_the_cpu_and_says_when_there_is_no_gpu(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    precision = "bfloat16" if "bf16" in name else "float32"
    row = bench_gpu.measure(name, [8], precision, 4, "<=4", device="cpu", batch=65_536)
    assert 0 < row["value"] < float("inf") and f'"precision": "{precision}"' in row["against"]
    if not cuda_here():
        assert bench_gpu.bench_mlp() == [] and "no CUDA device is on this machine" in capsys.readouterr().err


def test_a_precision_that_a_format_cannot_have_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="bfloat16 in the formats safetensors and torch-export; not 'bfloat16' in onnx"):
        Card.read(folder(precision="bfloat16")["model.json"])
    with pytest.raises(InvalidRequestError, match="rows_per_batch"):
        Card.read(folder(rows_per_batch=-1)["model.json"])


def test_a_candidate_may_take_its_share_of_a_devices_memory() -> None:
    from govern.adapters.candidates.load_torch import memory_share

    assert memory_share(20 << 30, 80 << 30) == 0.25
    assert memory_share(90 << 30, 80 << 30) == memory_share(0, 80 << 30) == 1.0


def test_an_unknown_device_is_refused_and_no_library_is_asked_whether_cuda_is_here() -> None:
    with pytest.raises(InvalidRequestError, match="cpu or cuda"):
        Card.read(folder(device="tpu")["model.json"])
    assert cuda_here() in (True, False)
