"""Our checkpoints and tlog-proofs are accepted by tools we did not write, and bent ones are not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from dossier_workshop import Story

from govern.adapters.log_reading import PublishedLog
from govern.transparency.tlog_proof import TlogProof
from govern.transparency.tree import Tree

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SOURCES = Path("/usr/share/gocode")
pytestmark = pytest.mark.conformance


def offline() -> list[str]:
    """Return the prefix that switches networking off, where this machine allows it."""
    prefix = ["unshare", "-rn"]
    allowed = shutil.which("unshare") and not subprocess.run([*prefix, "true"], capture_output=True).returncode
    return prefix if allowed else []


@pytest.fixture(scope="module")
def proofs(story: Story, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return folders with key, proof and leaf: of a lineage entry, and of a gate's record."""
    folder = tmp_path_factory.mktemp("proofs")
    log = story.shop.log
    lineage = PublishedLog(log.folder, log.verifier).prove(5)
    gate = story.shop.gates["demo"]
    tree = Tree.from_leaves(gate.leaves)
    record = TlogProof(3, tuple(tree.inclusion(3)), gate.note(), extra=gate.leaves[3])
    for name, proof, vkey in (("lineage", lineage, log.verifier.vkey), ("gate", record, gate.signer.vkey)):
        (folder / name).mkdir()
        (folder / name / "vkey").write_text(vkey)
        (folder / name / "it.tlog-proof").write_text(proof.text())
        (folder / name / "leaf").write_bytes(proof.extra or b"")
        (folder / name / "checkpoint").write_text(proof.note)
    return {name: folder / name for name in ("lineage", "gate")}


@pytest.fixture(scope="module")
def go_verifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = shutil.which("go") and (SOURCES / "src/golang.org/x/mod/sumdb").is_dir()
    assert found, "Go is missing: apt install golang-go golang-golang-x-mod-dev"
    folder = tmp_path_factory.mktemp("go")
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": str(SOURCES), "GOCACHE": str(folder / "cache")}
    subprocess.run(
        ["go", "build", "-o", str(folder / "verify"), str(HERE / "tlog_proof.go")],
        env=environment, check=True, capture_output=True, timeout=300,
    )
    return folder / "verify"


@pytest.mark.parametrize("name", ["lineage", "gate"])
def test_go_sumdb_accepts_our_tlog_proof(name: str, proofs: dict[str, Path], go_verifier: Path, tmp_path: Path) -> None:
    folder = proofs[name]
    vkey, text, leaf = (folder / "vkey").read_text(), folder / "it.tlog-proof", folder / "leaf"

    def run(proof: Path, entry: Path) -> int:
        done = subprocess.run([*offline(), go_verifier, vkey, proof, entry], capture_output=True, text=True)
        assert done.stdout.startswith("OK ") is (done.returncode == 0), done.stdout + done.stderr
        return done.returncode

    assert run(text, leaf) == 0
    (tmp_path / "leaf").write_bytes(leaf.read_bytes()[:-1] + b"!")
    assert run(text, tmp_path / "leaf") == 1
    for old, new in (("\nindex ", "\nindex 1"), ("\n\n", "\n\nx")):
        bent = tmp_path / "bent"
        bent.write_text(text.read_text().replace(old, new, 1))
        assert run(bent, leaf) != 0


@pytest.mark.parametrize("name", ["lineage", "gate"])
def test_openssl_alone_verifies_a_checkpoint(name: str, proofs: dict[str, Path], tmp_path: Path) -> None:
    page = (ROOT / "docs/how_to/witness.md").read_text()
    (script,) = re.findall(r"```sh\n(.*?)```", page, re.S)
    (tmp_path / "checkpoint.sh").write_text(script)
    vkey = (proofs[name] / "vkey").read_text()

    def run(checkpoint: Path) -> subprocess.CompletedProcess[str]:
        command = [*offline(), "sh", str(tmp_path / "checkpoint.sh"), str(checkpoint), vkey]
        return subprocess.run(command, capture_output=True, text=True)

    accepted = run(proofs[name] / "checkpoint")
    assert accepted.returncode == 0 and "Verified Successfully" in accepted.stdout, accepted.stderr
    text = (proofs[name] / "checkpoint").read_text()
    first, size, rest = text.split("\n", 2)
    (tmp_path / "bent").write_text(f"{first}\n{int(size) + 1}\n{rest}")
    assert run(tmp_path / "bent").returncode != 0
