"""A witness over HTTP and by file: what it cosigns, what it refuses, what survives a stop."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from govern.adapters.first_keys import Organisation, create_keys
from govern.adapters.keys_files import KeyFiles
from govern.adapters.witness_files import WitnessFiles
from govern.errors import ConflictError, MalformedError, SignatureError, StorageError
from govern.transparency.checkpoint import Checkpoint, sign_checkpoint
from govern.transparency.cosignature import cosignatures
from govern.transparency.merkle import EMPTY_ROOT
from govern.transparency.note import COSIGNATURE, NoteSigner, NoteVerifier
from govern.transparency.tree import Tree
from govern.transparency.trust import TrustRoot
from govern.transparency.witnessing import REQUEST_BYTES_MAX, AddCheckpoint
from tests.support.home import ROOT, govern, new_home, record_dataset

pytestmark = pytest.mark.functional
NAME = "witness.regulator.example/w1"
NOW = datetime(2027, 1, 1, tzinfo=UTC)


class Lab:
    """A lineage log's key, a log grown in memory, and a witness."""

    def __init__(self, keys: KeyFiles, trust: TrustRoot, folder: Path) -> None:
        self.trust = trust
        self.signer: NoteSigner = keys.note_signer("lineage-log", trust.logs[0].origin)
        self.vkey = WitnessFiles.create(folder / "w1", NAME)
        self.folder = folder / "w1"
        self.leaves = [bytes([at]) for at in range(40)]

    def witness(self) -> WitnessFiles:
        return WitnessFiles.open(self.folder, self.trust, lambda: NOW)

    def note(self, size: int, leaves: list[bytes] | None = None) -> str:
        root = Tree.from_leaves((leaves or self.leaves)[:size]).root()
        return sign_checkpoint(Checkpoint(self.signer.name, size, root), self.signer)

    def ask(self, old: int, size: int, leaves: list[bytes] | None = None) -> bytes:
        tree = Tree.from_leaves((leaves or self.leaves)[:size])
        proof = tree.consistency(old) if old <= size else []
        return AddCheckpoint(old, tuple(proof), self.note(size, leaves)).text().encode()


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[KeyFiles, TrustRoot]:
    folder = tmp_path_factory.mktemp("keys")
    organisation = Organisation("Bank", "bank.example", "https://sso.bank.example", {}, ["main"])
    trust = create_keys(folder, organisation, datetime(2026, 11, 1, tzinfo=UTC))
    return KeyFiles(folder, organisation.issuer), TrustRoot.from_json(trust)


@pytest.fixture
def lab(keys: tuple[KeyFiles, TrustRoot], tmp_path: Path) -> Lab:
    return Lab(*keys, tmp_path)


def test_first_and_later_checkpoints_are_cosigned(lab: Lab) -> None:
    for old, size in ((0, 3), (3, 17), (17, 17), (17, 40)):
        answer = lab.witness().add_checkpoint(lab.ask(old, size))
        assert answer.status == 200, answer.body
        (seen,) = cosignatures(lab.note(size) + answer.body, [lab.vkey])
        assert (seen.witness, seen.seen_at) == (NAME, NOW)


def test_another_size_is_answered_with_the_size_known(lab: Lab) -> None:
    lab.witness().add_checkpoint(lab.ask(0, 17))
    answer = lab.witness().add_checkpoint(lab.ask(3, 20))
    assert (answer.status, answer.body, answer.content_type) == (409, "17\n", "text/x.tlog.size")


def test_a_fork_is_refused_and_changes_nothing(lab: Lab) -> None:
    lab.witness().add_checkpoint(lab.ask(0, 17))
    before = (lab.folder / "state.json").read_bytes()
    forked = [*lab.leaves[:5], b"rewritten", *lab.leaves[6:]]
    assert lab.witness().add_checkpoint(lab.ask(17, 20, forked)).status == 422
    assert lab.witness().add_checkpoint(lab.ask(17, 17, forked)).status == 422
    assert (lab.folder / "state.json").read_bytes() == before


def test_rolled_back_checkpoint_is_refused(lab: Lab) -> None:
    lab.witness().add_checkpoint(lab.ask(0, 17))
    assert lab.witness().add_checkpoint(lab.ask(0, 9)).status == 409
    assert lab.witness().add_checkpoint(lab.ask(17, 9)).status == 400


def test_wrong_proofs_are_refused(lab: Lab) -> None:
    witness = lab.witness()
    proof_from_nothing = AddCheckpoint(0, (b"\0" * 32,), lab.note(3)).text().encode()
    assert witness.add_checkpoint(proof_from_nothing).status == 422
    empty = sign_checkpoint(Checkpoint(lab.signer.name, 0, b"\1" * 32), lab.signer)
    assert witness.add_checkpoint(AddCheckpoint(0, (), empty).text().encode()).status == 422
    empty = sign_checkpoint(Checkpoint(lab.signer.name, 0, EMPTY_ROOT), lab.signer)
    assert witness.add_checkpoint(AddCheckpoint(0, (), empty).text().encode()).status == 200
    witness.add_checkpoint(lab.ask(0, 17))
    for proof in ((), (b"\0" * 32,) * 3):
        body = AddCheckpoint(17, proof, lab.note(20)).text().encode()
        assert witness.add_checkpoint(body).status == 422


def test_unknown_log_and_bad_signatures(lab: Lab) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    own = Ed25519PrivateKey.generate()
    text = Checkpoint(lab.signer.name, 3, Tree.from_leaves(lab.leaves[:3]).root()).text()
    other_log = NoteSigner("elsewhere.example/log", own)
    unknown = sign_checkpoint(Checkpoint(other_log.name, 0, EMPTY_ROOT), other_log)
    forged = NoteSigner(lab.signer.name, own).sign(text)
    changed = lab.note(3).replace(lab.note(3).split()[-1], lab.note(4).split()[-1])
    for note, status in ((unknown, 404), (forged, 403), (changed, 403)):
        assert lab.witness().add_checkpoint(AddCheckpoint(0, (), note).text().encode()).status == status


@pytest.mark.parametrize("body", [
    b"", b"old 3", b"old 03\n\nx\n1\ny\n", b"old -1\n\n", b"new 3\n\n", b"\xff\xfe",
    b"old 3\n!!\n\nx\n", b"old 3\n" + b"AAAA\n" * 2 + b"\nx\n", b"old 3\n" + b"A" * 70_000,
    b"old 99999999999999999999\n\n", b"old 0\n\nno note at all\n",
    b"old 0\n" + b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n" * 64 + b"\nx\n",
])
def test_malformed_requests_are_400(lab: Lab, body: bytes) -> None:
    assert lab.witness().add_checkpoint(body).status == 400


def test_lost_state_stops_the_witness(lab: Lab) -> None:
    (lab.folder / "state.json").unlink()
    with pytest.raises(StorageError, match="state is gone"):
        lab.witness()


def test_state_of_another_hand_stops_the_witness(lab: Lab) -> None:
    lab.witness().add_checkpoint(lab.ask(0, 17))
    state = json.loads((lab.folder / "state.json").read_bytes())
    state["logs"] = {lab.signer.name: lab.note(3)}
    (lab.folder / "state.json").write_text(json.dumps(state))
    with pytest.raises((MalformedError, SignatureError)):
        lab.witness()


def test_no_cosignature_leaves_before_the_state_is_durable(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    from govern.adapters import witness_files

    def refuse(*_: object, **__: object) -> None:
        raise StorageError("disk full")

    witness = lab.witness()
    monkeypatch.setattr(witness_files, "write_durably", refuse)
    with pytest.raises(StorageError):
        witness.add_checkpoint(lab.ask(0, 17))


def test_a_witness_is_created_once(lab: Lab) -> None:
    with pytest.raises(ConflictError):
        WitnessFiles.create(lab.folder, NAME)
    for name in ("with space", "with+plus", ""):
        with pytest.raises(MalformedError):
            WitnessFiles.create(lab.folder.parent / "other", name)


# -- over HTTP and by file -------------------------------------------------------


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str, str]]:
    """Serve a witness of a fresh home; yield the home, the address and the witness's key."""
    home = tmp_path / "home"
    application = new_home(home)
    record_dataset(application, "first")
    application.close()
    vkey = govern(home, "log", "witness", str(tmp_path / "w1"), "--create", NAME).stdout.strip()
    NoteVerifier.from_vkey(vkey, COSIGNATURE)
    process = subprocess.Popen(
        [sys.executable, "-m", "govern.cli.main", "log", "witness", str(tmp_path / "w1"),
         "--trust", str(home / "trust.json"), "--port", "0"],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        yield home, f"http://127.0.0.1:{ready['port']}", vkey
    finally:
        process.terminate()
        assert process.wait(10) in (0, 130)


def test_cosigned_online_then_demanded_by_verifiers(served: tuple[Path, str, str], tmp_path: Path) -> None:
    home, url, vkey = served
    refused = govern(home, "log", "cosign", "--witness", url)
    assert refused.returncode == 12 and "govern log trust" in refused.stderr
    assert govern(home, "log", "trust", vkey, "--threshold", "1").returncode == 0
    assert govern(home, "log", "trust", vkey).returncode == 1
    proof = tmp_path / "first.tlog-proof"
    assert govern(home, "log", "prove", "0", "-o", str(proof)).returncode == 0
    trust = str(home / "trust.json")
    unseen = govern(home, "verify", str(proof), "--trust", trust)
    assert unseen.returncode == 13 and "0 witnesses" in unseen.stderr
    done = govern(home, "log", "cosign", "--witness", url, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["cosignatures"][0]["witness"] == NAME
    assert govern(home, "log", "prove", "0", "-o", str(proof)).returncode == 0
    seen = govern(home, "verify", str(proof), "--trust", trust)
    assert seen.returncode == 0 and NAME in seen.stdout, seen.stderr

    origin = TrustRoot.from_json((home / "trust.json").read_bytes()).logs[0].origin
    host = url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=10)
    connection.request("GET", f"/{sha256(origin.encode()).hexdigest()}/checkpoint")
    assert NAME in connection.getresponse().read().decode()
    for method, path, body, status in (
        ("GET", "/add-checkpoint", None, 405), ("GET", "/nothing", None, 404),
        ("GET", f"/{'0' * 64}/checkpoint", None, 404),
        ("POST", "/add-checkpoint", b"rubbish", 400),
        ("POST", "/add-checkpoint", b"x" * (REQUEST_BYTES_MAX + 1), 413),
    ):
        connection = http.client.HTTPConnection(host, timeout=10)
        connection.request(method, path, body)
        assert connection.getresponse().status == status, path


def test_an_air_gapped_witness_is_served_by_file(tmp_path: Path) -> None:
    home, witness = tmp_path / "home", str(tmp_path / "w1")
    application = new_home(home)
    record_dataset(application, "first")
    vkey = govern(home, "log", "witness", witness, "--create", NAME).stdout.strip()
    assert govern(home, "log", "trust", vkey, "--threshold", "1").returncode == 0
    ask, answer = str(tmp_path / "ask.txt"), str(tmp_path / "answer.txt")
    trust = str(home / "trust.json")
    for size in (2, 3):  # the change of the trust file is an entry too
        assert govern(home, "log", "cosign", "--request", ask).returncode == 0
        told = govern(home, "log", "witness", witness, "--trust", trust, "--request", ask, "--response", answer)
        assert told.returncode == 0, told.stderr
        taken = govern(home, "log", "cosign", "--request", ask, "--response", answer)
        assert taken.returncode == 0, taken.stderr
        assert f"\n{size}\n" in (home / "log" / "lineage" / "cosigned").read_text()
        record_dataset(application, f"after {size}")
    stale = govern(home, "log", "cosign", "--request", ask, "--old-size", "2")
    assert stale.returncode == 0
    told = govern(home, "log", "witness", witness, "--trust", trust, "--request", ask, "--response", answer)
    assert told.returncode == 1 and "--old-size 3" in told.stderr
    Path(answer).write_bytes(b"\xff rubbish")
    assert govern(home, "log", "cosign", "--request", ask, "--response", answer).returncode == 2
    application.close()


def test_a_log_rolled_back_behind_its_witness_is_refused(served: tuple[Path, str, str], tmp_path: Path) -> None:
    home, url, vkey = served
    assert govern(home, "log", "trust", vkey).returncode == 0
    shutil.copytree(home / "log", tmp_path / "older")
    from govern.bootstrap import open_application
    from tests.support.home import settings_of

    application = open_application(settings_of(home))
    record_dataset(application, "second")
    application.close()
    assert govern(home, "log", "cosign", "--witness", url).returncode == 0
    shutil.rmtree(home / "log")
    shutil.copytree(tmp_path / "older", home / "log")
    done = govern(home, "log", "cosign", "--witness", url)
    assert done.returncode == 1 and "rolled back" in done.stderr
    opened = govern(home, "candidate", "list")
    assert opened.returncode == 16 and "rolled back" in opened.stderr
