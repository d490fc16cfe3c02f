"""Votes signed with a passkey: stock OpenSSH and py_webauthn read what we pack and accept."""

from __future__ import annotations

import subprocess
from base64 import b64decode, b64encode
from pathlib import Path

import pytest
from dossier_workshop import ROSA, TOMAS, Candidate, Workshop, answers
from forging import begin
from test_sshsig import vote, voted
from webauthn import verify_authentication_response
from webauthn.helpers import encode_cbor

from govern.domain.ballot import NAMESPACE, ballot
from govern.errors import ConflictError, MalformedError, RefusedError, SignatureError
from govern.services import approving
from govern.services.ballots import ballot_files
from govern.transparency.passkey import EXTENDED, PRESENT, SYNCED, VERIFIED, Passkey
from govern.transparency.signer import spki
from govern.transparency.sshsig import parse_sshsig, signed_blob, verify_sshsig
from govern.transparency.trust import TrustRoot
from govern.verifier.dossier import verify_dossier
from tests.support.passkeys import ORIGIN, RP_ID, SoftPasskey, b64url

pytestmark = pytest.mark.conformance
WORDS = b"the words"
UNVERIFIED = PRESENT


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path / "shop")


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workshop, Candidate, SoftPasskey]:
    """One decision that waits for votes, and Rosa's passkey."""
    shop, key = Workshop(tmp_path_factory.mktemp("asked")), SoftPasskey()
    shop.enrol(ROSA, key.public, key.passkey)
    return shop, begin(shop), key


def signing(key: SoftPasskey):
    return lambda words: key.sign(words, NAMESPACE)


def keygen(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", command], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "key",
    [
        SoftPasskey(),
        SoftPasskey(more={"other_keys_can_be_added_here": "x"}),
        SoftPasskey(flags=PRESENT | VERIFIED | EXTENDED, extensions=encode_cbor({"a": 1})),
    ],
    ids=["plain", "as-chromium-adds", "with-extensions"],
)
def test_an_exported_vote_verifies_with_ssh_keygen_alone(
    shop: Workshop, key: SoftPasskey, tmp_path: Path
) -> None:
    shop.enrol(ROSA, key.public, key.passkey)
    item = voted(shop, signing(key))
    files, command = ballot_files(shop.recorder, item.votes[0].digest)
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    done = keygen(tmp_path, command)
    assert done.returncode == 0 and f'Good "{NAMESPACE}" signature for {ROSA}' in done.stdout, (
        done.stderr
    )
    (tmp_path / "ballot.json").write_bytes(files["ballot.json"].replace(b"approve", b"dissent"))
    assert keygen(tmp_path, command).returncode != 0


def test_py_webauthn_accepts_the_same_answer() -> None:
    key, challenge = SoftPasskey(), signed_blob(WORDS, NAMESPACE)
    data, client, signature = key.answer(challenge)
    numbers = key.public.public_numbers()
    cose = encode_cbor(
        {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
    )
    sent = {
        "authenticatorData": b64url(data),
        "clientDataJSON": b64url(client),
        "signature": b64url(signature),
    }
    done = verify_authentication_response(
        credential={"id": "AA", "rawId": "AA", "type": "public-key", "response": sent},
        expected_challenge=challenge, expected_rp_id=RP_ID, expected_origin=ORIGIN,
        credential_public_key=cose, credential_current_sign_count=0, require_user_verification=True,
    )  # fmt: skip
    assert done.user_verified and done.new_sign_count == 1


def test_no_changed_byte_of_a_passkeys_signature_verifies() -> None:
    key = SoftPasskey()
    begin_line, *body, end_line = key.sign(WORDS, NAMESPACE).strip().splitlines()
    blob = b64decode("".join(body))
    for at in range(len(blob)):
        changed = bytearray(blob)
        changed[at] ^= 1
        text = "\n".join([begin_line, b64encode(bytes(changed)).decode(), end_line])
        with pytest.raises((MalformedError, SignatureError)):
            verify_sshsig(parse_sshsig(text), WORDS, NAMESPACE)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        pytest.param({"flags": UNVERIFIED}, "without verifying its user", id="user_not_verified"),
        pytest.param({"flags": VERIFIED}, "nobody present", id="user_not_present"),
        pytest.param(
            {"flags": PRESENT | VERIFIED | EXTENDED}, "do not fit", id="extensions_announced"
        ),
        pytest.param({"extensions": b"\xa0"}, "do not fit", id="extensions_hidden"),
        pytest.param(
            {"more": {"type": "webauthn.create"}}, "other words", id="made_when_enrolling"
        ),
        pytest.param({"more": {"crossOrigin": True}}, "inside another page", id="framed_page"),
    ],
)
def test_an_answer_that_says_too_little_is_refused(changes: dict[str, object], why: str) -> None:
    text = SoftPasskey(**changes).sign(WORDS, NAMESPACE)
    with pytest.raises(SignatureError, match=why):
        verify_sshsig(parse_sshsig(text), WORDS, NAMESPACE)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        pytest.param(
            {"origin": "https://govern.bank.example.evil.example"},
            "was expected, got",
            id="wrong_origin",
        ),
        pytest.param({"rp_id": "evil.example"}, "was expected, got", id="wrong_relying_party"),
        pytest.param({"flags": UNVERIFIED}, "without verifying its user", id="user_not_verified"),
        pytest.param({"key": SoftPasskey().key}, "govern key enrol", id="another_passkey"),
        pytest.param(
            {"flags": PRESENT | VERIFIED | SYNCED},
            "says that it is synced",
            id="synced_after_enrolment",
        ),
    ],
)
def test_the_service_refuses_and_records_nothing(
    asked, changes: dict[str, object], why: str
) -> None:
    shop, item, key = asked
    size = len(shop.store.items)
    with pytest.raises(RefusedError, match=why):
        vote(shop, item, signing(key.but(**changes)))
    assert len(shop.store.items) == size


def test_a_synced_passkey_does_not_sign_in_the_top_tier(shop: Workshop) -> None:
    key = SoftPasskey(flags=PRESENT | VERIFIED | SYNCED)
    shop.enrol(ROSA, key.public, key.passkey)
    item = begin(shop)
    with pytest.raises(RefusedError, match="copied to other devices"):
        vote(shop, item, signing(key))


def prepared(shop: Workshop, item: Candidate) -> dict[str, object]:
    assert item.decision is not None
    return approving.prepare(
        shop.recorder, item.decision.digest, approver=ROSA, choice="approve", comment=""
    )


def test_words_that_were_kept_back_are_refused(asked) -> None:
    shop, item, key = asked
    words = prepared(shop, item)
    shop.now += approving.WORDS_AGE_MAX
    with pytest.raises(ConflictError, match="too long ago"):
        approving.cast(shop.recorder, words, key.sign(ballot(words), NAMESPACE))


def test_a_signature_of_another_decision_is_not_replayed(asked) -> None:
    shop, item, key = asked
    words = prepared(shop, item)
    signature = key.sign(ballot(words), NAMESPACE)
    shop.decide(item)
    with pytest.raises(ConflictError, match="was replaced"):
        approving.cast(shop.recorder, words, signature)
    with pytest.raises(RefusedError, match="other words"):
        approving.cast(shop.recorder, prepared(shop, item), signature)


def test_a_counter_that_goes_back_betrays_a_copy(asked) -> None:
    shop, item, key = asked
    shop.decide(item)
    vote(shop, item, signing(key.but(counter=7)))
    shop.decide(item)
    with pytest.raises(RefusedError, match="stands at 8 and stood at 8"):
        vote(shop, item, signing(key.but(counter=7)))
    vote(shop, item, signing(key.but(counter=8)))


def test_a_passkey_that_never_counts_is_taken(shop: Workshop) -> None:
    key = SoftPasskey()
    shop.enrol(ROSA, key.public, key.passkey)
    item = voted(shop, signing(key.but(counter=-1)))
    shop.decide(item)
    vote(shop, item, signing(key.but(counter=-1)))


def test_a_dossier_with_a_passkeys_vote_verifies(shop: Workshop) -> None:
    key = SoftPasskey()
    shop.enrol(ROSA, key.public, key.passkey)
    item = voted(shop, signing(key))
    shop.vote(item, TOMAS)
    shop.admit(item)
    answers(shop, item)
    verify_dossier(shop.dossier([item]), shop.trust)


def test_the_trust_file_names_where_a_passkey_is_used(shop: Workshop) -> None:
    key = SoftPasskey()
    shop.enrol(ROSA, key.public, key.passkey)
    found = [one for one in shop.trust.keys if one.public_key == spki(key.public)]
    assert [one.passkey for one in found] == [Passkey(RP_ID, ORIGIN, True, "")]
    for wrong in (b'"deviceBound":1', b'"deviceBound":"yes"'):
        with pytest.raises(MalformedError):
            TrustRoot.from_json(shop.trust_bytes.replace(b'"deviceBound":true', wrong))
