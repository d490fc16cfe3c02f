"""Lineage and recall from the command line, on a home with two models on one data set."""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from govern.adapters.sql.records import Records
from govern.cli.main import main
from govern.services.statement_keys import gate_key, statement_keys
from govern.transparency.digest import digest_of
from tests.conformance.dossier_workshop import (
    DOMAIN,
    EVAN,
    ISSUER,
    PRIYA,
    ROSA,
    SERVICE,
    TOMAS,
    Candidate,
    Workshop,
)
from tests.support.gate_records import write_gate

pytestmark = pytest.mark.functional


def admitted(shop: Workshop, name: str) -> Candidate:
    item = shop.candidate(name)
    shop.check(item)
    shop.decide(item)
    for reviewer in (ROSA, TOMAS):
        shop.vote(item, reviewer)
    shop.admit(item, deployment=f"{name}-live")
    return item


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    folder = tmp_path_factory.mktemp("lineage home")
    shop = Workshop(folder / "shop", start=datetime.now(UTC) - timedelta(minutes=5))
    shop.trace()
    first, second = admitted(shop, "first"), admitted(shop, "second")
    home = folder / "home"
    shutil.copytree(folder / "shop" / "keys", home / "keys")
    shutil.copytree(folder / "shop" / "log", home / "log" / "lineage")
    (home / "trust.json").write_bytes(shop.trust_bytes)
    names = {"issuer": ISSUER, "domain": DOMAIN, "identities": {"evaluator": EVAN, "decider": SERVICE, "service": SERVICE}}
    (home / "organisation.json").write_text(json.dumps(names))
    records = Records.open(f"sqlite:///{home / 'govern.db'}", migrate=True)
    for item in shop.store.items:
        records.put_statement(item)
    records.close()
    one, two = first.admission.digest, second.admission.digest  # type: ignore[union-attr]
    write_gate(home / "gates" / "demo", [(one, "inference")] * 5 + [(one, "refusal"), (two, "inference"), (None, "refusal")], erased=[0])
    write_gate(home / "gates" / "other", [(two, "inference")] * 3)
    return SimpleNamespace(home=home, shop=shop, first=first, second=second)


@pytest.fixture
def home(made: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy = tmp_path / "home"
    shutil.copytree(made.home, copy)
    monkeypatch.setenv("GOVERN_HOME", str(copy))
    return copy


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    capsys.readouterr()
    assert main(["lineage", *arguments, "--json"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], code: int, *arguments: str) -> str:
    capsys.readouterr()
    assert main(["lineage", *arguments]) == code
    error = capsys.readouterr().err
    assert "Traceback" not in error
    return error


def test_show_tells_the_way_from_data_to_the_gate(made: SimpleNamespace, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = run(capsys, "show", "first")
    kinds = {node["kind"] for node in found["nodes"]}
    assert found["complete"] and {"data", "features", "training", "model", "check", "decision", "approval", "admission", "serving"} <= kinds
    assert {node["label"] for node in found["nodes"] if node["kind"] == "model"} == {"first"}
    assert main(["lineage", "show", "first"]) == 0
    out = capsys.readouterr().out
    assert "data set loans" in out and "first-live" in out and "Complete" in out and "demo: 5 answers" in out


def test_a_lost_statement_is_a_gap_in_words(made: SimpleNamespace, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import sqlite3

    with sqlite3.connect(home / "govern.db") as database:
        database.execute("delete from statements where digest = ?", (made.first.votes[0].digest,))
    assert main(["lineage", "show", "first"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "1 gap:" in out and "the vote sha256:" in out and "admission first-live" in out


def test_svg_dot_and_json_are_well_formed(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for kind in ("svg", "dot", "json"):
        run(capsys, "export", "first", "-o", str(tmp_path / "out"), "--format", kind)
    svg = ET.parse(tmp_path / "out" / "lineage.svg").getroot()
    space = "{http://www.w3.org/2000/svg}"
    assert svg.get("role") == "img" and svg.find(f"{space}title") is not None and "first-live" in svg.findtext(f"{space}desc", "")
    assert json.loads((tmp_path / "out" / "lineage.json").read_text())["complete"]
    assert (tmp_path / "out" / "lineage.dot").read_text().startswith("digraph")
    assert "one of json" in refused(capsys, 2, "export", "first", "-o", str(tmp_path), "--format", "png")


def test_a_candidate_leaves_as_in_toto_and_cyclonedx(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "export", "first", "-o", str(tmp_path), "--format", "in-toto")
    run(capsys, "export", "first", "-o", str(tmp_path), "--format", "cyclonedx")
    names = {path.name.split(".")[0] for path in tmp_path.iterdir()}
    assert {"root", "owner", "data-1", "training-1", "register", "decide", "admit", "bom"} <= names
    assert json.loads((tmp_path / "bom.cdx.json").read_text())["bomFormat"] == "CycloneDX"
    assert main(["lineage", "export", "nobody", "-o", str(tmp_path), "--format", "in-toto"]) == 1


def test_a_hostile_name_stays_text(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.csv").write_text("x\n")
    name = '<script>alert(1)</script>"&]]>[bold]'
    run(capsys, "record", "--kind", "dataset", "--name", name, "--files", str(tmp_path / "a.csv"), "--by", "ada@bank.example")
    run(capsys, "show", name, "--svg", str(tmp_path / "x.svg"))
    text = (tmp_path / "x.svg").read_text()
    ET.fromstring(text)
    assert "<script" not in text
    assert main(["lineage", "show", name]) == 0
    assert "<script>" in capsys.readouterr().out
    run(capsys, "export", name, "-o", str(tmp_path), "--format", "dot")


def test_recorded_steps_join_the_graph(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, model = tmp_path / "data", tmp_path / "model"
    for folder in (data, model):
        (folder / "sub").mkdir(parents=True)
        (folder / "sub" / "part.bin").write_bytes(folder.name.encode() * 1000)
    (tmp_path / "features.csv").write_text("a,b\n")
    by = ("--by", "ada@bank.example")
    one = run(capsys, "record", "--kind", "dataset", "--name", "raw", "--files", str(data), *by)
    two = run(capsys, "record", "--kind", "features", "--name", "table", "--from", one["digest"], "--files", str(tmp_path / "features.csv"), "--param", "scale=log", *by)
    assert two["digest"] == digest_of(b"a,b\n")
    three = run(capsys, "record", "--kind", "training", "--name", "net", "--from", "table", "--files", str(model), *by)
    found = run(capsys, "show", three["digest"])
    assert found["complete"] and [node["kind"] for node in found["nodes"]] == ["signature", "data", "features", "training"]
    blob = home / "blobs" / "sha256"
    assert digest_of((data / "sub" / "part.bin").read_bytes())[7:] in {path.name for path in blob.rglob("*")}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("record", "--kind", "image", "--name", "x", "--files", "x", "--by", "a@b"), 2, "one of dataset"),
        (("record", "--kind", "dataset", "--name", "x", "--files", "/nowhere", "--by", "ada@bank.example"), 2, "not a file or folder"),
        (("record", "--kind", "features", "--name", "x", "--files", __file__, "--by", "ada@bank.example"), 2, "--from"),
        (("record", "--kind", "features", "--name", "x", "--files", __file__, "--from", "loans", "--param", "novalue", "--by", "ada@bank.example"), 2, "key=value"),
        (("show", "nothing-of-that-name"), 1, "nothing recorded is called"),
        (("show", "sha256:" + "0" * 64), 1, "no statement names the digest"),
        (("show", "sha256:0"), 2, "at least 6"),
        (("recall", "nobody@bank.example"), 1, "no statement names nobody"),
        (("recall", "first", "--suspend"), 2, "--reason"),
        (("recall", "first", "--dry-run"), 2, "--suspend"),
        (("recall", "first", "--since", "yesterday"), 10, "time"),
        (("recall", "first", "--suspend", "--reason", "x", "--by", ROSA), 1, "not a platform engineer"),
    ],
)
def test_bad_input_is_one_sentence(home: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, words: str) -> None:
    assert words in refused(capsys, code, *arguments)


def test_a_tainted_data_set_recalls_both_and_one_model_only_itself(made: SimpleNamespace, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = run(capsys, "recall", "loans")["totals"]
    assert (both["models"], both["approvals"], both["admissions"], both["live"]) == (2, 4, 2, 2)
    assert (both["answers"], both["refusals"], both["erased_in_these_gates"]) == (4 + 1 + 3, 1, 1)
    one = run(capsys, "recall", made.second.digest)
    assert [row["deployment"] for row in one["admissions"]] == ["second-live"]
    assert one["totals"]["answers"] == 4
    by_file = run(capsys, "recall", digest_of(made.shop.data_files["loans.csv"])[:25])
    assert by_file["totals"] == both


def test_a_person_is_recalled_role_by_role(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = run(capsys, "recall", "Rosa@bank.example")
    assert {row["role"] for row in found["started_from"]} == {"approver"}
    assert found["totals"]["models"] == 0 and found["totals"]["admissions"] == 2
    roles = {row["role"] for row in run(capsys, "recall", "ada@bank.example")["started_from"]}
    assert roles == {"author", "trainer", "recorder", "signer"}


def test_keys_are_recalled(made: SimpleNamespace, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trust = made.shop.trust
    keys = statement_keys(made.first.votes[0])
    signer = run(capsys, "recall", keys["signer"])
    assert signer["target"]["kind"] == "key" and [row["deployment"] for row in signer["admissions"]] == ["first-live"]
    everything = run(capsys, "recall", keys["identity authority"])
    assert everything["totals"]["models"] == 2
    late = run(capsys, "recall", keys["identity authority"], "--since", made.second.statement.proven_at.strftime("%Y-%m-%dT%H:%M:%SZ"))
    assert late["totals"]["models"] == 1
    gate = run(capsys, "recall", gate_key(trust, f"{DOMAIN}/govern/gate/other"))
    assert [row["deployment"] for row in gate["admissions"]] == ["second-live"]
    assert [row["gate"] for row in gate["gates"]] == ["other"] and gate["totals"]["answers"] == 3


def test_suspending_a_recall_stops_all_and_is_recorded_once(made: SimpleNamespace, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change = ("recall", "loans", "--suspend", "--reason", "labels were swapped", "--by", PRIYA)
    tried = run(capsys, *change, "--dry-run")
    assert {row["result"] for row in tried["suspensions"]} == {"would be suspended"} and "statement" not in tried
    done = run(capsys, *change)
    assert [row["result"] for row in done["suspensions"]] == ["suspended", "suspended"]
    assert done["totals"]["live"] == 0
    again = run(capsys, *change)
    assert [row["result"] for row in again["suspensions"]] == ["already suspended"] * 2
    assert again["statement"] == done["statement"]
    assert main(["admission", "list", "--json"]) == 0
    assert {row["status"] for row in json.loads(capsys.readouterr().out)} == {"suspended"}
    assert main(["lineage", "recall", "loans"]) == 0
    assert "2 models" in capsys.readouterr().out


def test_one_suspension_that_fails_is_named_and_keeps_none_of_the_others(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from govern.errors import StorageError
    from govern.services import recalling

    real, calls = recalling.change_admission, []

    def stumbling(*arguments: Any, **more: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 1:
            raise StorageError("the disk is full")
        return real(*arguments, **more)

    monkeypatch.setattr(recalling, "change_admission", stumbling)
    capsys.readouterr()
    assert main(["lineage", "recall", "loans", "--suspend", "--reason", "x", "--by", PRIYA, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [row["result"] for row in found["suspensions"]] == ["not suspended", "suspended"]
    assert found["suspensions"][0]["problem"] == "the disk is full" and found["totals"]["live"] == 1


def test_unreadable_gate_records_are_said_and_do_not_stop_the_recall(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "gates" / "other" / "payloads" / "keyring").unlink()
    found = run(capsys, "recall", "loans")
    assert found["totals"]["gates_not_counted"] == 1 and found["totals"]["answers"] == 5
    assert any("restore the gate records" in step for step in found["next"])
