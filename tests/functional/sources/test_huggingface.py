"""A Hugging Face folder with weights that safetensors itself wrote; nothing in it runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from govern.adapters.hashing import hash_folder
from govern.adapters.sources.huggingface_folder import read
from govern.errors import GovernError, InvalidRequestError
from govern.services.importing import record_run
from tests.support.home import ADA, new_home
from tests.support.pages import follow

CARD = """---
license: apache-2.0
language: [en, de]
datasets:
- bank/loans
- bank/complaints
base_model: lab/base
tags: [tabular]
---
# A scorer
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    from safetensors.numpy import save_file

    path = tmp_path / "scorer"
    path.mkdir()
    (path / "README.md").write_text(CARD)
    (path / "config.json").write_text(json.dumps({"model_type": "bert", "architectures": ["Scorer"], "hidden_size": 8, "secret": 1}))
    save_file({"a": np.zeros((3, 4), np.float32), "b": np.zeros(5, np.float16)}, path / "model.safetensors")
    return path


def test_card_configuration_and_weights_are_read(folder: Path) -> None:
    (run,) = read(str(folder), {"name": "bank/scorer", "revision": "1f2e"})
    assert run.model.digest == hash_folder(folder).digest and run.level == "declared" and run.run_id == "bank/scorer@1f2e"
    assert [item.name for item in run.data] == ["bank/loans", "bank/complaints"] and run.reads[-1] == "lab/base"
    assert run.environment["tensors"] == {"files": 1, "tensors": 2, "numbers": {"F32": 12, "F16": 5}}
    assert run.environment["card"] == {"license": "apache-2.0", "language": ["en", "de"], "tags": ["tabular"]}
    assert run.parameters == {"model_type": "bert", "architectures": ["Scorer"], "hidden_size": 8}
    assert run.gaps == ("the bytes of the base model lab/base are not known",)


def test_what_would_run_code_is_named_and_not_run(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
    (folder / "modeling.py").write_text("raise SystemExit('ran')")
    (folder / "config.json").write_text(json.dumps({"auto_map": {"AutoModel": "modeling.Evil"}}))
    (folder / "README.md").write_text("no front matter")
    gaps = read(str(folder), {})[0].gaps
    assert "2 files can run code when loaded, such as modeling.py" in gaps
    assert "config.json asks for code of the folder's own (auto_map); it was not run" in gaps
    assert "the folder has no model card with front matter" in gaps and "the card names no data set that the model was trained on" in gaps


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("README.md", b"---\na: 1\n"), ("README.md", b"---\n!!python/object/apply:os.system ['touch pwned']\n---\n"), ("README.md", b"---\n- a\n---\n"),
        ("README.md", b"---\na: &a [1]\nb: *a\n---\n"), ("README.md", b"---\n{\n---\n"), ("README.md", b"---\n" + b"[" * 4000 + b"\n---\n"),
        ("README.md", b"x" * ((1 << 20) + 1)), ("config.json", b"{"), ("config.json", b"[]"), ("config.json", b'{"a": NaN}'),
        ("model.safetensors", b""), ("model.safetensors", b"\xff" * 99), ("model.safetensors", b"\x02" + bytes(7) + b"[]"),
        ("model.safetensors", b"\x09" + bytes(7) + b'{"a": 12}'), ("model.safetensors", b"\x14" + bytes(7) + b'{"a":{"shape":[-1]}}'),
    ],
)  # fmt: skip
def test_hostile_and_half_written_folders_are_one_sentence(name: str, data: bytes, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (folder / name).write_bytes(data)
    with pytest.raises(GovernError) as refused:
        read(str(folder), {})
    assert len(str(refused.value).splitlines()) == 1 and len(str(refused.value)) < 300
    assert not (tmp_path / "pwned").exists()


def test_links_into_a_cache_are_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"w")
    (folder / "other.safetensors").symlink_to(tmp_path / "weights")
    with pytest.raises(InvalidRequestError, match="link"):
        read(str(folder), {})


def test_changed_bytes_under_one_revision_are_named(folder: Path, tmp_path: Path) -> None:
    application = new_home(tmp_path / "home")
    recorder = application.operations.recorder
    options = {"revision": "1f2e"}
    first = record_run(recorder, read(str(folder), options)[0], signer=ADA)
    assert any("tells no digest of the data set bank/loans" in gap for gap in first.gaps)
    (folder / "config.json").write_text("{}")
    second = record_run(recorder, read(str(folder), options)[0], signer=ADA)
    assert f"the model was overwritten: when told before its bytes were {first.model}" in second.marks
    application.close()


def test_every_command_of_the_page_works(folder: Path, tmp_path: Path) -> None:
    new_home(tmp_path / "home").close()
    said = follow("import_a_hugging_face_folder.md", tmp_path, tmp_path / "home")
    assert "training run bank/scorer" in said and "lab/base are not known" in said
