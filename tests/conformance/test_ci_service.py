"""`govern ci` asks a running service: the same answers as offline, and every refusal a sentence."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from dossier_workshop import PACK, START, Story
from waitress.server import create_server

from govern.adapters.pack_files import load_packs
from govern.adapters.sql.records import Records
from govern.cli.main import main
from govern.services.operations import Operations
from govern.transparency.digest import digest_of
from govern.web.app import create_app
from govern.web.config import WebSettings

DAY = START.date().isoformat()
STRICT = b"""  - id: strict
    title: The version is two
    citation: Test standard, 4
    severity: SEVERITY
    require: candidate.version == "2"
    message: The version is 1.
    reads: [candidate]
"""


class Blobs:
    def __init__(self, files: dict[str, bytes]) -> None:
        self.stored = {digest_of(data): data for data in files.values()}

    def get(self, digest: str) -> bytes:
        return self.stored[digest]


@dataclass
class Running:
    """A service over the workshop's evidence; ``packs`` names the folder it decides under."""

    place: Path
    story: Story
    operations: Any
    port: int = 0
    packs: str = "allow"
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def token_file(self, text: str, mode: int = 0o600) -> str:
        path = self.place / "token"
        path.unlink(missing_ok=True)
        path.write_text(text + "\n")
        path.chmod(mode)
        return str(path)

    def ci(self, *arguments: str, target: str = "", token: str = "read") -> subprocess.CompletedProcess[str]:
        file = self.token_file(self.tokens.get(token, token))
        return self.plain(
            target or self.story.first.digest, "--service", self.url, "--token-file", file, *arguments
        )

    def plain(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command in this process, in the folder of the test."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.chdir(self.place), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(["ci", *arguments, "--trust", "trust.json", "--as-of", DAY])
        return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def running(story: Story, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    place, shop = tmp_path_factory.mktemp("service"), story.shop
    for name, severity in (("allow", b""), ("deny", b"deny"), ("review", b"review")):
        (place / name / "test-pack").mkdir(parents=True)
        more = STRICT.replace(b"SEVERITY", severity) if severity else b""
        (place / name / "test-pack" / "policy.yaml").write_bytes(PACK + more)
    (place / "trust.json").write_bytes(shop.trust_bytes)
    records = Records.open(place / "govern.db", migrate=True)
    here = Running(place, story, None)
    here.operations = Operations(
        recorder=shop.recorder, store=records, blobs=Blobs(story.first.files),
        packs=lambda: load_packs(place / here.packs), snapshot_key=None, identities={}, nudge=lambda: None,
    )  # type: ignore[arg-type]  # fmt: skip
    records.put_person("olga@bank.example", name="Olga", roles=["auditor"])
    for scope in ("read", "write"):
        _, here.tokens[scope] = records.add_token("olga@bank.example", name="ci", scopes=[scope], days=1)
    app = create_app(here.operations, WebSettings(b"k" * 32, place, cookie_secure=False))
    server = create_server(app, host="127.0.0.1", port=0, threads=2)
    here.port = int(server.effective_port)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield here
    server.close()
    records.close()


@pytest.fixture(autouse=True)
def _packs_in_use(running: Running) -> None:
    running.packs = "allow"


@pytest.fixture(scope="module")
def folder(running: Running) -> str:
    from govern.adapters.evidence_files import write_evidence
    from govern.services.exporting import export_evidence

    item = running.story.first
    files = export_evidence(running.story.shop.recorder, Blobs(item.files), item.digest)
    write_evidence(running.place / "evidence", files)
    return "evidence"


@pytest.mark.parametrize(("packs", "code"), [("allow", 0), ("deny", 1), ("review", 3)])
def test_service_folder_and_recorded_decision_cannot_disagree(running: Running, folder: str, packs: str, code: int) -> None:
    running.packs = packs
    asked = running.ci("-o", "json")
    offline = running.plain(folder, "--policies", packs, "-o", "json")
    assert (asked.returncode, offline.returncode) == (code, code), asked.stderr + offline.stderr
    one, other = json.loads(asked.stdout), json.loads(offline.stdout)
    assert one["decision"] == other["decision"]
    own = running.operations.evaluation(running.story.first.digest, START.date())
    assert one["decision_digest"] == other["decision_digest"] == own.digest
    assert f"{running.url} decides the same" in one["verified"]


def test_packs_of_a_pull_request_are_asked_of_the_evidence_that_the_service_has(running: Running) -> None:
    found = running.ci("--policies", "deny")
    assert found.returncode == 1 and "strict" in found.stdout


def test_a_service_that_says_something_else_than_its_evidence_is_refused(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = running.operations.evaluation

    def lying(candidate: str, day: Any) -> Any:
        running.packs = "deny"
        return honest(candidate, day)

    monkeypatch.setattr(running.operations, "evaluation", lying)
    found = running.ci()
    assert found.returncode == 4 and "one of the two is not what it says" in found.stderr


def test_evidence_of_another_candidate_is_refused(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = running.operations.evidence_files
    monkeypatch.setattr(running.operations, "evidence_files", lambda _: honest(running.story.first.digest))
    found = running.ci(target=running.story.second.digest)
    assert found.returncode in (2, 4), found.stdout
    assert len(found.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("token", "target", "code", "sentence"),
    [
        ("govern_unknown", "", 5, "the API token is unknown, expired or revoked"),
        ("write", "", 5, "lacks the scope 'read'"),
        ("read", "sha256:" + "0" * 64, 5, "no candidate sha256:000"),
        ("read", "loan-model", 2, "with --service, PATH is the candidate: expected a digest"),
        ("two words", "", 2, "holds no API token"),
    ],
)
def test_what_the_service_refuses_is_a_sentence(running: Running, token: str, target: str, code: int, sentence: str) -> None:
    found = running.ci(target=target, token=token)
    assert found.returncode == code, found.stderr
    assert sentence in found.stderr and len(found.stderr.splitlines()) == 1
    assert not found.stdout


@pytest.mark.parametrize(
    ("url", "code", "sentence"),
    [
        ("http://127.0.0.1:1", 5, "gave no answer"),
        ("http://govern.bank.example", 2, "a token goes over https"),
        ("ftp://127.0.0.1", 2, "a service is https://HOST"),
        ("http://127.0.0.1:99999", 2, "not an address of a service"),
        ("https://me:secret@127.0.0.1", 2, "name the token in --token-file"),
    ],
)
def test_a_service_that_is_away_or_no_address_is_a_sentence(running: Running, url: str, code: int, sentence: str) -> None:
    file = running.token_file(running.tokens["read"])
    found = running.plain(running.story.first.digest, "--service", url, "--token-file", file)
    assert found.returncode == code, found.stderr
    assert sentence in found.stderr and len(found.stderr.splitlines()) == 1


def test_a_token_that_others_may_read_is_refused(running: Running) -> None:
    file = running.token_file(running.tokens["read"], 0o644)
    found = running.plain(running.story.first.digest, "--service", running.url, "--token-file", file)
    assert found.returncode == 2 and "chmod 600" in found.stderr
    missing = running.plain(running.story.first.digest, "--service", running.url, "--token-file", "none")
    assert missing.returncode == 2 and "cannot read the token file" in missing.stderr
    alone = running.plain(running.story.first.digest, "--service", running.url)
    assert alone.returncode == 2 and "go together" in alone.stderr


def test_asking_records_nothing(running: Running) -> None:
    before = len(list(running.story.shop.recorder.about(running.story.first.digest)))
    assert running.ci().returncode == 0
    assert len(list(running.story.shop.recorder.about(running.story.first.digest))) == before
