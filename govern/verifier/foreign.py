"""Verify what others made: signed folders, several signatures on one payload, timestamps.

(1) an OpenSSF Model Signing key bundle, with the folder it is about;
(2) a DSSE envelope with several signatures, against a threshold of keys given;
(3) an RFC 3161 TimeStampResp, with the file it is about.

The keys are those given by hand or, for (1), the release keys of the trust file. Without
a timestamp no time is proven, and the sentences say so.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from govern.errors import CompletenessError, DigestMismatchError, MalformedError
from govern.transparency.canonical import parse_json
from govern.transparency.encoding import format_time
from govern.transparency.oms import (
    Manifest,
    is_key_bundle,
    key_hint,
    parse_key_bundle,
    verify_key_bundle,
)
from govern.transparency.signer import PublicKey
from govern.transparency.threshold import is_envelope, verify_threshold
from govern.transparency.trust import TrustRoot
from govern.transparency.verify import proven_time
from govern.verifier.proved import Proved
from govern.verifier.reading import read_file
from govern.verifier.releases import verify_release

FILES_MAX = 200_000
KEY_BYTES_MAX = 64 << 10
ARTIFACT_BYTES_MAX = 256 << 20  # what a timestamp is about
_DER_SEQUENCE = b"\x30"
_WHEN = "When it was signed: the keys were given by hand, and no timestamp is in the file."


@dataclass(frozen=True, slots=True)
class Given:
    """What the person verifying holds apart from the trust file.

    ``artifact`` is the folder or file that a detached signature or timestamp is about;
    ``keys`` are public keys, of which ``threshold`` must have signed an envelope.
    """

    artifact: Path | None = None
    keys: tuple[PublicKey, ...] = ()
    threshold: int = 1


def given_from(artifact: str | None, keys: Sequence[str], threshold: int) -> Given:
    """Return what was given on the command line, with the keys read.

    Raises:
        MalformedError: a key cannot be read.
    """
    read = tuple(read_public_key(Path(key)) for key in keys)
    return Given(Path(artifact) if artifact else None, read, threshold)


def is_foreign(data: bytes) -> bool:
    """Say whether bytes look like one of (1) to (3); nothing is checked but that."""
    if data[:1] == _DER_SEQUENCE:
        return True
    try:
        return is_key_bundle(data) or is_envelope(parse_json(data))
    except MalformedError:
        return False


def read_public_key(path: Path) -> PublicKey:
    """Return the public key in a PEM file.

    Raises:
        MalformedError: it holds no ECDSA or Ed25519 public key.
    """
    try:
        key = load_pem_public_key(read_file(path, KEY_BYTES_MAX))
    except (ValueError, UnsupportedAlgorithm):
        raise MalformedError(f"{path.name} is not a public key in PEM") from None
    if not isinstance(key, ec.EllipticCurvePublicKey | Ed25519PublicKey):
        raise MalformedError(f"{path.name} is neither an ECDSA nor an Ed25519 key")
    return key


def verify_foreign(data: bytes, trust: TrustRoot, given: Given) -> Proved:
    """Verify a key bundle, an envelope or a timestamp.

    Raises:
        VerificationError: it does not verify, or is none of these.
    """
    if data[:1] == _DER_SEQUENCE:
        return _verify_time(data, trust, given)
    if is_key_bundle(data):
        return _verify_folder(data, trust, given)
    return _verify_envelope(data, given)


def _verify_time(data: bytes, trust: TrustRoot, given: Given) -> Proved:
    if given.artifact is None:
        raise MalformedError("a timestamp is about a file; name it with --artifact")
    _, at = proven_time(data, read_file(given.artifact, ARTIFACT_BYTES_MAX), trust)
    proved = Proved()
    proved.say(
        f"The timestamp authority saw {given.artifact.name} at {format_time(at)}.", timestamps=1
    )
    return proved


def _verify_envelope(data: bytes, given: Given) -> Proved:
    if not given.keys:
        raise MalformedError("an envelope is verified against keys; name them with --public-key")
    payload, kind, signed = verify_threshold(data, given.keys, given.threshold)
    digest = hashlib.sha256(payload).hexdigest()
    proved = Proved()
    proved.say(
        f"{len(signed)} of the {len(given.keys)} keys given signed one payload of type {kind}, "
        f"sha256:{digest}; {given.threshold} were needed.",
        signatures=len(signed),
    )
    proved.cannot(_WHEN)
    return proved


def _verify_folder(data: bytes, trust: TrustRoot, given: Given) -> Proved:
    bundle = parse_key_bundle(data)
    if given.keys:
        manifest, who = _by_given_key(data, given.keys), "A key given"
    else:
        manifest, who = verify_release(bundle, trust), "A release key of the trust file"
    proved = Proved()
    proved.say(f"{who} signed the folder {manifest.name}, {manifest.digest}.", releases=1)
    if given.keys:
        proved.cannot(_WHEN)
    if given.artifact is None:
        proved.cannot("That the folder holds these bytes: name it with --artifact.")
        return proved
    count = compare_folder(manifest, given.artifact)
    proved.say(
        f"All {count} files of {given.artifact.name} are byte for byte those signed.", files=count
    )
    return proved


def _by_given_key(data: bytes, keys: Sequence[PublicKey]) -> Manifest:
    bundle = parse_key_bundle(data)
    usable = [key for key in keys if isinstance(key, ec.EllipticCurvePublicKey)]
    if not usable:
        raise MalformedError("a model signature is verified with an ECDSA key")
    named = [key for key in usable if key_hint(key) == bundle.hint]
    return verify_key_bundle(bundle, (named or usable)[0])


def compare_folder(manifest: Manifest, folder: Path) -> int:
    """Compare a folder with its manifest and return how many files it has.

    Raises:
        MalformedError: not a folder, or something in it is neither file nor folder.
        CompletenessError: a file is missing, or one is there that was not signed.
        DigestMismatchError: a file's bytes differ.
    """
    if not folder.is_dir():
        raise MalformedError(f"{folder.name} is not a folder")
    found = _files(folder, manifest)
    signed = dict(manifest.resources)
    for missing in sorted(set(signed) - set(found)):
        raise CompletenessError(f"{missing} was signed and is missing")
    for extra in sorted(set(found) - set(signed)):
        raise CompletenessError(f"{extra} was not signed")
    for name, path in found.items():
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if f"sha256:{digest}" != signed[name]:
            raise DigestMismatchError(f"{name}: its bytes are not those that were signed")
    return len(found)


def _files(folder: Path, manifest: Manifest) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for item in sorted(folder.rglob("*")):
        name = item.relative_to(folder).as_posix()
        mode = item.lstat().st_mode
        if stat.S_ISDIR(mode) or not manifest.covers(name):
            continue
        if not stat.S_ISREG(mode):
            raise MalformedError(f"{name[:80]!r} is neither a file nor a folder")
        found[name] = item
        if len(found) > FILES_MAX:
            raise MalformedError(f"the folder has more than {FILES_MAX} files")
    return found
