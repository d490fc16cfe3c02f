"""Verify the key bundles of a dossier: folders signed once more with the release key.

Each must hold the very statement that is in the lineage log, and be signed with a release
key of the trust file that was valid at the time its timestamp proves. Reads no file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from govern.domain import predicates
from govern.domain.assembling import StatementIndex
from govern.errors import EvidenceError, MalformedError, UntrustedSignerError, VerificationError
from govern.transparency.digest import from_hex
from govern.transparency.oms import (
    KeyBundle,
    Manifest,
    key_hint,
    parse_key_bundle,
    verify_key_bundle,
)
from govern.transparency.trust import TrustRoot
from govern.transparency.verify import proven_time

_PATH = re.compile(r"artifacts/([0-9a-f]{64})\.oms\.sig\.json")


def verify_releases(index: StatementIndex, trust: TrustRoot, files: Mapping[str, bytes]) -> int:
    """Verify every key bundle in a dossier's files and return how many there are.

    Raises:
        EvidenceError: one signs something that the lineage log does not hold.
        VerificationError: one does not verify; the sentence names it.
    """
    signed = {
        item.statement.payload: item.statement.subject
        for item in index.of_kind(predicates.MODEL_SIGNATURE)
    }
    count = 0
    for name in sorted(files):
        match = _PATH.fullmatch(name)
        if match is None:
            continue
        try:
            bundle = parse_key_bundle(files[name])
            verify_release(bundle, trust)
        except VerificationError as error:
            raise type(error)(f"{name}: {error}") from None
        if signed.get(bundle.payload) != from_hex(match[1]):
            raise EvidenceError(f"{name} signs a statement that the lineage log does not hold")
        count += 1
    return count


def verify_release(bundle: KeyBundle, trust: TrustRoot) -> Manifest:
    """Verify a key bundle against the release keys of the trust file.

    Raises:
        MalformedError: it holds no timestamp, so that no time is proven.
        UntrustedSignerError: no release key was valid then, or another key signed.
        SignatureError: the signature or the timestamp does not verify.
    """
    if len(bundle.timestamps) != 1:
        raise MalformedError("expected exactly one timestamp, which proves when it was signed")
    _, at = proven_time(bundle.timestamps[0], bundle.signature, trust)
    keys = [load_der_public_key(key) for key in trust.role_keys("release", at)]
    for key in keys:
        if isinstance(key, ec.EllipticCurvePublicKey) and key_hint(key) == bundle.hint:
            return verify_key_bundle(bundle, key)
    raise UntrustedSignerError(
        f"no release key of the trust file that was valid then has the hint {bundle.hint[:16]}…"
    )
