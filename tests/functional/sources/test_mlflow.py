"""A run logged by MLflow itself, into a real tracking store, becomes lineage; an overwrite is named."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from govern.adapters.sources.finding import load_source
from govern.errors import GovernError, InvalidRequestError, NotFoundError, ServiceError
from govern.services.importing import record_run
from tests.support.home import ADA, ROOT, new_home
from tests.support.pages import follow

TABLE = pd.DataFrame({"a": [0.0, 1, 2, 3], "b": [1.0, 0, 1, 0], "y": [0.0, 0, 1, 1]})


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    load_source("mlflow")  # sets what MLflow reads when it is imported
    import mlflow
    from sklearn.linear_model import LogisticRegression

    folder = tmp_path_factory.mktemp("mlflow store")
    before, uri = mlflow.get_tracking_uri(), f"sqlite:///{folder}/mlflow.db"
    mlflow.set_tracking_uri(uri)
    experiment = mlflow.create_experiment("loans", artifact_location=(folder / "artifacts").as_uri())
    with mlflow.start_run(experiment_id=experiment, run_name="nightly") as run:
        mlflow.log_params({"C": 0.5})
        mlflow.log_metrics({"accuracy": 0.75, "lift": float("nan")})
        mlflow.log_input(mlflow.data.from_pandas(TABLE, name="loans"), context="training")
        mlflow.sklearn.log_model(
            LogisticRegression(C=0.5).fit(TABLE[["a", "b"]], TABLE.y), name="model", serialization_format="skops",
            pip_requirements=["scikit-learn"], registered_model_name="loan-net",
        )  # fmt: skip
    with mlflow.start_run(experiment_id=experiment) as empty:
        pass
    mlflow.set_tracking_uri(before)
    return SimpleNamespace(folder=folder, uri=uri, run=run.info.run_id, empty=empty.info.run_id)


def test_run_parameters_data_and_model_come_from_the_store(store: SimpleNamespace, tmp_path: Path) -> None:
    read = load_source("mlflow")
    (run,) = read(store.uri, {"run": store.run})
    assert (run.job, run.state, run.level, run.parameters) == ("nightly", "completed", "declared", {"C": "0.5"})
    assert run.environment["metrics"] == {"accuracy": {"value": 0.75}, "lift": {"value": "nan"}}
    assert run.data[0].name == "loans" and run.data[0].digest is None and run.data[0].profile["context"] == ["training"]
    assert {name for name, _ in run.model.files} >= {"MLmodel", "model.skops"}
    (registered,) = read(store.uri, {"model": "loan-net", "version": "1"})
    assert (registered.model.name, registered.model.digest) == ("loan-net", run.model.digest)
    application = new_home(tmp_path / "home")
    found = record_run(application.operations.recorder, run, signer=ADA)
    application.close()
    assert any("tells no digest of the data set loans" in gap for gap in found.gaps)
    assert "the store tells no git commit of the code" in found.gaps


def test_an_artifact_overwritten_after_registration_is_named(store: SimpleNamespace, tmp_path: Path) -> None:
    read = load_source("mlflow")
    application = new_home(tmp_path / "home")
    recorder = application.operations.recorder
    (run,) = read(store.uri, {"model": "loan-net", "version": "1"})
    first = record_run(recorder, run, signer=ADA)
    path = Path(run.model.path) / "requirements.txt"
    kept = path.read_bytes()
    path.write_bytes(kept + b"evil\n")
    try:
        second = record_run(recorder, read(store.uri, {"model": "loan-net", "version": "1"})[0], signer=ADA)
    finally:
        path.write_bytes(kept)
    assert f"the model was overwritten: when told before its bytes were {first.model}" in second.marks
    assert second.model != first.model and first.marks == ()
    assert not record_run(recorder, read(store.uri, {"model": "loan-net", "version": "1"})[0], signer=ADA).new
    application.close()


def test_what_the_store_does_not_have_is_a_sentence(store: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = load_source("mlflow")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    cases: list[tuple[str, dict[str, str], type[GovernError]]] = [
        (store.uri, {"run": "0" * 32}, NotFoundError), (store.uri, {"model": "none", "version": "1"}, NotFoundError),
        (store.uri, {}, InvalidRequestError), (store.uri, {"run": "a", "model": "b"}, InvalidRequestError), (store.uri, {"run": "../x"}, ServiceError),
        ("http://127.0.0.1:9", {"run": "0"}, ServiceError),
    ]  # fmt: skip
    for place, options, expected in cases:
        with pytest.raises(expected) as refused:
            read(place, options)
        assert len(str(refused.value).splitlines()) == 1 and len(str(refused.value)) < 300
    (empty,) = read(store.uri, {"run": store.empty})
    assert "the run made no model that the store knows" in empty.gaps and empty.model is None


def test_every_command_of_the_page_works(store: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    shutil.copy(store.folder / "mlflow.db", tmp_path)
    new_home(tmp_path / "home").close()
    said = follow("import_from_mlflow.md", tmp_path, tmp_path / "home")
    assert "training run loan-net" in said and "gap: the store tells no git commit of the code" in said


def test_listing_sources_imports_none_of_them() -> None:
    code = "import sys, json; from govern.adapters.sources.finding import sources; print(json.dumps([sorted(sources()), [name for name in ('mlflow', 'yaml', 'distributed') if name in sys.modules]]))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    names, loaded = json.loads(done.stdout)
    assert {"recorder", "mlflow"} <= set(names) and loaded == [], done.stderr


def test_the_table_of_sources_names_what_is_installed() -> None:
    import tomllib

    from govern.adapters.sources.finding import sources

    page = (ROOT / "docs" / "reference" / "lineage_sources.md").read_text("utf-8")
    rows = [line.split("|")[1:] for line in page.splitlines() if line.startswith("| ")][1:]
    assert {row[0].strip().strip("`") for row in rows if "`" in row[0]} == set(sources())
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    named = {row[2].strip().partition("`")[2].partition("`")[0] for row in rows} - {""}
    assert named and named <= set(extras)


def test_an_unknown_source_and_a_missing_library_are_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import EntryPoint

    from govern.adapters.sources import finding
    from govern.errors import MissingPartError

    with pytest.raises(InvalidRequestError, match="no source 'excel'; there are"):
        load_source("excel")
    monkeypatch.setattr(finding, "sources", lambda: {"excel": EntryPoint("excel", "no_such_library_here:read", finding.GROUP)})
    with pytest.raises(MissingPartError, match=r"pip install 'govern\[excel\]'"):
        load_source("excel")
