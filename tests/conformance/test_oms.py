"""OpenSSF Model Signing: our bundles by their schemas and tools, their vectors by our reader."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from dossier_workshop import Story
from referencing import Registry, Resource
from stock import HERE, offline, tool

from govern.domain import predicates
from govern.errors import (
    EvidenceError,
    InvalidRequestError,
    MalformedError,
    SignatureError,
    UntrustedSignerError,
    VerificationError,
)
from govern.services import tracing
from govern.services.auditing import release_path
from govern.transparency.canonical import canonical_json
from govern.transparency.digest import hex_of
from govern.transparency.encoding import b64, unb64
from govern.transparency.envelope import sign_envelope
from govern.transparency.oms import (
    folder_predicate,
    parse_key_bundle,
    public_pem,
    read_manifest,
    verify_key_bundle,
    write_key_bundle,
)
from govern.verifier.dossier import verify_dossier
from govern.verifier.releases import verify_release

pytestmark = pytest.mark.conformance
OMS = HERE / "vectors" / "oms"
VECTORS = sorted((OMS / "vectors").rglob("*.json"))


def validator(layer: str) -> jsonschema.Draft202012Validator:
    schemas = {path.name: json.loads(path.read_text()) for path in (OMS / "schemas").iterdir()}
    resources = [(value["$id"], Resource.from_contents(value)) for value in schemas.values()]
    return jsonschema.Draft202012Validator(
        schemas[f"{layer}.schema.json"], registry=Registry().with_resources(resources)
    )


def conforms(bundle: bytes) -> bool:
    try:
        value = json.loads(bundle)
    except ValueError:
        return False
    if not validator("bundle").is_valid(value):
        return False
    payload = json.loads(unb64(value["dsseEnvelope"]["payload"]))
    return validator("statement").is_valid(payload)


def released(story: Story) -> Iterator[tuple[str, bytes]]:
    shop = story.shop
    for item in shop.store.items:
        if item.kind == predicates.MODEL_SIGNATURE:
            yield release_path(item), shop.keys.sign_release(item.statement.payload, shop.now)


def test_every_model_signature_conforms_to_the_oms_schemas(story: Story) -> None:
    signatures = [item for item in story.shop.store.items if item.kind == predicates.MODEL_SIGNATURE]
    assert len(signatures) == 3
    for item in signatures:
        assert conforms(item.bundle)
    for _, bundle in released(story):
        assert conforms(bundle)


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_vectors_of_the_specification(path: Path) -> None:
    """Key bundles are read; what the specification calls invalid is refused by our reader."""
    data = path.read_bytes()
    if path.parent.name != "valid":
        assert not conforms(data)
        with pytest.raises(MalformedError):
            read_manifest(parse_key_bundle(data).payload)
        return
    assert conforms(data)
    payload = unb64(json.loads(data)["dsseEnvelope"]["payload"])
    assert read_manifest(payload).resources
    if path.name == "key.bundle.json":
        assert parse_key_bundle(data).payload == payload


@pytest.fixture(scope="module")
def laid(story: Story, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A model folder, its key bundle and the public key as a regulator lays them out."""
    folder = tmp_path_factory.mktemp("oms")
    model, bundle, key = folder / "forest", folder / "forest.oms.sig.json", folder / "release.pub"
    model.mkdir()
    for name, data in story.first.files.items():
        (model / name).write_bytes(data)
    bundle.write_bytes(dict(released(story))[f"artifacts/{hex_of(story.first.digest)}.oms.sig.json"])
    key.write_bytes(public_pem(story.shop.keys.ec_key("report").public_key()))
    return model, bundle, key


def verify_key(model: Path, bundle: Path, key: Path) -> tuple[int, str]:
    done = offline(
        tool("model_signing"), "verify", "key", model, "--signature", bundle,
        "--public_key", key, cwd=model.parent,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_model_signing_accepts_our_key_bundle(laid: tuple[Path, Path, Path]) -> None:
    code, said = verify_key(*laid)
    assert code == 0, said


@pytest.mark.parametrize("attack", ["changed file", "added file", "another key", "changed payload"])
def test_model_signing_refuses(laid: tuple[Path, Path, Path], attack: str, tmp_path: Path) -> None:
    model, bundle, key = tmp_path / "forest", tmp_path / "sig.json", tmp_path / "key.pub"
    model.mkdir()
    for path in laid[0].iterdir():
        (model / path.name).write_bytes(path.read_bytes())
    bundle.write_bytes(laid[1].read_bytes())
    key.write_bytes(laid[2].read_bytes())
    if attack == "changed file":
        (model / "model.onnx").write_bytes(b"other")
    elif attack == "added file":
        (model / "extra.bin").write_bytes(b"unsigned")
    elif attack == "another key":
        key.write_bytes(public_pem(ec.generate_private_key(ec.SECP256R1()).public_key()))
    else:
        value = json.loads(bundle.read_bytes())
        payload = unb64(value["dsseEnvelope"]["payload"]).replace(b"forest", b"fooest")
        value["dsseEnvelope"]["payload"] = b64(payload)
        bundle.write_bytes(canonical_json(value))
    assert verify_key(model, bundle, key)[0] != 0


def test_model_signing_orders_names_as_we_do(story: Story, tmp_path: Path) -> None:
    """Names are ordered by code point over the whole path, not folder by folder."""
    files = {"a/b.bin": b"1", "a-b.bin": b"2", "a.bin": b"3", "Z.bin": b"4"}
    signed = tracing.sign_folder(story.shop.recorder, "mixed", files, signer="ada@bank.example")
    story.shop.store.items.remove(signed)
    model, bundle, key = tmp_path / "mixed", tmp_path / "mixed.json", tmp_path / "key.pub"
    for name, data in files.items():
        (model / name).parent.mkdir(parents=True, exist_ok=True)
        (model / name).write_bytes(data)
    keys = story.shop.keys
    bundle.write_bytes(keys.sign_release(signed.statement.payload, story.shop.now))
    key.write_bytes(public_pem(keys.ec_key("report").public_key()))
    code, said = verify_key(model, bundle, key)
    assert code == 0, said


def test_a_release_verifies_against_the_trust_file(story: Story) -> None:
    for _, bundle in released(story):
        verify_release(parse_key_bundle(bundle), story.shop.trust)


def test_a_dossier_with_releases_verifies_and_counts_them(story: Story) -> None:
    from govern.domain.assembling import StatementIndex
    from govern.verifier.releases import verify_releases

    index = StatementIndex(story.shop.store.items)
    assert verify_releases(index, story.shop.trust, dict(released(story))) == 3


def test_release_of_another_folder_under_its_name_is_refused(story: Story) -> None:
    from govern.domain.assembling import StatementIndex
    from govern.verifier.releases import verify_releases

    (first, one), (second, two), _ = released(story)
    index = StatementIndex(story.shop.store.items)
    with pytest.raises(EvidenceError):
        verify_releases(index, story.shop.trust, {first: two, second: one})


def test_release_by_a_forgers_key_is_refused(story: Story) -> None:
    payload = story.shop.store.items[0].statement.payload
    forger = ec.generate_private_key(ec.SECP256R1())
    genuine = parse_key_bundle(story.shop.keys.sign_release(payload, story.shop.now))
    envelope = sign_envelope(payload, forger)
    forged = write_key_bundle(envelope, forger.public_key(), genuine.timestamps[0])
    with pytest.raises(VerificationError):
        verify_release(parse_key_bundle(forged), story.shop.trust)


def test_release_with_a_key_swapped_inside_is_refused(story: Story) -> None:
    bundle = parse_key_bundle(next(released(story))[1])
    with pytest.raises(UntrustedSignerError):
        verify_key_bundle(bundle, ec.generate_private_key(ec.SECP256R1()).public_key())


def test_changed_payload_is_refused(story: Story) -> None:
    data = next(released(story))[1]
    value = json.loads(data)
    payload = unb64(value["dsseEnvelope"]["payload"]).replace(b"loans", b"loons")
    value["dsseEnvelope"]["payload"] = b64(payload)
    key = story.shop.keys.ec_key("report").public_key()
    with pytest.raises(SignatureError):
        verify_key_bundle(parse_key_bundle(canonical_json(value)), key)


@pytest.mark.parametrize("name", [".git/config", ".gitignore", ".github/x"])
def test_files_that_every_verifier_leaves_out_cannot_be_signed(name: str) -> None:
    with pytest.raises(InvalidRequestError, match="cannot be signed"):
        folder_predicate([(name, "sha256:" + "0" * 64)])


@pytest.mark.parametrize("size", [256, 384, 521])
def test_model_signing_bundles_of_every_curve_are_read(size: int, tmp_path: Path) -> None:
    """Theirs by ours: a folder signed by `model_signing sign key`."""
    curve = {256: ec.SECP256R1, 384: ec.SECP384R1, 521: ec.SECP521R1}[size]
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = ec.generate_private_key(curve())
    model, private = tmp_path / "model", tmp_path / "key.pem"
    model.mkdir()
    (model / "weights.bin").write_bytes(b"weights")
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    done = offline(
        tool("model_signing"), "sign", "key", model, "--signature", tmp_path / "sig",
        "--private_key", private, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    manifest = verify_key_bundle(parse_key_bundle((tmp_path / "sig").read_bytes()), key.public_key())
    assert [name for name, _ in manifest.resources] == ["weights.bin"]


def test_a_dossier_without_releases_still_verifies(story: Story) -> None:
    assert verify_dossier(story.files, story.shop.trust).counts["releases"] == 0
