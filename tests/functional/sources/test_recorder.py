"""The recorder with the real libraries: what it saw is what happened, signed and in the lineage."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from govern import recorder
from govern.adapters.candidates.loaders import load
from govern.adapters.hashing import hash_folder
from govern.adapters.sources.recorder_files import read
from govern.cli.main import main
from govern.domain import predicates
from govern.domain.assembling import evidence_document
from govern.errors import (
    DigestMismatchError,
    InvalidRequestError,
    MalformedError,
    SignatureError,
    StorageError,
)
from govern.policy.document import load_pack
from govern.policy.evaluate import evaluate
from govern.services.importing import record_run, source_of, training_runs
from govern.services.tracing import evidence_for
from tests.conformance.dossier_workshop import PACK
from tests.support.check_home import CARD
from tests.support.home import ADA, ROOT, new_home
from tests.support.packs import shipped_evidence
from tests.support.pages import follow

COLUMNS = ["income", "debt"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("home") / "home"
    new_home(path).close()
    return path


@pytest.fixture
def loans(tmp_path: Path) -> Path:
    random = np.random.default_rng(3)
    table = pd.DataFrame({
        "income": random.normal(50, 9, 300), "debt": random.normal(9, 3, 300),
        "race": random.choice(["x", "y"], 300, p=[0.7, 0.3]),
    })  # fmt: skip
    table["repaid"] = (table.income - 4 * table.debt + random.normal(0, 5, 300) > 14).astype(int)
    table.loc[::10, "debt"] = np.nan
    path = tmp_path / "loans.csv"
    table.to_csv(path, index=False)
    return path


def sklearn_model(x: np.ndarray, y: np.ndarray) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=0.5).fit(x, y)


def xgboost_model(x: np.ndarray, y: np.ndarray) -> Any:
    import xgboost

    return xgboost.XGBClassifier(n_estimators=5, max_depth=2, n_jobs=1).fit(x, y)


def xgboost_booster(x: np.ndarray, y: np.ndarray) -> Any:
    import xgboost

    return xgboost.train({"objective": "binary:logistic", "max_depth": 2}, xgboost.DMatrix(x, y), 5)


def lightgbm_model(x: np.ndarray, y: np.ndarray) -> Any:
    import lightgbm

    return lightgbm.LGBMClassifier(n_estimators=5, num_leaves=4, verbose=-1, n_jobs=1).fit(x, y)


def torch_model(x: np.ndarray, y: np.ndarray) -> Any:
    import torch

    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1), torch.nn.Sigmoid())


MLP = {"architecture": {"kind": "mlp", "hidden": [4]}}


def trained(loans: Path, to: Path, make: Any = sklearn_model, card: Any = None, **options: Any) -> tuple[Any, np.ndarray]:
    with recorder.record("loan-net", to=to, **options) as run:
        table = pd.read_csv(run.data("loans", loans, groups=["race"])).fillna(0)
        x = table[COLUMNS].to_numpy()
        run.features("table", x, reads=["loans"], fill=0)
        run.seed(numpy=3)
        model = make(x, table["repaid"].to_numpy())
        run.metric("loss", 0.3, step=2)
        run.trained(model, columns=COLUMNS, card=card)
    return model, x


def answers(model: Any, x: np.ndarray) -> np.ndarray:
    if hasattr(model, "predict_proba"):
        return model.predict_proba(x)[:, 1]
    if hasattr(model, "parameters"):
        import torch

        return model(torch.from_numpy(x.astype(np.float32))).detach().numpy()[:, 0]
    import xgboost

    return model.predict(xgboost.DMatrix(x))


@pytest.mark.parametrize(
    ("make", "card", "parameter"),
    [(sklearn_model, None, ("C", 0.5)), (xgboost_model, None, ("max_depth", 2)), (xgboost_booster, None, ("max_depth", "2")),
     (lightgbm_model, None, ("num_leaves", 4)), (torch_model, MLP, ("parameters", 17))],
)  # fmt: skip
def test_the_model_folder_answers_as_the_model_that_was_trained(
    make: Any, card: Any, parameter: tuple[str, Any], loans: Path, tmp_path: Path
) -> None:
    model, x = trained(loans, tmp_path / "out", make, card)
    (run,) = read(str(tmp_path / "out"), {})
    assert run.parameters[parameter[0]] == parameter[1]
    files = {path.name: path.read_bytes() for path in (tmp_path / "out" / "model").iterdir()}
    loaded = load(files, {"card": json.loads(files["model.json"]), "threads": 1, "device": "cpu"})
    assert loaded.predict(x, {})[1] == pytest.approx(answers(model, x), abs=1e-6)


def test_what_was_seen_is_signed_at_once_and_is_observed(loans: Path, tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    trained(loans, tmp_path / "out", home=home, by=ADA)
    card = tmp_path / "card.json"
    card.write_text(json.dumps({**CARD, "name": "loan-net"}))
    monkeypatch.setenv("GOVERN_HOME", str(home))
    assert main(["candidate", "register", str(tmp_path / "out" / "model"), "--card", str(card), "--by", ADA]) == 0
    digest = hash_folder(tmp_path / "out" / "model").digest
    from govern.bootstrap import open_application
    from tests.support.home import settings_of

    application = open_application(settings_of(home))
    try:
        evidence = evidence_for(application.operations.recorder, digest)
        (row,) = evidence_document(evidence, application.operations.recorder.clock().date())["lineage"]["training"]
        assert evidence.gaps == () and row["level"] == "observed" and row["by"] == ADA and row["marks"] == []
        (data,) = [item for item in evidence.lineage if item.kind == predicates.DATASET]
        profile = data.statement.predicate["profile"]
        assert profile["rows"] == 300 and profile["columns"]["debt"]["missing"] == 30
        assert sum(profile["groups"]["race"].values()) == 300
        (run,) = training_runs(application.operations.recorder)
        internal = run.statement.predicate["buildDefinition"]["internalParameters"]
        assert internal["metrics"] == {"loss": {"value": 0.3, "step": 2}} and internal["randomness"]["seeds"] == {"numpy": 3}
        assert internal["lock"]["versions"]["scikit-learn"] and internal["code"]["commit"]
    finally:
        application.close()
    capsys.readouterr()
    assert main(["lineage", "import", "recorder", str(tmp_path / "out"), "--by", ADA]) == 0
    assert "was on record already" in capsys.readouterr().out


@pytest.fixture
def opened(tmp_path: Path) -> Any:
    application = new_home(tmp_path / "home")
    yield application.operations.recorder
    application.close()


def keys(folder: Path, name: str) -> tuple[Path, Path]:
    key = Ed25519PrivateKey.generate()
    private, public = folder / f"{name}.pem", folder / f"{name}.pub.pem"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


@pytest.mark.parametrize(("level", "outcome"), [("declared", "deny"), ("signed", "allow"), ("observed", "allow")])
def test_a_rule_can_ask_for_a_level(level: str, outcome: str) -> None:
    rule = """  - id: told-by-more-than-a-form
    title: Training was observed, or signed by its source
    citation: Test standard, 3
    severity: deny
    require: lineage.training.all(run, run.level != "declared")
    message: A training run that somebody declares is not enough.
    reads: [lineage]
"""
    pack = load_pack(f"{PACK.decode().partition('rules:')[0]}rules:\n{rule}".encode())
    evidence = shipped_evidence("credit-allowed")
    training = [{**row, "level": level} for row in evidence["lineage"]["training"]]
    decision = evaluate([pack], {**evidence, "lineage": {**evidence["lineage"], "training": training}}, datetime(2026, 11, 25, tzinfo=UTC))
    assert decision.outcome == outcome


def test_forged_level_stays_declared_and_forged_signature_is_refused(loans: Path, tmp_path: Path) -> None:
    private, public = keys(tmp_path, "source")
    out = tmp_path / "out"
    trained(loans, out, key=private)
    assert read(str(out), {"key": str(public)})[0].level == "signed"
    value = json.loads((out / "run.json").read_text())
    (out / "run.json").write_text(json.dumps({**value, "level": "observed"}))
    assert read(str(out), {})[0].level == "declared"
    with pytest.raises(SignatureError):
        read(str(out), {"key": str(keys(tmp_path, "other")[1])})


def test_changed_model_and_half_written_or_oversized_run_are_refused(loans: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    trained(loans, out)
    whole = (out / "run.json").read_bytes()
    (out / "run.json").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MalformedError):
        read(str(out), {})
    for wrong in ({"mediaType": "x"}, {"state": "happy"}, {"data": [{"name": "d", "files": [{"name": "../x", "digest": "sha256:" + "0" * 64}]}]}, {"data": {}}, {"gaps": [1]}, {"model": 7}, {"job": ""}):
        (out / "run.json").write_text(json.dumps({**json.loads(whole), **wrong}))
        with pytest.raises(MalformedError):
            read(str(out), {})
    with (out / "run.json").open("wb") as file:
        file.truncate(17 << 20)
    with pytest.raises(MalformedError, match="limit of 16777216 bytes"):
        read(str(out), {})
    (out / "run.json").write_bytes(whole)
    (out / "model" / "model.json").write_text("{}")
    with pytest.raises(DigestMismatchError, match="not the model of this run"):
        read(str(out), {})


def test_changed_data_is_a_gap_and_never_signed(loans: Path, tmp_path: Path, opened: Any) -> None:
    trained(loans, tmp_path / "out")
    loans.write_text("income,debt\n1,2\n")
    from govern.adapters.blobs_files import BlobFiles
    from govern.adapters.sources.keeping import keep_in

    found = record_run(opened, read(str(tmp_path / "out"), {})[0], signer=ADA, keep=keep_in(BlobFiles(tmp_path / "blobs")))
    assert "the data set loans could not be signed: its bytes are no longer those that the run read" in found.gaps
    assert opened.all(predicates.DATASET) == []


def test_a_renamed_run_two_claims_and_a_wrong_clock_are_kept_and_marked(loans: Path, tmp_path: Path, opened: Any) -> None:
    from dataclasses import replace

    trained(loans, tmp_path / "out")
    (run,) = read(str(tmp_path / "out"), {})
    first = record_run(opened, run, signer=ADA)
    assert first.new and first.marks == ()
    assert record_run(opened, run, signer=ADA) == replace(first, new=False)
    renamed = record_run(opened, replace(run, job="better-net"), signer=ADA)
    assert renamed.new and "the run was told before under the name loan-net" in renamed.marks
    changed = replace(run.model, digest="sha256:" + "c" * 64)
    overwritten = record_run(opened, replace(run, model=changed), signer=ADA)
    assert f"the model was overwritten: when told before its bytes were {run.model.digest}" in overwritten.marks
    other = record_run(opened, replace(run, run_id="other", ended_at="2031-01-01T00:00:00Z"), signer=ADA)
    assert any(f"{run.run_id}, claims the same model bytes" in mark for mark in other.marks)
    assert any("ahead of the time it was recorded at" in mark for mark in other.marks)
    back = record_run(opened, replace(run, run_id="b", started_at="2026-01-02T00:00:00Z", ended_at="2026-01-01T00:00:00Z"), signer=ADA)
    assert any("ended 1 day, 0:00:00 before it began" in mark for mark in back.marks)
    assert len(training_runs(opened)) == 5
    assert {source_of(item)["level"] for item in training_runs(opened)} == {"declared"}


def test_a_failing_run_is_written_down_and_its_error_raised(loans: Path, tmp_path: Path, opened: Any) -> None:
    with pytest.raises(ZeroDivisionError), recorder.record("net", to=tmp_path / "out") as run:
        run.data("loans", loans)
        raise ZeroDivisionError
    (found,) = read(str(tmp_path / "out"), {})
    assert found.state == "failed" and found.data[0].name == "loans"
    with pytest.raises(InvalidRequestError, match="names no model"):
        record_run(opened, found, signer=ADA)


def test_a_second_run_in_the_same_folder_leaves_no_file_of_the_first(loans: Path, tmp_path: Path) -> None:
    trained(loans, tmp_path / "out", key=keys(tmp_path, "source")[0])
    (tmp_path / "out" / "mine.txt").write_text("keep")
    trained(loans, tmp_path / "out", lightgbm_model)
    (run,) = read(str(tmp_path / "out"), {})
    assert {path.name for path in (tmp_path / "out" / "model").iterdir()} == {"model.txt", "model.json"} == {name for name, _ in run.model.files}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"mine.txt", "model", "run.json"}


def test_the_trainings_own_error_is_raised_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file in the way")
    with pytest.raises(ZeroDivisionError), recorder.record("net", to=tmp_path / "out"):
        raise ZeroDivisionError
    with pytest.raises(StorageError), recorder.record("net", to=tmp_path / "out"):
        pass


def test_wrong_use_is_said_in_a_sentence(loans: Path, tmp_path: Path) -> None:
    with recorder.record("net", to=tmp_path / "out") as run:
        with pytest.raises(InvalidRequestError, match="not given to data"):
            run.features("table", np.zeros(3), reads=["loams"])
        with pytest.raises(InvalidRequestError, match="no column 'colour'"):
            run.data("loans", loans, groups=["colour"])
        with pytest.raises(InvalidRequestError, match="is no group"):
            (tmp_path / "wide.csv").write_text("a\n" + "\n".join(map(str, range(2000))))
            run.data("wide", tmp_path / "wide.csv", groups=["a"])
        with pytest.raises(InvalidRequestError, match="not a model of"):
            run.trained(object(), columns=["a"])
    with pytest.raises(InvalidRequestError, match="go together"), recorder.record("n", to=tmp_path, home=tmp_path):
        pass


def test_values_in_memory_have_one_digest_wherever_they_are(tmp_path: Path) -> None:
    from govern.observing.tables import value_digest

    table = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", None]})
    code = "import pandas as pd; from govern.observing.tables import value_digest; print(value_digest(pd.DataFrame({'a': [1.0, 2.0], 'b': ['x', None]}))[0])"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "7"})
    assert other.stdout.strip() == value_digest(table)[0]
    assert value_digest(table.rename(columns={"a": "c"}))[0] != value_digest(table)[0]
    ones = np.ones((3, 2))
    assert value_digest(ones)[0] == value_digest(np.asfortranarray(ones).astype(">f8"))[0] != value_digest(ones.T)[0]


def test_csv_parquet_and_a_hugging_face_data_set_have_one_profile(loans: Path, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from govern.observing.tables import profile_files

    table = pa.Table.from_pandas(pd.read_csv(loans))
    pq.write_table(table, tmp_path / "loans.parquet", row_group_size=70)
    with pa.OSFile(str(tmp_path / "data.arrow"), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=50)
    profiles = [profile_files([path], ["race"]) for path in (loans, tmp_path / "loans.parquet", tmp_path / "data.arrow")]
    for profile in profiles:
        assert profile["rows"] == 300 and profile["groups"] == profiles[0]["groups"]
        for name, column in profile["columns"].items():
            first = profiles[0]["columns"][name]
            assert column["missing"] == first["missing"] and column.get("mean") == pytest.approx(first.get("mean"))
    assert profiles[0]["columns"]["debt"]["missing"] == 30
    twice = profile_files([tmp_path / "loans.parquet", loans])
    assert twice["rows"] == 600 and twice["columns"]["income"]["mean"] == pytest.approx(profiles[0]["columns"]["income"]["mean"])
    (tmp_path / "other.csv").write_text("a\n1\n")
    with pytest.raises(InvalidRequestError, match="other columns"):
        profile_files([loans, tmp_path / "other.csv"])
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(InvalidRequestError, match="cannot be read as a table"):
        profile_files([tmp_path / "bad.parquet"])


def test_a_table_that_cannot_be_profiled_is_a_gap_and_the_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 not really")
    with recorder.record("net", to=tmp_path / "out") as run:
        run.data("bad", tmp_path / "bad.parquet")
    (found,) = read(str(tmp_path / "out"), {})
    assert found.data[0].digest and any("bad was digested and not profiled: bad.parquet cannot be read" in gap for gap in found.gaps)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.compute", None)
    with recorder.record("net", to=tmp_path / "out") as run:
        run.data("bad", tmp_path / "bad.parquet")
    assert any("pip install 'govern[tables]'" in gap for gap in read(str(tmp_path / "out"), {})[0].gaps)


def test_torchrun_with_two_gloo_workers_is_recorded_once(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text('''
import torch, torch.distributed as dist
from govern import recorder
dist.init_process_group("gloo")
with recorder.record("net", to="out") as run:
    torch.manual_seed(dist.get_rank())
    model = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.Sigmoid())
    weights = model[0].weight.data
    dist.all_reduce(weights)
    run.seed(torch=0)
    run.metric("weight", float(weights.sum()))
    run.trained(model, columns=["a", "b"], card={"architecture": {"kind": "mlp", "hidden": []}})
print(run.active)
dist.destroy_process_group()
''')
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "train.py"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert sorted(done.stdout.split()) == ["False", "True"]
    (run,) = read(str(tmp_path / "out"), {})
    launch = run.environment["launch"]
    assert (launch["launcher"], launch["rank"], launch["size"]) == ("torchrun", 0, 2)
    assert run.environment["code"] == {} and "the code lies in no git repository with a commit" in run.gaps


def test_what_was_not_committed_is_in_the_diff_digest(tmp_path: Path) -> None:
    from govern.observing.code import code_in

    def git(*words: str) -> None:
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b.example", *words], cwd=tmp_path, check=True, capture_output=True)

    git("init", "-q")
    (tmp_path / "train.py").write_text("1\n")
    git("add", ".")
    git("commit", "-qm", "first")
    clean = code_in(tmp_path)
    assert clean.gaps == () and clean.facts["dirty"] is False and "diff_digest" not in clean.facts
    (tmp_path / "train.py").write_text("2\n")
    one = code_in(tmp_path).facts
    (tmp_path / "train.py").write_text("3\n")
    assert one["diff_digest"] != code_in(tmp_path).facts["diff_digest"] and one["commit"] == clean.facts["commit"]
    (tmp_path / "new.py").write_text("")
    assert code_in(tmp_path).gaps == ("files that git does not know lay beside the code",)


def test_horovods_contract_names_rank_and_size() -> None:
    from govern.observing.environment import launched

    told = launched({"HOROVOD_RANK": "1", "HOROVOD_SIZE": "4", "HOROVOD_LOCAL_RANK": "0", "HOROVOD_CONTROLLER": "gloo"})
    assert told == {"launcher": "horovod", "rank": 1, "size": 4, "local_rank": 0, "group": "gloo"}
    assert launched({"RANK": "one", "WORLD_SIZE": "2"}) == {}


def test_importing_the_recorder_imports_nothing_heavy() -> None:
    code = "import sys, govern.recorder; print(sorted({name.partition('.')[0] for name in sys.modules} & {'numpy', 'pandas', 'pyarrow', 'torch', 'sklearn', 'cryptography', 'sqlalchemy', 'flask', 'xgboost'}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.stdout.strip() == "[]", done.stderr


def test_every_command_of_the_page_works(loans: Path, tmp_path: Path) -> None:
    new_home(tmp_path / "home").close()
    pd.read_csv(loans).fillna(0).to_csv(loans, index=False)
    (tmp_path / "card.json").write_text(json.dumps({**CARD, "name": "loan-net"}))
    said = follow("record_a_training_run.md", tmp_path, tmp_path / "home", "train.py")
    assert "training run loan-net" in said and "data set loans" in said
