"""Keys in a PKCS#11 token (SoftHSM2): what they sign, our verifier and a stock one accept."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOFTHSM = next(
    (path for path in (Path("/usr/lib/softhsm/libsofthsm2.so"),
                       Path("/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")) if path.exists()),
    None,
)  # fmt: skip
pytestmark = pytest.mark.integration
ROLES = ("ca", "tsa", "report", "lineage-log")
SCENE = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from cryptography.hazmat.primitives.serialization import Encoding
from govern.adapters.first_keys import Organisation, create_keys
from govern.adapters.keys_files import KeyFiles, lineage_origin
from govern.adapters.log_files import LogFiles
from govern.transparency.bundle import entry_body, write_bundle
from govern.transparency.statement import make_statement
from govern.transparency.trust import TrustRoot
from govern.transparency.verify import verify_bundle

folder, uri = Path(sys.argv[1]), sys.argv[2]
tokens = {role: uri.replace("ROLE", role) for role in sys.argv[3:]}
now = datetime.now(UTC)
bank = Organisation("Bank", "bank.example", "https://sso", {}, ["main"], tokens=tokens)
data = create_keys(folder / "keys", bank, now)
keys = KeyFiles(folder / "keys", "https://sso", TrustRoot.from_json(data))
log = LogFiles.create(folder / "log", keys.note_signer("lineage-log", lineage_origin("bank.example")))
payload = make_statement("urn:test:v1", [("thing", "sha256:" + "0" * 64)], {"a": 1})
envelope, certificate, stamp = keys.sign(payload, "ada@bank.example", datetime.now(UTC))
(proof,) = log.append([entry_body(envelope, certificate)])
bundle = write_bundle(envelope, certificate, stamp, proof)
found = verify_bundle(bundle, TrustRoot.from_json(data))
assert found.keys["ca"] == keys.record("ca").id
(folder / "trust.json").write_bytes(data)
(folder / "one.json").write_bytes(bundle)
(folder / "root.pem").write_bytes(keys.root_certificate().public_bytes(Encoding.PEM))
from govern.transparency.bundle import parse_bundle
(folder / "sig").write_bytes(parse_bundle(bundle).signature)
(folder / "tsr").write_bytes(stamp)
seal = keys.ec_key("report").sign(b"report")
(folder / "seal").write_bytes(seal)
(folder / "report.pem").write_bytes(keys.certificate("report").public_bytes(Encoding.PEM))
print(*sorted(keys.places().values()), sep="\\n")
"""


@pytest.fixture(autouse=True, scope="module")
def _softhsm_is_installed() -> None:
    assert SOFTHSM and shutil.which("softhsm2-util"), "SoftHSM2 is missing: apt install softhsm2"


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the URI of a fresh token, with ROLE where the key's name goes."""
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm2.conf").write_text(f"directories.tokendir = {tmp_path / 'tokens'}\n")
    (tmp_path / "pin").write_text("5678\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "softhsm2.conf"))
    made = ("--init-token", "--free", "--label", "gov", "--so-pin", "1234", "--pin", "5678")
    subprocess.run(["softhsm2-util", *made], check=True, capture_output=True)
    return f"pkcs11:token=gov;object=ROLE?module-path={SOFTHSM}&pin-source=file:{tmp_path / 'pin'}"


def scene(folder: Path, uri: str, *roles: str) -> subprocess.CompletedProcess[str]:
    """The token's library keeps state in its process, so each scene has one of its own."""
    return subprocess.run(
        [sys.executable, "-c", SCENE, str(folder), uri, *roles],
        capture_output=True, text=True, timeout=120, env={**os.environ},
    )  # fmt: skip


def openssl(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True)
    return done.stdout + done.stderr


def test_a_bundle_signed_in_a_token_is_accepted(tmp_path: Path, token: str) -> None:
    done = scene(tmp_path, token, *ROLES)
    assert done.returncode == 0, done.stderr[-2000:]
    for role in ROLES:
        assert f"token token=gov;object={role}" in done.stdout
        assert not (tmp_path / "keys" / f"{role}.key").exists()
    verify = (sys.executable, "-m", "govern.verifier", "one.json", "--trust", "trust.json")
    ours = subprocess.run(verify, cwd=tmp_path, capture_output=True, text=True, env={**os.environ})
    assert ours.returncode == 0, ours.stderr
    stamp = openssl(tmp_path, "ts", "-verify", "-data", "sig", "-in", "tsr", "-CAfile", "root.pem")
    assert "Verification: OK" in stamp, stamp
    chain = openssl(tmp_path, "verify", "-CAfile", "root.pem", "keys/ca.pem", "report.pem")
    assert "keys/ca.pem: OK" in chain and "report.pem: OK" in chain
    (tmp_path / "body").write_bytes(b"report")
    public = openssl(tmp_path, "x509", "-in", "report.pem", "-pubkey", "-noout")
    (tmp_path / "report.pub").write_text(public)
    sealed = ("dgst", "-sha256", "-verify", "report.pub", "-signature", "seal", "body")
    assert "Verified OK" in openssl(tmp_path, *sealed)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        pytest.param(("pin-source=file:", "pin-value="), "never by value", id="pin-by-value"),
        pytest.param(("token=gov", "token=other"), "no such token", id="another-token"),
        pytest.param(("libsofthsm2.so", "nothing.so"), "cannot be loaded", id="no-library"),
        pytest.param((";object=ROLE", ""), "lacks object", id="no-object"),
    ],
)
def test_a_wrong_uri_gives_one_sentence(
    tmp_path: Path, token: str, change: tuple[str, str], sentence: str
) -> None:
    done = scene(tmp_path, token.replace(*change), "ca")
    assert done.returncode != 0 and sentence in done.stderr.splitlines()[-1]


def test_a_wrong_pin_gives_one_sentence(tmp_path: Path, token: str) -> None:
    (tmp_path / "pin").write_text("9999")
    done = scene(tmp_path, token, "ca")
    assert "the PIN is wrong" in done.stderr.splitlines()[-1] and "9999" not in done.stderr
