"""What takes long of the recorder: a module exported as a program, opened in the sandbox."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from govern import recorder
from govern.adapters.candidates.opening import open_candidate

pytestmark = pytest.mark.soak


def test_an_exported_module_answers_as_it_did_in_training(tmp_path: Path) -> None:
    import torch

    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.Sigmoid())
    with recorder.record("net", to=tmp_path) as run:
        run.trained(module, columns=["a", "b"])
    files = {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}
    assert set(files) == {"model.pt2", "model.json"}
    rows = np.random.default_rng(0).normal(size=(9, 2))
    with open_candidate(files) as opened, torch.inference_mode():
        expected = module(torch.from_numpy(rows.astype(np.float32))).numpy()[:, 0]
        assert opened.predict(rows, {})[1] == pytest.approx(expected, abs=1e-6)


MEMORY = """
import resource, sys
from pathlib import Path
from govern.observing.fingerprints import fingerprint
found = fingerprint("large", Path(sys.argv[1]), ["race"])
print(found.profile["rows"], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)
"""


def test_a_large_file_is_never_in_memory(tmp_path: Path) -> None:
    import subprocess
    import sys

    import pyarrow as pa
    import pyarrow.parquet as pq

    random = np.random.default_rng(0)
    race = pa.array(np.array(["a", "b"])[random.integers(0, 2, 1 << 20)])
    with pq.ParquetWriter(tmp_path / "large.parquet", pa.schema([("x", "float64"), ("race", "string")]), compression="none") as writer:
        for _ in range(256):
            writer.write_table(pa.table({"x": random.normal(size=1 << 20), "race": race}))
    assert (tmp_path / "large.parquet").stat().st_size > 2 << 30
    done = subprocess.run([sys.executable, "-c", MEMORY, tmp_path / "large.parquet"], capture_output=True, text=True, check=True)
    rows, megabytes = map(int, done.stdout.split())
    assert rows == 256 << 20 and megabytes < 700, done.stdout
