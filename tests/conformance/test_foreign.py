"""Theirs by ours: `govern verify` on what stock tools made, as a person would run it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from dossier_workshop import Story
from stock import ROOT, offline, tool

from govern.errors import SignatureError
from govern.transparency.encoding import b64, unb64
from govern.transparency.envelope import pae
from govern.transparency.oms import public_pem
from govern.transparency.threshold import verify_threshold

pytestmark = pytest.mark.conformance


@pytest.fixture(scope="module")
def trust(story: Story, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trust") / "trust.json"
    path.write_bytes(story.shop.trust_bytes)
    return path


def verify(trust: Path, *arguments: str | Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "govern.verifier", *map(str, arguments), "--trust", str(trust)],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout + done.stderr


def key_files(folder: Path, count: int) -> list[tuple[Path, Path]]:
    """Write pairs of private and public key."""
    pairs = []
    for place in range(count):
        key = ec.generate_private_key(ec.SECP256R1())
        private, public = folder / f"{place}.key", folder / f"{place}.pub"
        private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        public.write_bytes(public_pem(key.public_key()))
        pairs.append((private, public))
    return pairs


@pytest.fixture
def folder(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A folder signed by `model_signing sign key`: folder, signature, public key."""
    model, signature = tmp_path / "model", tmp_path / "model.sig"
    (model / "part").mkdir(parents=True)
    (model / "weights.bin").write_bytes(b"weights")
    (model / "part" / "b.bin").write_bytes(b"more")
    ((private, public),) = key_files(tmp_path, 1)
    done = offline(
        tool("model_signing"), "sign", "key", model, "--signature", signature,
        "--private_key", private, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return model, signature, public


def test_a_folder_signed_by_model_signing(trust: Path, folder: tuple[Path, Path, Path]) -> None:
    model, signature, public = folder
    code, said = verify(trust, signature, "--public-key", public, "--artifact", model)
    assert code == 0 and "All 2 files" in said, said
    assert verify(trust, signature, "--artifact", model)[0] in (10, 12)  # no key that is trusted
    (model / "weights.bin").write_bytes(b"weighty")
    assert verify(trust, signature, "--public-key", public, "--artifact", model)[0] == 17
    (model / "weights.bin").unlink()
    assert verify(trust, signature, "--public-key", public, "--artifact", model)[0] == 16
    (model / "weights.bin").write_bytes(b"weights")
    (model / "extra.bin").write_bytes(b"")
    assert verify(trust, signature, "--public-key", public, "--artifact", model)[0] == 16


def test_our_own_release_by_the_trust_file_alone(
    story: Story, trust: Path, tmp_path: Path
) -> None:
    signature, model = tmp_path / "forest.oms.sig.json", tmp_path / "forest"
    model.mkdir()
    for name, data in story.first.files.items():
        (model / name).write_bytes(data)
    quoted = story.first.statement.statement.predicate["model_signature"]
    found = story.shop.recorder.find(quoted)
    assert found is not None
    payload = found.statement.payload
    signature.write_bytes(story.shop.keys.sign_release(payload, story.shop.now))
    code, said = verify(trust, signature, "--artifact", model)
    assert code == 0 and "release key" in said, said


SIGN = """
import json, sys
from pathlib import Path
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner
from cryptography.hazmat.primitives.serialization import load_pem_private_key
out, *keys = map(Path, sys.argv[1:])
envelope = Envelope(b'{"approved":true}', "application/json", {})
for key in keys:
    envelope.sign(CryptoSigner(load_pem_private_key(key.read_bytes(), None)))
out.write_text(json.dumps(envelope.to_dict()))
"""


def test_two_of_three_by_securesystemslib(trust: Path, tmp_path: Path) -> None:
    pairs = key_files(tmp_path, 3)
    envelope = tmp_path / "envelope.json"
    done = offline(tool("python"), "-c", SIGN, envelope, pairs[0][0], pairs[1][0])
    assert done.returncode == 0, done.stderr
    keys = [part for _, public in pairs for part in ("--public-key", public)]
    code, said = verify(trust, envelope, *keys, "--threshold", "2")
    assert code == 0 and "2 of the 3 keys" in said, said
    assert verify(trust, envelope, *keys, "--threshold", "3")[0] == 11
    same = ["--public-key", pairs[0][1]] * 2
    assert verify(trust, envelope, *same, "--threshold", "2")[0] == 11  # one key, counted once
    value = json.loads(envelope.read_text())
    envelope.write_text(json.dumps({**value, "payload": b64(b'{"approved":false}')}))
    assert verify(trust, envelope, *keys, "--threshold", "1")[0] == 11


TSA = """
[t]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/tsa.pem
certs = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.3.6.1.4.1.57264.2
digests = sha256
accuracy = secs:1
ordering = yes
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


def test_a_timestamp_made_by_openssl(story: Story, trust: Path, tmp_path: Path) -> None:
    keys = story.shop.keys
    for name in ("tsa.key", "tsa.pem"):
        (tmp_path / name).write_bytes(keys.store.read(name))
    (tmp_path / "serial").write_text("01")
    (tmp_path / "tsa.cnf").write_text(TSA.format(folder=tmp_path))
    data, query, token = (tmp_path / name for name in ("data", "q.tsq", "t.tsr"))
    data.write_bytes(b"something seen")
    for command in (
        ("-query", "-data", data, "-sha256", "-cert", "-out", query),
        ("-reply", "-queryfile", query, "-config", tmp_path / "tsa.cnf", "-section", "t", "-out", token),
    ):
        done = offline(tool("openssl"), "ts", *command, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    code, said = verify(trust, token, "--artifact", data)
    assert code == 0 and "authority saw data at" in said, said
    assert verify(trust, token)[0] == 10
    data.write_bytes(b"something else")
    assert verify(trust, token, "--artifact", data)[0] == 11


def test_the_vector_of_the_dsse_protocol() -> None:
    """protocol.md, "Test Vectors": its signature is r and s, ours reads DER."""
    x = 46950820868899156662930047687818585632848591499744589407958293238635476079160
    y = 5640078356564379163099075877009565129882514886557779369047442380624545832820
    key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    kind, body = "http://example.com/HelloWorld", b"hello world"
    assert pae(body, kind) == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    raw = unb64("A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA==")
    signature = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    envelope = {"payload": b64(body), "payloadType": kind, "signatures": [{"sig": b64(signature)}]}
    data = json.dumps(envelope).encode()
    assert verify_threshold(data, [key], 1) == (body, kind, (0,))
    other = json.dumps({**envelope, "payloadType": "text/plain"}).encode()
    with pytest.raises(SignatureError):
        verify_threshold(other, [key], 1)
    url_safe = {**envelope, "signatures": [{"sig": b64(signature).replace("+", "-").replace("/", "_")}]}
    assert verify_threshold(json.dumps(url_safe).encode(), [key], 1)[0] == body
