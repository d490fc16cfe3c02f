"""Votes signed with a reviewer's own key: OpenSSH makes and reads the same signatures as we do."""

from __future__ import annotations

import subprocess
from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path

import pytest
from dossier_workshop import ROSA, TOMAS, Candidate, Workshop, answers
from forging import begin

from govern.domain.ballot import NAMESPACE
from govern.errors import InvalidRequestError, MalformedError, RefusedError, SignatureError
from govern.services import approving
from govern.services.ballots import ballot_files
from govern.transparency.sshsig import parse_sshsig, read_ssh_public_key, verify_sshsig
from govern.verifier.dossier import verify_dossier
from tests.support.ssh_keys import SshKey

pytestmark = pytest.mark.conformance
WORDS = b"the words"


@pytest.fixture(scope="module", params=["ed25519", "ecdsa"])
def key(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SshKey:
    return SshKey(tmp_path_factory.mktemp(request.param), kind=request.param)


def test_what_openssh_signs_verifies_here(key: SshKey) -> None:
    found = parse_sshsig(key.sign(WORDS, NAMESPACE))
    verify_sshsig(found, WORDS, NAMESPACE)
    with pytest.raises(SignatureError):
        verify_sshsig(found, WORDS + b".", NAMESPACE)
    with pytest.raises(SignatureError, match="was expected"):
        verify_sshsig(found, WORDS, "file")


def test_no_changed_byte_of_a_signature_verifies(key: SshKey) -> None:
    begin_line, *body, end_line = key.sign(WORDS, NAMESPACE).strip().splitlines()
    blob = b64decode("".join(body))
    for at in range(len(blob)):
        changed = bytearray(blob)
        changed[at] ^= 1
        text = "\n".join([begin_line, b64encode(bytes(changed)).decode(), end_line])
        with pytest.raises((MalformedError, SignatureError)):
            verify_sshsig(parse_sshsig(text), WORDS, NAMESPACE)


def test_keys_and_signatures_of_other_kinds_are_one_sentence(tmp_path: Path) -> None:
    rsa = SshKey(tmp_path, "rsa", "rsa")
    with pytest.raises(MalformedError, match="ssh-keygen -t ed25519"):
        read_ssh_public_key(rsa.public_path.read_text())
    with pytest.raises(MalformedError, match="ssh-keygen -t ed25519"):
        parse_sshsig(rsa.sign(WORDS, NAMESPACE))
    for text in ("", "x" * 5000, "-----BEGIN SSH SIGNATURE-----\n!\n-----END SSH SIGNATURE-----"):
        with pytest.raises(MalformedError):
            parse_sshsig(text)


def vote(shop: Workshop, item: Candidate, sign: Callable[[bytes], str] | None) -> None:
    assert item.decision is not None
    item.votes.append(
        approving.vote(
            shop.recorder, item.decision.digest, approver=ROSA, choice="approve",
            comment="read it", sign=sign,
        )
    )  # fmt: skip


def voted(shop: Workshop, sign: Callable[[bytes], str] | None) -> Candidate:
    item = begin(shop)
    vote(shop, item, sign)
    return item


def test_an_exported_vote_verifies_with_ssh_keygen_alone(key: SshKey, tmp_path: Path) -> None:
    shop = Workshop(tmp_path / "shop")
    shop.enrol(ROSA, key.public)
    item = voted(shop, lambda words: key.sign(words, NAMESPACE))
    files, command = ballot_files(shop.recorder, item.votes[0].digest[:20])
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and f"Good \"{NAMESPACE}\" signature for {ROSA}" in done.stdout
    (tmp_path / "ballot.json").write_bytes(files["ballot.json"].replace(b"approve", b"dissent"))
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0


def test_a_dossier_with_votes_of_both_kinds_verifies(key: SshKey, tmp_path: Path) -> None:
    shop = Workshop(tmp_path / "shop")
    shop.enrol(ROSA, key.public)
    item = voted(shop, lambda words: key.sign(words, NAMESPACE))
    shop.vote(item, TOMAS)
    shop.admit(item)
    answers(shop, item)
    verify_dossier(shop.dossier([item]), shop.trust)


def test_votes_from_before_the_enrolment_still_count(key: SshKey, tmp_path: Path) -> None:
    shop = Workshop(tmp_path / "shop")
    item = voted(shop, None)
    shop.enrol(ROSA, key.public)
    shop.vote(item, TOMAS)
    shop.admit(item)
    answers(shop, item)
    verify_dossier(shop.dossier([item]), shop.trust)


def test_the_service_refuses_a_vote_without_or_with_another_key(key: SshKey, tmp_path: Path) -> None:
    shop = Workshop(tmp_path / "shop")
    other = SshKey(tmp_path, "other")
    shop.enrol(ROSA, key.public)
    item = begin(shop)
    with pytest.raises(RefusedError, match="--ssh-key"):
        vote(shop, item, None)
    with pytest.raises(RefusedError, match="govern key enrol"):
        vote(shop, item, lambda words: other.sign(words, NAMESPACE))
    with pytest.raises(RefusedError, match="does not verify"):
        vote(shop, item, lambda words: key.sign(words + b" ", NAMESPACE))
    assert item.votes == []
    with pytest.raises(InvalidRequestError, match="not a reviewer"):
        shop.enrol("eve@bank.example", other.public)
    with pytest.raises(InvalidRequestError, match="already"):
        shop.enrol(ROSA, key.public)
    with pytest.raises(InvalidRequestError, match="govern key enrol"):
        shop.rotate(f"reviewer:{ROSA}")
