"""Explanations on a CUDA device: rows ``checks.gpu.*``, and nothing but a sentence where none is.

The candidate is loaded as a worker loads it (``load_torch``, safetensors and a card) and walks
the permutation paths on its own device. A goal is met only where bfloat16's noise lies below
the standard error of the values.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np

from govern.adapters.candidates.devices import cuda_here, driver

FEATURES, BACKGROUND, PATHS, NOISE_ROWS = 30, 100, 100, 64
SMALL, LARGE = [128, 128], [4096, 4096, 4096, 4096]
BATCH = 1_000_000


def candidate(hidden: list[int], precision: str, device: str) -> Any:
    """Return an MLP with weights from a seed, loaded from safetensors and a card."""
    import torch
    from safetensors.torch import save

    from govern.adapters.candidates.load_torch import load

    random, layers, before = torch.Generator().manual_seed(0), {}, FEATURES
    for place, width in enumerate([*hidden, 1]):
        layers[f"{2 * place}.weight"] = torch.randn(width, before, generator=random) / before**0.5
        layers[f"{2 * place}.bias"] = torch.zeros(width)
        before = width
    columns = [f"f{at}" for at in range(FEATURES)]
    card = {
        "format": "safetensors", "inputs": [{"columns": columns}],
        "architecture": {"kind": "mlp", "hidden": hidden, "activation": "relu"},
    }
    options = {"card": card, "threads": 2, "device": device, "precision": precision}
    return load({"model.safetensors": save(layers)}, options)


def measure(
    name: str, hidden: list[int], precision: str, rows: int, goal: str, device: str = "cuda", batch: int = BATCH
) -> dict[str, Any]:
    """Explain rows and return one benchmark row; infinite seconds where noise is over the error."""
    random = np.random.default_rng(1)
    table, background = random.normal(size=(rows, FEATURES)), random.normal(size=(BACKGROUND, FEATURES))
    model, few = candidate(hidden, precision, device), table[:NOISE_ROWS]
    got = model.explain_paths(few, background, PATHS, 0, batch)  # warms the device up
    exact = candidate(hidden, "float32", device).explain_paths(few, background, PATHS, 0, batch)
    noise, error = float(np.abs(got.values - exact.values).mean()), float(exact.errors.mean())
    started = time.perf_counter()
    found = model.explain_paths(table, background, PATHS, 0, batch)
    seconds = time.perf_counter() - started
    told = {key: model.device.get(key) for key in ("device", "provider", "runtime", "precision", "cuda")}
    return {
        "name": name, "value": seconds if noise <= error else float("inf"), "unit": "s", "goal": goal,
        "against": f"{rows} rows, {found.evaluations} evaluations, {sum(hidden)} hidden units; {json.dumps(told)}, "
        f"driver {driver()}; noise {noise:.2e}, standard error {error:.2e}",
        "rounds": [seconds],
    }


def bench_mlp() -> list[dict[str, Any]]:
    """The small MLP in float32 and the MLP of 50 million parameters in bfloat16."""
    if not cuda_here():
        print("checks.gpu: no CUDA device is on this machine; nothing was measured", file=sys.stderr)
        return []
    return [
        measure("checks.gpu.mlp_100k_s", SMALL, "float32", 100_000, "<=4"),
        measure("checks.gpu.mlp50m_bf16_10k_s", LARGE, "bfloat16", 10_000, "<=120"),
    ]
