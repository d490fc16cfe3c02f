"""Stock verifiers that we did not write accept our bytes, offline, and refuse altered ones."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from dossier_workshop import ADA, ISSUER, ROSA, Candidate, Story, Workshop
from stock import HERE, HOW, can_cut, offline, tool

from govern.transparency.bundle import parse_bundle
from govern.transparency.digest import hex_of


@dataclass
class Laid:
    """The story's files as a regulator would lay them out."""

    folder: Path
    trust: Path
    root: Path
    model: Path
    model_bundle: Path
    vote: Path
    vote_subject: str


@pytest.fixture(scope="module")
def laid(story: Story, tmp_path_factory: pytest.TempPathFactory) -> Laid:
    return lay_out(story.shop, story.first, tmp_path_factory.mktemp("regulator"))


def lay_out(shop: Workshop, item: Candidate, folder: Path) -> Laid:
    """Lay out a candidate's model, its bundle, its first vote, and the stock trust config."""
    config = json.loads(shop.trust_bytes)["sigstore"]
    found = Laid(
        folder,
        folder / "sigstore.json",
        folder / "trusted_root.json",
        folder / "forest",
        folder / "model.sigstore.json",
        folder / "vote.sigstore.json",
        hex_of(item.digest),
    )
    found.trust.write_text(json.dumps(config))
    found.root.write_text(json.dumps(config["trustedRoot"]))
    found.model.mkdir()
    for name, data in item.files.items():
        (found.model / name).write_bytes(data)
    quoted = item.statement.statement.predicate["model_signature"]
    found.model_bundle.write_bytes(shop.store.bundle(quoted) or b"")
    found.vote.write_bytes(item.votes[0].bundle)
    return found


def test_networking_is_off() -> None:
    if not can_cut():
        pytest.skip("this kernel gives no network namespace: proxies to nowhere stand in")
    interfaces = offline(tool("cat"), "/proc/net/dev").stdout.splitlines()[2:]
    assert [line.split(":")[0].strip() for line in interfaces] == ["lo"]


def model_signing(laid: Laid, identity: str = ADA) -> int:
    return offline(
        tool("model_signing"), "verify", "sigstore", laid.model, "--signature", laid.model_bundle,
        "--trust_config", laid.trust, "--identity", identity, "--identity_provider", ISSUER,
        cwd=laid.folder,
    ).returncode  # fmt: skip


def test_model_signing_accepts_a_model_folder(laid: Laid) -> None:
    assert model_signing(laid) == 0


def test_model_signing_refuses_another_identity(laid: Laid) -> None:
    assert model_signing(laid, identity=ROSA) != 0


def test_model_signing_refuses_a_changed_model(laid: Laid) -> None:
    path = laid.model / "model.onnx"
    genuine = path.read_bytes()
    path.write_bytes(genuine[:-1] + b"!")
    try:
        assert model_signing(laid) != 0
    finally:
        path.write_bytes(genuine)


def sigstore(laid: Laid, bundle: Path, identity: str, subject: str) -> tuple[int, str]:
    done = offline(
        tool("sigstore"), "--trust-config", laid.trust, "verify", "identity", "--offline",
        "--bundle", bundle, "--cert-identity", identity, "--cert-oidc-issuer", ISSUER,
        f"sha256:{subject}", cwd=laid.folder,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_sigstore_python_accepts_a_vote(laid: Laid) -> None:
    code, said = sigstore(laid, laid.vote, ROSA, laid.vote_subject)
    assert code == 0, said


def test_sigstore_python_refuses_another_subject(laid: Laid) -> None:
    code, _ = sigstore(laid, laid.vote, ROSA, "0" * 64)
    assert code != 0


def altered(laid: Laid, name: str, *path: str | int, value: object) -> Path:
    """Return a copy of the vote's bundle with one field replaced."""
    bundle = json.loads(laid.vote.read_bytes())
    place = bundle
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    result = laid.folder / f"{name}.json"
    result.write_text(json.dumps(bundle))
    return result


PROOF = ("verificationMaterial", "tlogEntries", 0, "inclusionProof")


def test_sigstore_python_refuses_an_altered_root(laid: Laid) -> None:
    value = base64.b64encode(bytes(32)).decode()
    path = altered(laid, "root", *PROOF, "rootHash", value=value)
    assert sigstore(laid, path, ROSA, laid.vote_subject)[0] != 0


def sigstore_js(laid: Laid, bundle: Path, identity: str) -> tuple[int, str]:
    if not (HERE / "node_modules" / "@sigstore" / "verify").is_dir():
        pytest.fail(f"npm @sigstore/verify is missing: {HOW}")
    done = offline(tool("node"), HERE / "verify_sigstore.mjs", bundle, laid.root, identity)
    return done.returncode, done.stdout + done.stderr


def test_sigstore_js_accepts_a_vote(laid: Laid) -> None:
    code, said = sigstore_js(laid, laid.vote, ROSA)
    assert code == 0 and said.startswith(f"VERIFIED {ROSA}"), said


@pytest.mark.parametrize("kind", ["identity", "proof", "payload"])
def test_sigstore_js_refuses(laid: Laid, kind: str) -> None:
    zeros = base64.b64encode(bytes(32)).decode()
    path = {
        "identity": lambda: laid.vote,
        "proof": lambda: altered(laid, "js-proof", *PROOF, "hashes", 0, value=zeros),
        "payload": lambda: altered(laid, "js-payload", "dsseEnvelope", "payload", value=zeros),
    }[kind]()
    assert sigstore_js(laid, path, ADA if kind == "identity" else ROSA)[0] != 0


def test_every_statement_kind_is_accepted_by_sigstore_js(laid: Laid, story: Story) -> None:
    kinds = {item.kind: item for item in story.shop.store.items}
    for item in kinds.values():
        path = laid.folder / "one.json"
        path.write_bytes(item.bundle)
        code, said = sigstore_js(laid, path, item.signer)
        assert code == 0, (item.kind, said)


def stamped(laid: Laid, story: Story) -> tuple[Path, Path, Path]:
    bundle = parse_bundle(laid.vote.read_bytes())
    data, token, root = (laid.folder / name for name in ("sig.bin", "sig.tsr", "ca.pem"))
    data.write_bytes(bundle.signature)
    token.write_bytes(bundle.timestamp)
    root.write_bytes(story.shop.trust.tsas[0].chain[-1].public_bytes(Encoding.PEM))
    return data, token, root


def openssl_ts(data: Path, token: Path, root: Path) -> tuple[int, str]:
    done = offline(
        tool("openssl"), "ts", "-verify", "-data", data, "-in", token, "-CAfile", root
    )
    return done.returncode, done.stdout + done.stderr


def test_openssl_accepts_a_timestamp(laid: Laid, story: Story) -> None:
    code, said = openssl_ts(*stamped(laid, story))
    assert code == 0 and "Verification: OK" in said, said


def test_openssl_refuses_a_timestamp_over_other_data(laid: Laid, story: Story) -> None:
    data, token, root = stamped(laid, story)
    data.write_bytes(b"other")
    assert openssl_ts(data, token, root)[0] != 0


RFC3161 = """
import sys
from pathlib import Path
from cryptography import x509
from rfc3161_client import VerifierBuilder, decode_timestamp_response
data, token, root = map(Path, sys.argv[1:])
authority = x509.load_pem_x509_certificate(root.read_bytes())
response = decode_timestamp_response(token.read_bytes())
VerifierBuilder().add_root_certificate(authority).build().verify_message(
    response, data.read_bytes()
)
print("VERIFIED", response.tst_info.gen_time)
"""


def test_rfc3161_client_accepts_a_timestamp(laid: Laid, story: Story) -> None:
    done = offline(tool("python"), "-c", RFC3161, *stamped(laid, story))
    assert done.returncode == 0 and done.stdout.startswith("VERIFIED"), done.stderr
    data, token, root = stamped(laid, story)
    data.write_bytes(b"other")
    assert offline(tool("python"), "-c", RFC3161, data, token, root).returncode != 0


def test_openssl_alone_verifies_a_checkpoint(laid: Laid, story: Story) -> None:
    """Split the note by hand; the key comes from the vkey (SPKI head of RFC 8410 before it)."""
    vkey = json.loads(story.shop.trust_bytes)["logs"][0]["vkey"]
    text, _, line = story.files["log/checkpoint"].decode().partition("\n\n")
    key = base64.b64decode(vkey.split("+", 2)[2])[1:]
    signature = base64.b64decode(line.split(" ")[2])[4:]
    paths = {name: laid.folder / name for name in ("note.txt", "note.sig", "log.der")}
    paths["note.txt"].write_text(text + "\n")
    paths["note.sig"].write_bytes(signature)
    paths["log.der"].write_bytes(bytes.fromhex("302a300506032b6570032100") + key)
    command = (
        tool("openssl"), "pkeyutl", "-verify", "-pubin", "-inkey", paths["log.der"],
        "-keyform", "DER", "-rawin", "-in", paths["note.txt"], "-sigfile", paths["note.sig"],
    )  # fmt: skip
    assert offline(*command).returncode == 0
    paths["note.txt"].write_text(text + "x\n")
    assert offline(*command).returncode != 0


THRESHOLD = """
import json, sys
from pathlib import Path
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey
envelope, threshold, *keys = sys.argv[1:]
found = [SSlibKey.from_crypto(load_pem_public_key(Path(key).read_bytes())) for key in keys]
value = json.loads(Path(envelope).read_text())
for key, signature in zip(found, value["signatures"]):
    signature["keyid"] = key.keyid
Envelope.from_dict(value).verify(found, int(threshold))
print("VERIFIED")
"""


def test_securesystemslib_counts_signatures(laid: Laid) -> None:
    """k of n: two of our envelopes over one payload, merged, meet a threshold of two."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import PublicFormat

    from govern.transparency.envelope import sign_envelope

    payload = parse_bundle(laid.vote.read_bytes()).payload
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    envelopes = [sign_envelope(payload, key) for key in keys]
    paths = []
    for place, key in enumerate(keys):
        path = laid.folder / f"key{place}.pem"
        path.write_bytes(
            key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        )
        paths.append(path)
    merged = {**envelopes[0], "signatures": [one["signatures"][0] for one in envelopes]}
    file = laid.folder / "merged.json"

    def run(value: object) -> int:
        file.write_text(json.dumps(value))
        return offline(tool("python"), "-c", THRESHOLD, file, "2", *paths).returncode

    assert run(merged) == 0
    assert run({**merged, "signatures": merged["signatures"][:1]}) != 0
    assert run({**merged, "payload": base64.b64encode(payload + b" ").decode()}) != 0
