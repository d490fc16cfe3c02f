"""Every kind of file, truncated, huge, deeply nested or wrongly encoded: exit 10, one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from dossier_workshop import Story
from every_kind import Genuine
from test_oms import released

from govern.transparency.bundle import parse_bundle
from govern.transparency.canonical import canonical_json
from govern.verifier.__main__ import main

HUGE_BYTES = 40 << 30
Bend = Callable[[bytes], bytes]
BENDS: dict[str, Bend] = {
    "nothing": lambda data: b"",
    "its-first-byte": lambda data: data[:1],
    "its-first-half": lambda data: data[: len(data) // 2],
    "all-but-its-last-byte": lambda data: data[:-1],
    "nested-lists": lambda data: data[:9] + b"[" * 200_000,
    "nested-objects": lambda data: data[:1] + b'"a":{' * 200_000,
    "nested-dictionaries": lambda data: data[:9] + b"\n1 0 obj\n" + b"<</A" * 200_000,
    "zeros": lambda data: data[:4] + bytes(1 << 20),
    "utf-16": lambda data: data.decode("latin-1").encode("utf-16"),
    "byte-order-mark": lambda data: b"\xef\xbb\xbf" + data,
    "latin-1": lambda data: data[: len(data) // 2] + b"\xe9\xff" + data[len(data) // 2 :],
    "a-lone-surrogate": lambda data: data[: len(data) // 2] + b"\\ud800" + data[len(data) // 2 :],
    "digits-without-end": lambda data: data[:1] + b'"a":' + b"9" * 100_000,
}
OTHERWISE = {
    ("report.pdf", "all-but-its-last-byte"): 16,  # a whole PDF, of which the seal covers more
    ("record.tlog-proof", "a-lone-surrogate"): 11,  # plain text there, in what the log signed
}
KINDS = (
    "dossier.zip", "vote.sigstore.json", "report.pdf", "record.tlog-proof", "header.txt",
    "header.json", "model.oms.sig.json", "envelope.json", "token.tsr",
)  # fmt: skip


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one genuine file of each kind, the trust file and a public key."""
    folder = tmp_path_factory.mktemp("desk")
    genuine = Genuine(folder / "bank")
    shop, vote = genuine.shop, parse_bundle(genuine.item.votes[0].bundle)
    both = {"receipt": genuine.header.decode(), "proof": genuine.proof.decode()}
    story = Story(shop, genuine.item, genuine.item, genuine.files)
    kinds = (
        genuine.zip.read_bytes(), genuine.item.votes[0].bundle, genuine.report, genuine.proof,
        genuine.header, json.dumps(both).encode(), dict(released(story)).popitem()[1],
        canonical_json(vote.envelope), vote.timestamp,
    )  # fmt: skip
    for name, data in zip(KINDS, kinds, strict=True):
        (folder / name).write_bytes(data)
    (folder / "trust.json").write_bytes(shop.trust_bytes)
    (folder / "key.pem").write_bytes(public_key(shop))
    (folder / "signature").write_bytes(vote.signature)
    return folder


def public_key(shop: object) -> bytes:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def verify(desk: Path, path: Path, **changes: Path) -> int:
    given = {"trust": desk / "trust.json", "against": desk / "dossier.zip", **changes}
    words = [part for name, place in given.items() for part in (f"--{name.replace('_', '-')}", str(place))]
    if path.suffix in (".json", ".tsr") and path.name.startswith(("envelope", "token")):
        words += ["--public-key", str(desk / "key.pem"), "--artifact", str(desk / "signature")]
    return main([str(path), *words])


@pytest.mark.parametrize("name", ["dossier.zip", "vote.sigstore.json", "record.tlog-proof", "header.txt", "token.tsr"])
def test_the_files_are_genuine(name: str, desk: Path) -> None:
    assert verify(desk, desk / name) == 0


@pytest.mark.parametrize("name", KINDS)
def test_bent_file_is_exit_10_and_one_sentence(
    name: str, desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, path = (desk / name).read_bytes(), tmp_path / name
    for bend, change in BENDS.items():
        path.write_bytes(change(data))
        code, told = verify(desk, path), capsys.readouterr().err
        assert code == OTHERWISE.get((name, bend), 10), f"{bend}: {told}"
        assert len(told.splitlines()) == 2 and "Traceback" not in told, f"{bend}: {told}"
        assert len(told) < 600, f"{bend}: {told}"


@pytest.mark.parametrize("name", KINDS)
def test_huge_file_is_not_read(
    name: str, desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    with path.open("wb") as file:
        file.write((desk / name).read_bytes()[:64])
        file.truncate(HUGE_BYTES)
    assert verify(desk, path) == 10
    assert "the limit is" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["trust.json", "key.pem"])
def test_bent_trust_file_or_key_is_exit_10_and_one_sentence(
    what: str, desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, path = (desk / what).read_bytes(), tmp_path / what
    for bend, change in BENDS.items():
        if what == "key.pem" and bend in ("all-but-its-last-byte", "byte-order-mark"):
            continue  # PEM allows text around its block (RFC 7468, section 2)
        path.write_bytes(change(data))
        changes = {"trust": path} if what == "trust.json" else {"public_key": path}
        code, told = verify(desk, desk / "vote.sigstore.json", **changes), capsys.readouterr().err
        assert code == 10, f"{bend}: {told}"
        assert len(told.splitlines()) == 1 and "Traceback" not in told, f"{bend}: {told}"
