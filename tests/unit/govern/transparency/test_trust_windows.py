"""Several keys per role: what each signed counts inside its window, and nowhere else."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from govern.adapters.first_keys import Organisation, create_keys
from govern.adapters.keys_files import KeyFiles, lineage_origin
from govern.adapters.log_files import LogFiles
from govern.errors import RollbackError, SignatureError, UntrustedSignerError
from govern.transparency.bundle import entry_body, write_bundle
from govern.transparency.canonical import canonical_json, parse_json
from govern.transparency.signer import EcSigner, Signer
from govern.transparency.statement import make_statement
from govern.transparency.succession import check_chain_of_files, check_succession
from govern.transparency.trust import TrustRoot
from govern.transparency.trust_file import (
    NewKey,
    end_key,
    key_entries,
    next_version,
    root_entry,
    sign_trust,
    succeed,
)
from govern.transparency.trust_parts import Window
from govern.transparency.verify import verify_bundle

START = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
PAYLOAD = make_statement("urn:test:v1", [("thing", "sha256:" + "0" * 64)], {"a": 1})
SECONDS = st.integers(-5000, 5000)


class Bank:
    """One installation, its root key in hand, and one statement."""

    def __init__(self, folder: Path) -> None:
        organisation = Organisation("Bank", "bank.example", "https://sso", {}, ["main"])
        self.trust_bytes = create_keys(folder / "keys", organisation, START)
        self.trust = TrustRoot.from_json(self.trust_bytes)
        self.keys = KeyFiles(folder / "keys", "https://sso")
        self.root: Signer = self.keys.ec_key("root")
        log = LogFiles.create(
            folder / "log", self.keys.note_signer("lineage-log", lineage_origin("bank.example"))
        )
        self.signed_at = START + timedelta(hours=1)
        envelope, certificate, stamp = self.keys.sign(PAYLOAD, "ada@bank.example", self.signed_at)
        (proof,) = log.append([entry_body(envelope, certificate)])
        self.bundle = write_bundle(envelope, certificate, stamp, proof)

    def newer(self, *, ended: str | None = None, at: datetime = START, **more: object) -> bytes:
        """Return the next version, with the keys of one role ended."""
        value = next_version(self.trust_bytes, now=START, reason="test") | more
        for entry in key_entries(value):
            if entry.role == ended:
                end_key(value, entry.id, at)
        return sign_trust(value, [self.root])


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Bank:
    return Bank(tmp_path_factory.mktemp("bank"))


@pytest.mark.parametrize("part", ["cas", "tsas", "ct_logs", "logs"])
@settings(deadline=None, max_examples=40)
@given(windows=st.lists(st.tuples(SECONDS, st.none() | SECONDS), min_size=1, max_size=4))
def test_verifies_exactly_when_the_time_is_in_a_window_of_the_key(
    bank: Bank, part: str, windows: list[tuple[int, int | None]]
) -> None:
    def moment(seconds: int) -> datetime:
        return bank.signed_at + timedelta(seconds=seconds)

    made = [
        Window(moment(start), None if length is None else moment(length))
        for start, length in windows
    ]
    (first, *others) = getattr(bank.trust, part)
    every = tuple(dataclasses.replace(first, valid=window) for window in made)
    trust = dataclasses.replace(bank.trust, **{part: (*every, *others)})
    if any(window.covers(bank.signed_at) for window in made):
        assert verify_bundle(bank.bundle, trust).signer == "ada@bank.example"
    else:
        with pytest.raises(UntrustedSignerError):
            verify_bundle(bank.bundle, trust)


def test_a_statement_names_the_keys_it_rests_on(bank: Bank) -> None:
    found = verify_bundle(bank.bundle, bank.trust).keys
    assert found == {
        role: bank.keys.record(role).id for role in ("ca", "ct", "tsa", "lineage-log")
    }


def test_a_successor_does_not_make_old_signatures_its_own(bank: Bank) -> None:
    """The window of the key that signed counts, not that of its successor."""
    value = next_version(bank.trust_bytes, now=START, reason="test")
    lineage = bank.keys.record("lineage-log").id
    end_key(value, lineage, START)
    succeed(value, lineage, NewKey(Ed25519PrivateKey.generate().public_key()), START)
    trust = TrustRoot.from_json(sign_trust(value, [bank.root]))
    assert len(trust.log_keys(lineage_origin("bank.example"))) == 2
    with pytest.raises(UntrustedSignerError, match="not valid at"):
        verify_bundle(bank.bundle, trust)


# -- succession ----------------------------------------------------------------


def test_a_newer_file_signed_by_the_root_may_follow(bank: Bank) -> None:
    newer = TrustRoot.from_json(bank.newer(ended="tsa"))
    said = check_succession(bank.trust, newer)
    assert any("Ended: tsa key" in sentence for sentence in said)


def test_trust_file_rollback_is_refused(bank: Bank) -> None:
    newer = TrustRoot.from_json(bank.newer())
    with pytest.raises(RollbackError):
        check_succession(newer, bank.trust)


def test_two_files_of_one_version_are_refused(bank: Bank) -> None:
    one, other = (TrustRoot.from_json(bank.newer(ended=role)) for role in ("tsa", "ct"))
    with pytest.raises(RollbackError):
        check_succession(one, other)


def test_a_file_by_another_root_is_refused(bank: Bank) -> None:
    own = EcSigner(ec.generate_private_key(ec.SECP256R1()))
    value = next_version(bank.trust_bytes, now=START, reason="mine")
    forged = sign_trust({**value, "root": root_entry([own.public_key()])}, [own])
    with pytest.raises(UntrustedSignerError, match="not signed by the root"):
        check_succession(bank.trust, TrustRoot.from_json(forged))


def test_an_unsigned_file_is_not_read(bank: Bank) -> None:
    value = parse_json(bank.trust_bytes)
    with pytest.raises(UntrustedSignerError):
        TrustRoot.from_json(canonical_json({**value, "signatures": []}))


@pytest.mark.parametrize("member", ["version", "issuers", "roles", "logs", "thresholds"])
def test_a_changed_file_is_not_read(bank: Bank, member: str) -> None:
    value = parse_json(bank.trust_bytes)
    changed = {
        "version": 7,
        "issuers": ["https://elsewhere"],
        "roles": {"reviewer": ["eve@bank.example"]},
        "logs": value["logs"][:1],
        "thresholds": {"approval": 0},
    }[member]
    with pytest.raises(SignatureError):
        TrustRoot.from_json(canonical_json({**value, member: changed}))


def test_a_key_that_is_gone_or_opened_again_is_refused(bank: Bank) -> None:
    ended = TrustRoot.from_json(bank.newer(ended="ct"))
    value = next_version(bank.trust_bytes, now=START, reason="open again")
    again = TrustRoot.from_json(sign_trust({**value, "version": 3}, [bank.root]))
    with pytest.raises(UntrustedSignerError, match="opens it again"):
        check_succession(ended, again)
    less = TrustRoot.from_json(bank.newer(keys=[]))
    with pytest.raises(UntrustedSignerError, match="is gone"):
        check_succession(bank.trust, less)


def test_a_rotated_root_needs_both_signatures(bank: Bank) -> None:
    new = EcSigner(ec.generate_private_key(ec.SECP256R1()))
    value = next_version(bank.trust_bytes, now=START, reason="new root")
    value["root"] = root_entry([new.public_key()])
    second = TrustRoot.from_json(sign_trust(value, [bank.root, new]))
    third_value = next_version(second.raw, now=START, reason="later")
    third = TrustRoot.from_json(sign_trust(third_value, [new]))
    with pytest.raises(UntrustedSignerError, match="files in between"):
        check_succession(bank.trust, third)
    assert len(check_chain_of_files([bank.trust, second, third])) == 3
    with pytest.raises(UntrustedSignerError):
        TrustRoot.from_json(sign_trust(value, [bank.root]))
