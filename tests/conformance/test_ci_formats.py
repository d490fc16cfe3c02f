"""`govern ci` through its front door: real evidence in, formats read by tools of others."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import jsonschema
import pytest
from dossier_workshop import PACK, START, Story
from junitparser import JUnitXml
from tap.parser import Parser

from govern.adapters.evidence_files import write_evidence
from govern.domain.assembling import evidence_document
from govern.errors import ConflictError
from govern.policy.document import load_pack
from govern.policy.evaluate import evaluate
from govern.services.exporting import export_evidence
from govern.services.tracing import evidence_for
from govern.transparency.digest import digest_of

ROOT = Path(__file__).resolve().parents[2]
DAY = START.date().isoformat()
STRICT = b"""  - id: advice
    title: A low rate | with % and
    citation: Test standard, 3
    severity: advise
    require: candidate.version == "2"
    message: "advice 100%: ##vso[task.complete] ::error::"
    reads: [candidate]
  - id: strict
    title: The version is two
    citation: Test standard, 4
    severity: SEVERITY
    require: candidate.version == "2"
    message: "100%; the version, here: 1"
    fix: Release it again.
    reads: [candidate]
"""


class Blobs:
    def __init__(self, files: dict[str, bytes]) -> None:
        self.stored = {digest_of(data): data for data in files.values()}

    def get(self, digest: str) -> bytes:
        return self.stored[digest]


@pytest.fixture(scope="module")
def place(story: Story, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with evidence, the trust file, and three folders of packs."""
    folder = tmp_path_factory.mktemp("ci")
    item = story.first
    files = export_evidence(story.shop.recorder, Blobs(item.files), item.digest)
    write_evidence(folder / "evidence", files)
    (folder / "trust.json").write_bytes(story.shop.trust_bytes)
    packs = {
        "allow": PACK,
        "deny": PACK + STRICT.replace(b"SEVERITY", b"deny"),
        "review": PACK + STRICT.replace(b"SEVERITY", b"review"),
        "future": PACK.replace(b"2026-01-01", b"2036-01-01"),
        "broken": PACK.replace(b"severity: deny", b"severity: fatal"),
    }
    for name, data in packs.items():
        (folder / name / "test-pack").mkdir(parents=True)
        (folder / name / "test-pack" / "policy.yaml").write_bytes(data)
    return folder


def ci(place: Path, *arguments: str, packs: str = "allow", evidence: str = "evidence", **more: str):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **more}
    return subprocess.run(
        [sys.executable, "-m", "govern.cli.main", "ci", evidence, "--trust", "trust.json",
         "--policies", packs, "--as-of", DAY, *arguments],
        cwd=place, env=environment, capture_output=True, text=True, timeout=60,
    )


@pytest.mark.parametrize(
    ("packs", "code", "word"),
    [("allow", 0, "allow:"), ("deny", 1, "deny:"), ("review", 3, "review:"),
     ("future", 5, "nothing was evaluated"), ("broken", 5, "broken"), ("none", 2, "no folder none")],
)
def test_exit_code_and_word(place: Path, packs: str, code: int, word: str) -> None:
    done = ci(place, packs=packs)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    if packs == "broken":
        assert re.search(r"test-pack/policy.yaml:\d+:\d+: 'fatal'", done.stderr)
    else:
        assert word in done.stdout + done.stderr


def test_ci_and_service_give_the_same_decision_digest(place: Path, story: Story) -> None:
    decided = story.first.decision.statement.predicate["decision_digest"]
    assert json.loads(ci(place, "-o", "json").stdout)["decision_digest"] == decided


def test_evaluating_in_process_gives_the_digest_that_ci_prints(place: Path, story: Story) -> None:
    shop = story.shop
    document = evidence_document(evidence_for(shop.recorder, story.first.digest), START.date())
    pack = load_pack((place / "deny" / "test-pack" / "policy.yaml").read_bytes())
    assert evaluate([pack], document, START + timedelta(hours=9)).digest in ci(place, packs="deny").stdout


def test_every_format_at_once_and_each_is_read_by_its_own_tool(place: Path) -> None:
    names = ("json", "junit", "sarif", "github", "azuredevops", "tap")
    done = ci(place, *(part for name in names for part in ("-o", f"{name}={name}.out")), packs="deny")
    assert done.returncode == 1 and done.stdout.startswith("deny: forest 1")
    schema = json.loads((Path(__file__).parent / "schemas" / "sarif-schema-2.1.0.json").read_text())
    log = json.loads((place / "sarif.out").read_text())
    jsonschema.validate(log, schema)
    levels = {row["ruleId"]: row["level"] for row in log["runs"][0]["results"]}
    assert levels["test-pack/strict"] == "error" and levels["test-pack/advice"] == "note"
    line = log["runs"][0]["results"][-1]["locations"][0]["physicalLocation"]["region"]["startLine"]
    text = (place / "deny" / "test-pack" / "policy.yaml").read_text().splitlines()
    assert text[line - 1] == "  - id: strict"
    suites = JUnitXml.fromfile(str(place / "junit.out"))
    assert (suites.tests, suites.failures, suites.errors) == (4, 1, 0)
    parsed = list(Parser().parse(io.StringIO((place / "tap.out").read_text())))
    points = [row for row in parsed if row.category == "test"]
    assert [row.ok for row in points] == [True, True, False, False]
    assert points[2].todo and not points[3].todo
    digest = json.loads((place / "json.out").read_text())["decision_digest"]
    for name in names:
        assert digest in (place / f"{name}.out").read_text(), name


def test_a_message_starts_no_command_of_its_own(place: Path) -> None:
    lines = ci(place, "-o", "azuredevops", packs="deny").stdout.splitlines()
    assert sum(line.startswith("##vso[task.complete") for line in lines) == 1
    assert any("code=test-pack/strict;]test-pack/strict: " in line and "100%AZP25;" in line for line in lines)
    lines = ci(place, "-o", "github", packs="deny").stdout.splitlines()
    errors = [line for line in lines if line.startswith("::error")]
    assert len(errors) == 1
    assert errors[0].startswith("::error file=deny/test-pack/policy.yaml,line=") and "100%25; the" in errors[0]


def test_github_gets_a_step_summary_and_outputs(place: Path) -> None:
    paths = {"GITHUB_STEP_SUMMARY": str(place / "summary.md"), "GITHUB_OUTPUT": str(place / "outputs")}
    ci(place, "-o", "github", packs="review", **paths)
    assert "| review | `test-pack/strict` |" in (place / "summary.md").read_text()
    assert re.fullmatch(r"outcome=review\ndecision-digest=sha256:[0-9a-f]{64}\n", (place / "outputs").read_text())


@pytest.mark.parametrize(
    ("arguments", "word"),
    [(("-o", "yaml"), "unknown format 'yaml'"), (("-o", "json", "-o", "tap"), "one format at most"),
     (("-o", "json=nowhere/x.json"), "there is no folder nowhere"), (("-o", "json="), "names no file"),
     (("-o", "json=evidence"), "cannot write"), (("--as-of", "soon"), "a day like")],
)
def test_usage_errors_are_sentences(place: Path, arguments: tuple[str, ...], word: str) -> None:
    done = ci(place, *arguments)
    assert done.returncode == 2 and word in done.stderr and "Traceback" not in done.stderr
    assert not list(place.glob(".*.part"))


def test_a_missing_or_foreign_trust_file_is_named(place: Path) -> None:
    assert ci(place, "--trust", "no.json").returncode == 2
    done = ci(place, "--trust", "allow/test-pack/policy.yaml")
    assert done.returncode == 2 and "--trust" in done.stderr


def test_every_file_missing_cut_or_swapped_is_refused(place: Path, story: Story, tmp_path: Path) -> None:
    """In process, for speed; the shell's exit code is held by the next test."""
    from govern.adapters.evidence_files import read_evidence
    from govern.domain.evidence_folder import open_folder
    from govern.errors import VerificationError

    files, trust = read_evidence(place / "evidence"), story.shop.trust
    other = export_evidence(story.shop.recorder, Blobs(story.second.files), story.second.digest)
    open_folder(files, trust)
    for name, data in files.items():
        swapped = next(value for key, value in other.items() if key not in files)
        for bad in (None, data[: len(data) // 2], b"", swapped):
            changed = {key: value for key, value in files.items() if key != name}
            with pytest.raises(VerificationError):
                open_folder(changed if bad is None else {**changed, name: bad}, trust)
    with pytest.raises(VerificationError, match="is not listed"):
        open_folder({**files, "statements/extra.sigstore.json": b"{}"}, trust)


def test_invalid_evidence_exits_4_with_the_file(place: Path) -> None:
    shutil.copytree(place / "evidence", place / "cut", dirs_exist_ok=True)
    victim = sorted((place / "cut" / "statements").iterdir())[0]
    victim.write_bytes(victim.read_bytes()[:100])
    done = ci(place, evidence="cut")
    assert done.returncode == 4 and victim.name in done.stderr and "Traceback" not in done.stderr
    assert done.stdout == ""


def test_evidence_with_a_list_rewritten_by_a_forger_is_refused(place: Path, story: Story) -> None:
    """The forger drops the model signature and lists the rest anew: the chain is not closed."""
    from govern.adapters.evidence_files import read_evidence
    from govern.domain.evidence_folder import MANIFEST, open_folder
    from govern.errors import EvidenceError

    files = read_evidence(place / "evidence")
    value = json.loads(files[MANIFEST])
    gone = max(name for name in files if "-signature-" in name)
    kept = {name: data for name, data in files.items() if name != gone}
    value["files"] = [row for row in value["files"] if row["name"] != gone]
    with pytest.raises(EvidenceError, match="model signature"):
        open_folder({**kept, MANIFEST: json.dumps(value).encode()}, story.shop.trust)


def test_another_model_folder_is_refused(place: Path, story: Story) -> None:
    model = place / "model"
    model.mkdir()
    for name, data in story.first.files.items():
        (model / name).write_bytes(data)
    assert ci(place, "--model", "model").returncode == 0
    (model / "model.onnx").write_bytes(b"another")
    done = ci(place, "--model", "model")
    assert done.returncode == 4 and "model.onnx" in done.stderr


def test_a_dossier_opens_too_and_needs_a_name(place: Path, story: Story) -> None:
    from govern.cli.sealing import write_files

    write_files(place / "dossier", story.files)
    assert ci(place, evidence="dossier").returncode == 2
    assert ci(place, "--candidate", story.first.name, evidence="dossier").returncode == 0


def test_approval_is_refused_when_the_decision_digest_differs(story: Story) -> None:
    from govern.services.operations import Operations

    class Store:
        def add_request(self, **values: str) -> str:
            return values["decision_digest"]

    shop, item = story.shop, story.first
    operations = Operations(
        recorder=shop.recorder, store=Store(), blobs=None, packs=list, snapshot_key=None,
        identities={}, nudge=lambda: None,
    )
    own = item.decision.statement.predicate["decision_digest"]
    assert operations.request_approval(item.digest, "ada@bank.example", own) == own
    with pytest.raises(ConflictError, match="the service decided"):
        operations.request_approval(item.digest, "ada@bank.example", "sha256:" + "0" * 64)
