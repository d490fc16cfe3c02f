"""ML-BOMs: our own brought back names the same bytes; a supplier's is held to the folder beside it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from govern import recorder
from govern.adapters.hashing import hash_folder
from govern.adapters.sources.cyclonedx_bom import read
from govern.cli.main import main
from govern.errors import DigestMismatchError, GovernError
from govern.transparency.digest import hex_of
from tests.support.check_home import CARD
from tests.support.home import ADA, new_home
from tests.support.pages import follow


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model and the BOM that govern wrote about it."""
    from sklearn.linear_model import LogisticRegression

    folder = tmp_path_factory.mktemp("sent")
    new_home(folder / "home").close()
    (folder / "loans.csv").write_text("a,b\n1,2\n")
    with recorder.record("loan-net", to=folder, home=folder / "home", by=ADA) as run:
        run.data("loans", folder / "loans.csv")
        x = np.eye(4)[:, :2]
        run.features("table", x, reads=["loans"])
        run.trained(LogisticRegression().fit(x, [0, 1, 0, 1]), columns=["a", "b"])
    (folder / "card.json").write_text(json.dumps({**CARD, "name": "loan-net"}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOVERN_HOME", str(folder / "home"))
        assert main(["candidate", "register", str(folder / "model"), "--card", str(folder / "card.json"), "--by", ADA]) == 0
        assert main(["lineage", "export", "loan-net", "-o", str(folder), "--format", "cyclonedx"]) == 0
    return folder


def bom_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "bom.cdx.json").read_text())


def given(folder: Path, bom: Any, tmp_path: Path) -> Any:
    path = tmp_path / "bom.json"
    path.write_bytes(bom if isinstance(bom, bytes) else json.dumps(bom).encode())
    return read(str(path), {"model": str(folder / "model")})[0]


def test_our_own_bom_brought_back_names_the_same_bytes(sent: Path) -> None:
    (run,) = read(str(sent / "bom.cdx.json"), {"model": str(sent / "model")})
    recorded = json.loads((sent / "run.json").read_text())
    assert (run.job, run.model.digest) == ("loan-net", hash_folder(sent / "model").digest)
    assert [(item.name, item.digest) for item in run.data] == [("loans", recorded["data"][0]["digest"])]
    assert run.gaps == () and run.level == "declared"


def test_a_suppliers_bom_with_an_inline_data_set(sent: Path, tmp_path: Path) -> None:
    card = {"modelParameters": {"task": "credit", "datasets": [{"type": "dataset", "name": "theirs"}, {"ref": "lost"}]},
            "quantitativeAnalysis": {"performanceMetrics": [{"type": "auc", "value": "0.8", "slice": "all"}]}}
    run = given(sent, {"bomFormat": "CycloneDX", "specVersion": "1.5", "components": [{"type": "machine-learning-model", "name": "m", "modelCard": card}]}, tmp_path)
    assert [(item.name, item.digest) for item in run.data] == [("theirs", None), ("lost", None)]
    assert run.environment["metrics"] == {"auc all": {"value": "0.8"}} and run.parameters == {"task": "credit"}
    assert run.gaps == ("the BOM gives no SHA-256 of the model's bytes",)


def test_a_bom_about_other_bytes_is_refused(sent: Path, tmp_path: Path) -> None:
    for place in ("model", "file"):
        bom = bom_of(sent)
        row = bom["metadata"]["component"]
        (row if place == "model" else row["components"][0])["hashes"][0]["content"] = "0" * 64
        with pytest.raises(DigestMismatchError):
            given(sent, bom, tmp_path)
    shutil.copytree(sent / "model", tmp_path / "model")
    (tmp_path / "model" / "model.json").write_text("{}")
    with pytest.raises(DigestMismatchError):
        given(tmp_path, bom_of(sent), tmp_path)
    assert hex_of(hash_folder(sent / "model").digest) == bom_of(sent)["metadata"]["component"]["hashes"][0]["content"]


@pytest.mark.parametrize(
    "bom",
    [b"", b"{", b"[]", {}, {"bomFormat": "CycloneDX", "specVersion": "1.2"}, {"bomFormat": "CycloneDX", "specVersion": "1.6"},
     {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": 7}, {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [7]},
     {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"type": "machine-learning-model", "name": "a"}] * 2},
     {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"type": "machine-learning-model"}]},
     {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"type": "machine-learning-model", "name": "a", "hashes": [{"alg": "SHA-256", "content": "x"}]}]},
     {"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": []}],
)  # fmt: skip
def test_hostile_and_half_written_boms_are_one_sentence(bom: Any, sent: Path, tmp_path: Path) -> None:
    with pytest.raises(GovernError) as refused:
        given(sent, bom, tmp_path)
    assert len(str(refused.value).splitlines()) == 1 and len(str(refused.value)) < 300


def test_every_command_of_the_page_works(sent: Path, tmp_path: Path) -> None:
    shutil.copytree(sent / "model", tmp_path / "model")
    shutil.copy(sent / "bom.cdx.json", tmp_path)
    new_home(tmp_path / "home").close()
    said = follow("import_an_ml_bom.md", tmp_path, tmp_path / "home")
    assert "training run loan-net" in said
