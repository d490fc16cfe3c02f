"""The demo, run once for real, and everything the issue says about what it leaves."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from govern.domain.dossier import pack, unpack
from govern.errors import VerificationError
from govern.transparency.trust import TrustRoot
from govern.verifier import dossier
from govern.verifier.dossier import verify_dossier

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.functional


def govern(
    *arguments: str, cwd: Path, prefix: tuple[str, ...] = (), home: Path | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("GOVERN_HOME", None)
    if home is not None:
        environment["GOVERN_HOME"] = str(home)
    return subprocess.run(
        [*prefix, sys.executable, "-m", "govern.cli.main", *arguments],
        cwd=cwd, env=environment, capture_output=True, text=True, timeout=900, check=False,
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("a path with spaces")
    done = govern("demo", cwd=folder)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return folder / "demo"


@pytest.fixture(scope="module")
def summary(demo: Path) -> dict:
    return json.loads((demo / "summary.json").read_text())


def test_decisions_are_deny_deny_review_allow(summary: dict) -> None:
    assert [row["decision"] for row in summary["candidates"]] == ["deny", "deny", "review", "allow"]


def test_published_ratios_come_from_the_run(summary: dict) -> None:
    by_name = {row["name"]: row["metrics"]["demographic_parity_ratio"] for row in summary["candidates"]}
    assert by_name["loan-logistic"]["value"] == pytest.approx(0.729, abs=0.0005)
    assert by_name["loan-logistic"]["low"] == pytest.approx(0.61, abs=0.02)
    assert by_name["loan-logistic"]["high"] == pytest.approx(0.83, abs=0.02)
    assert by_name["loan-reduction"]["value"] == pytest.approx(0.918, abs=0.0005)


def test_reasons_name_the_internal_pack_and_the_protected_input(summary: dict) -> None:
    reasons = {row["name"]: {r["pack"] + "/" + r["rule"] for r in row["reasons"]} for row in summary["candidates"]}
    assert "internal-fair-lending/race-ratio" in reasons["loan-logistic"]
    assert "internal-baseline/no-protected-input" in reasons["loan-thresholds"]
    assert reasons["loan-reduction-random"] == {
        "internal-baseline/repeatable", "internal-fair-lending/race-significance",
    }
    assert reasons["loan-reduction"] == set()


def test_two_approve_one_dissents_and_the_author_is_refused(summary: dict) -> None:
    assert len(summary["approvals"]) == 2
    assert len(summary["dissent"]) == 1
    assert "separation of duties" in summary["refused_vote"]


def test_every_application_was_served_and_the_refusal_is_on_record(summary: dict) -> None:
    calls = summary["inferences"]
    assert calls["applications"] == 796
    assert calls["by_kind"] == {"inference": calls["requests"], "refusal": 1}
    assert calls["refusals"] == {"not-admitted": 1}
    assert calls["refusal"]["receipt"].startswith("v1; origin=")
    anchors = summary["gate_log"]["size"] - calls["requests"] - 1
    assert anchors >= 1, "the gate put the lineage log's checkpoint on record"
    assert calls["records"] == summary["gate_log"]["size"]


def test_tampering_is_caught_and_named(summary: dict) -> None:
    assert [row["exit_code"] for row in summary["tampering"]] == [17, 16, 16]


def test_dossier_verifies_without_network_from_another_folder(demo: Path, tmp_path: Path) -> None:
    for name in ("dossier.zip", "trust.json"):
        shutil.copy(demo / name, tmp_path / name)
    unshare = ("unshare", "-rn") if shutil.which("unshare") else ()
    if unshare and subprocess.run([*unshare, "true"], check=False, capture_output=True).returncode:
        unshare = ()
    done = govern("verify", "dossier.zip", "--trust", "trust.json", cwd=tmp_path, prefix=unshare)
    assert done.returncode == 0, done.stderr


def remembered(verify: Callable[[bytes, TrustRoot], Any]) -> Callable[[bytes, TrustRoot], Any]:
    """Let each file that verified do so once: the same bytes under the same trust say the same."""
    seen: dict[bytes, Any] = {}

    def ask(data: bytes, trust: TrustRoot) -> Any:
        if data not in seen:
            seen[data] = verify(data, trust)
        return seen[data]

    return ask


def test_one_flipped_byte_of_any_file_is_refused(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trust = TrustRoot.from_json((demo / "trust.json").read_bytes())
    for name in ("examine_bundle", "verify_report"):
        monkeypatch.setattr(dossier, name, remembered(getattr(dossier, name)))
    files = unpack((demo / "dossier.zip").read_bytes())
    verify_dossier(files, trust)
    generator = random.Random(7)
    for name, data in files.items():
        at = generator.randrange(len(data))
        flipped = data[:at] + bytes([data[at] ^ (1 << generator.randrange(8))]) + data[at + 1 :]
        with pytest.raises(VerificationError):
            verify_dossier({**files, name: flipped}, trust)
            pytest.fail(f"a flipped byte {at} of {name} went unnoticed")


def test_one_flipped_byte_of_the_zip_is_refused(demo: Path) -> None:
    data = (demo / "dossier.zip").read_bytes()
    trust = TrustRoot.from_json((demo / "trust.json").read_bytes())
    generator = random.Random(11)
    directory = data.rindex(b"PK\x01\x02")
    places = [generator.randrange(len(data)) for _ in range(12)] + [directory + 12, len(data) - 1, 10]
    for at in places:
        with pytest.raises(VerificationError):
            verify_dossier(unpack(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]), trust)


def test_an_added_file_is_refused(demo: Path) -> None:
    trust = TrustRoot.from_json((demo / "trust.json").read_bytes())
    files = unpack((demo / "dossier.zip").read_bytes())
    with pytest.raises(VerificationError, match="not covered by the seal"):
        verify_dossier({**files, "note.txt": b"hello"}, trust)
    assert unpack(pack(files)) == files


def test_a_second_run_beside_the_first_is_refused(demo: Path) -> None:
    import fcntl

    with open(demo.with_name(f".{demo.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = govern("demo", cwd=demo.parent)
    assert done.returncode == 1
    assert "another `govern demo`" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_that_is_not_a_demo_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "mine.txt").write_text("keep")
    done = govern("demo", cwd=tmp_path)
    assert done.returncode == 1 and "not a demo" in done.stderr
    assert (tmp_path / "demo" / "mine.txt").read_text() == "keep"


def test_statement_bundles_verify_one_by_one(demo: Path, tmp_path: Path) -> None:
    files = unpack((demo / "dossier.zip").read_bytes())
    name = next(name for name in files if "-admission-" in name)
    (tmp_path / "one.json").write_bytes(files[name])
    done = govern("verify", "one.json", "--trust", str(demo / "trust.json"), "--json", cwd=tmp_path)
    assert done.returncode == 0 and json.loads(done.stdout)["verified"] is True


def test_stock_openssl_accepts_the_timestamp(demo: Path, tmp_path: Path) -> None:
    from govern.transparency.bundle import parse_bundle

    files = unpack((demo / "dossier.zip").read_bytes())
    bundle = parse_bundle(next(data for name, data in files.items() if "-decision-" in name))
    (tmp_path / "signature").write_bytes(bundle.signature)
    (tmp_path / "response").write_bytes(bundle.timestamp)
    done = subprocess.run(
        ["openssl", "ts", "-verify", "-data", "signature", "-in", "response",
         "-CAfile", str(demo / "keys" / "root.pem")],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )
    assert done.returncode == 0, done.stderr


def test_report_is_a_signed_pdf_with_its_evidence(demo: Path) -> None:
    import pikepdf

    with pikepdf.open(demo / "report.pdf") as pdf:
        assert {"evidence.json", "trust.json"} <= set(pdf.attachments)
        (field,) = pdf.Root.AcroForm.Fields
        assert str(field.V.SubFilter) == "/ETSI.CAdES.detached"


def test_the_home_gives_the_other_kinds_of_report_and_they_verify(demo: Path, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "how_to" / "build_a_report.md").read_text("utf-8")
    (script,) = re.findall(r"^```sh\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", f"set -euo pipefail\n{script}"], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PATH": path, "GOVERN_HOME": str(demo)}, timeout=300, check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("VERIFIED") == 2
    assert "0.918" in (tmp_path / "audit.html").read_text()


def test_the_admitted_model_is_pulled_and_no_other_is(demo: Path, summary: dict, tmp_path: Path) -> None:
    digests = {row["decision"]: row["digest"] for row in summary["candidates"]}
    done = govern("admission", "pull", digests["allow"], "-o", "model", "--json", cwd=tmp_path, home=demo)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["model"] == digests["allow"]
    assert (tmp_path / "model").is_dir()
    refused = govern("admission", "pull", digests["deny"], "-o", "other", cwd=tmp_path, home=demo)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert not (tmp_path / "other").exists()


def test_a_report_of_a_running_service_shows_what_its_gates_recorded(demo: Path, summary: dict) -> None:
    from govern.bootstrap import open_application
    from govern.building import serving_facts
    from govern.cli.telling import demo_settings

    opened = open_application(demo_settings(demo))
    try:
        chosen = next(row for row in summary["candidates"] if row["decision"] == "allow")
        found = serving_facts(opened, chosen["digest"])
        denied = next(row for row in summary["candidates"] if row["decision"] == "deny")
        assert serving_facts(opened, denied["digest"]) is None
    finally:
        opened.close()
    assert found["counts"] == {"inference": summary["inferences"]["requests"], "refusal": 0}
    assert found["sequence"]["found"] == found["sequence"]["expected"] >= summary["gate_log"]["size"]
    assert found["first_at"] < found["last_at"]


def test_a_reviewer_votes_with_her_own_ssh_key_and_openssh_verifies_it(demo: Path, tmp_path: Path) -> None:
    """Last, for it adds to the home: a key is enrolled, a vote is cast with it and exported."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "rosa")], check=True)

    def run(*arguments: str) -> dict:
        done = govern(*arguments, "--json", cwd=tmp_path, home=demo)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    asked = run("approval", "request", "loan-reduction-random", "--by", "ada@bank.example")["request"]
    run("key", "enrol", "rosa@bank.example", "rosa.pub")
    vote = ("approval", "approve", asked, "--by", "rosa@bank.example", "--comment", "z = -2.8 is a chance I take")
    without = govern(*vote, cwd=tmp_path, home=demo)
    assert without.returncode == 1 and "--ssh-key" in without.stderr
    cast = run(*vote, "--ssh-key", "rosa")
    told = run("approval", "export", cast["statement"], "-o", "vote")
    done = subprocess.run(["sh", "-c", told["verify"]], cwd=tmp_path / "vote", capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "Good \"approval@govern\" signature for rosa@bank.example" in done.stdout


def test_every_answer_of_the_gate_is_given_again_by_the_archived_model(
    demo: Path, summary: dict, tmp_path: Path
) -> None:
    """After the others, for it adds a statement."""
    done = govern("log", "replay", "--all", "--json", cwd=tmp_path, home=demo)
    assert done.returncode == 0, done.stderr
    (gate,) = json.loads(done.stdout)["gates"]
    assert gate["counts"] == {
        "exact": summary["inferences"]["requests"], "close": 0, "divergent": 0, "not replayed": 0,
    }  # fmt: skip
    assert gate["rows"] == summary["inferences"]["applications"]
    shown = govern("lineage", "show", "loan-reduction", cwd=tmp_path, home=demo)
    assert shown.returncode == 0, shown.stderr
    missing = govern("log", "replay", "--log", "demo", "--index", "999999", cwd=tmp_path, home=demo)
    assert (missing.returncode, missing.stderr.count("\n")) == (1, 1)


def test_a_group_proven_to_be_selected_less_stops_the_model(demo: Path, tmp_path: Path) -> None:
    """The commands of docs/how_to/watch_live_answers.md, on a copy; groups are made from the answers."""
    from govern.adapters.gate_files import gate_homes, read_records

    home = tmp_path / "demo"
    shutil.copytree(demo, home)

    def monitor(*arguments: str, code: int) -> dict:
        done = govern("monitor", *arguments, "--json", cwd=tmp_path, home=home)
        assert done.returncode == code, done.stderr + done.stdout
        return json.loads(done.stdout)

    quiet = monitor("run", "--rehearse", code=0)["deployments"][0]
    assert quiet["outcome"] == "allow" and quiet["figures"]["selection"]["change_at_least"] == 0.0
    lines = ["index,row,outcome,race"]
    (gate,) = gate_homes(home)
    for index, item in enumerate(read_records(gate)):
        if item is not None and item.response_body and b'"outputs"' in item.response_body:
            outputs = {one["name"]: one["data"] for one in json.loads(item.response_body)["outputs"]}
            lines += [f"{index},{row},1,{'white' if label else 'black'}" for row, label in enumerate(outputs["label"])]
    (tmp_path / "repaid.csv").write_text("\n".join(lines) + "\n")
    name = quiet["deployment"]
    shown = monitor("show", name, "--outcomes", "repaid.csv", code=0)
    assert shown["outcome"] == "deny" and shown["figures"]["fairness"][0]["ratio"]["high"] < 0.8
    stopped = monitor("run", name, "--outcomes", "repaid.csv", code=1)["deployments"][0]
    assert stopped["was"] == "active" and stopped["suspension"]
    listed = govern("admission", "list", "--json", cwd=tmp_path, home=home)
    assert json.loads(listed.stdout)[0]["status"] == "suspended"
    wrong = govern("monitor", "show", name, "--outcomes", "missing.csv", cwd=tmp_path, home=home)
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
