"""OpenSSF Model Signing v1.0: what a signed folder's statement says, and key bundles.

A key bundle is a Sigstore bundle over the same statement with a long-lived key instead of
a certificate: who holds the public key needs no authority and no log to check a folder.
Written as canonical JSON; read as strictly as the formats of others allow, so that a
bundle made by another implementation is read as well. Knows nothing of a disk.
Source: ossf/model-signing-spec, spec/v1.0.md (sections named below).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from govern.errors import InvalidRequestError, MalformedError, SignatureError, UntrustedSignerError
from govern.transparency.canonical import canonical_json, parse_json
from govern.transparency.digest import folder_digest, from_hex, hex_of
from govern.transparency.encoding import b64, unb64
from govern.transparency.envelope import pae
from govern.transparency.statement import PAYLOAD_TYPE, STATEMENT_TYPE
from govern.transparency.threshold import verifies

PREDICATE_TYPE = "https://model_signing/signature/v1.0"
MEDIA_TYPE = re.compile(r"application/vnd\.dev\.sigstore\.bundle(\.v[0-9.]+\+json|\+json;.+)")
BUNDLE_BYTES_MAX = 64 << 20
RESOURCES_MAX = 200_000
# Section 6.2: never part of what is signed, at the top of the folder only.
IGNORED = (".git", ".gitattributes", ".github", ".gitignore")
CURVES = ("secp256r1", "secp384r1", "secp521r1")


@dataclass(frozen=True, slots=True)
class Manifest:
    """A signed folder as its statement describes it.

    ``resources`` are file names (POSIX, relative) with their ``sha256:`` digests.
    """

    name: str
    digest: str
    resources: tuple[tuple[str, str], ...]
    ignored: tuple[str, ...]

    def covers(self, name: str) -> bool:
        """Say whether a file belongs to the signed scope, by the ignore rules (6.2.1)."""
        top = name.split("/", 1)[0]
        return top not in IGNORED and not any(
            name == path or name.startswith(f"{path}/") for path in self.ignored
        )


@dataclass(frozen=True, slots=True)
class KeyBundle:
    """A parsed key bundle; nothing in it is verified yet. ``timestamps`` are RFC 3161."""

    hint: str
    payload: bytes
    signature: bytes
    timestamps: tuple[bytes, ...]


def folder_predicate(digests: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Return the predicate for a folder (section 5.2).

    Args:
        digests: file name and ``sha256:`` digest of each file.

    Raises:
        InvalidRequestError: no file, or one that every verifier leaves out.
    """
    if not digests:
        raise InvalidRequestError("a folder to sign holds at least one file")
    for name, _ in digests:
        if name.split("/", 1)[0] in IGNORED:
            raise InvalidRequestError(
                f"{name} cannot be signed: model signing leaves out {', '.join(IGNORED)}; "
                "remove it from the folder"
            )
    return {
        "serialization": {
            "method": "files",
            "hash_type": "sha256",
            "allow_symlinks": False,
            "ignore_paths": [],
        },
        "resources": [
            {"name": name, "algorithm": "sha256", "digest": hex_of(digest)}
            for name, digest in sorted(digests)
        ],
    }


def read_manifest(payload: bytes) -> Manifest:
    """Read the statement of a signed folder (sections 5, 6.5 and 8.3).

    Raises:
        MalformedError: not such a statement, another hash or method than SHA-256 over whole
            files, names out of order or climbing, or a root digest that does not fit.
    """
    value = parse_json(payload, bytes_max=BUNDLE_BYTES_MAX)
    try:
        kinds = (value["_type"], value["predicateType"])
        (subject,) = value["subject"]
        serialization = value["predicate"]["serialization"]
        rows = value["predicate"]["resources"]
        method = (serialization["method"], serialization["hash_type"])
        root = from_hex(subject["digest"]["sha256"])
        ignored = tuple(map(_relative, serialization.get("ignore_paths", [])))
        resources = tuple((_relative(row["name"]), from_hex(row["digest"])) for row in rows)
        name = str(subject["name"])
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise MalformedError(f"not a model signature statement: {error!r:.80}") from None
    if kinds != (STATEMENT_TYPE, PREDICATE_TYPE):
        raise MalformedError(f"expected an in-toto statement of type {PREDICATE_TYPE}")
    if method != ("files", "sha256"):
        raise MalformedError(f"expected SHA-256 over whole files, got {method!r:.60}")
    names = [resource for resource, _ in resources]
    if not 1 <= len(names) <= RESOURCES_MAX or names != sorted(set(names)):
        raise MalformedError("a model signature lists its files once each, ordered by name")
    if folder_digest(resources) != root:
        raise MalformedError("the file digests do not give the signed root digest")
    return Manifest(name, root, resources, ignored)


def _relative(name: Any) -> str:
    if not isinstance(name, str) or not name or name.startswith("/"):
        raise MalformedError(f"{name!r:.80} is not a relative path")
    if any(part in ("", ".", "..") for part in name.split("/")):
        raise MalformedError(f"{name!r:.80} is not a plain relative path")
    return name


def key_hint(key: ec.EllipticCurvePublicKey) -> str:
    """Return a key's hint: SHA-256 over its PEM text, as hexadecimal (section 4.1)."""
    return hashlib.sha256(public_pem(key)).hexdigest()


def public_pem(key: ec.EllipticCurvePublicKey) -> bytes:
    """Return a public key as PEM."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def write_key_bundle(
    envelope: dict[str, Any], key: ec.EllipticCurvePublicKey, timestamp: bytes
) -> bytes:
    """Return a key bundle as canonical JSON.

    Args:
        envelope: the DSSE envelope, signed with the private half of ``key``.
        timestamp: a TimeStampResp over the raw signature.
    """
    stamp = {"rfc3161Timestamps": [{"signedTimestamp": b64(timestamp)}]}
    return canonical_json(
        {
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {
                "publicKey": {"hint": key_hint(key)},
                "tlogEntries": [],
                "timestampVerificationData": stamp,
            },
            "dsseEnvelope": envelope,
        }
    )


def is_key_bundle(data: bytes) -> bool:
    """Say whether bytes claim to be a key bundle; nothing is checked but that claim."""
    try:
        material = parse_json(data, bytes_max=BUNDLE_BYTES_MAX)["verificationMaterial"]
        return "publicKey" in material
    except (MalformedError, KeyError, TypeError):
        return False


def parse_key_bundle(data: bytes) -> KeyBundle:
    """Read a key bundle, ours or another implementation's, without verifying it.

    Raises:
        MalformedError: not such a bundle, or with a field that the format does not have.
    """
    value = parse_json(data, bytes_max=BUNDLE_BYTES_MAX)
    try:
        _only(value, {"mediaType", "verificationMaterial", "dsseEnvelope"}, "bundle")
        material, envelope = value["verificationMaterial"], value["dsseEnvelope"]
        if not MEDIA_TYPE.fullmatch(value["mediaType"]):
            raise MalformedError("not a Sigstore bundle: its mediaType is another")
        _only(material, {"publicKey", "tlogEntries", "timestampVerificationData"}, "key material")
        _only(envelope, {"payload", "payloadType", "signatures"}, "envelope")
        (signature,) = envelope["signatures"]
        _only(signature, {"sig", "keyid"}, "signature")
        if envelope["payloadType"] != PAYLOAD_TYPE:
            raise MalformedError(f"expected payloadType {PAYLOAD_TYPE}")
        return KeyBundle(
            hint=str(material["publicKey"].get("hint", "")),
            payload=unb64(envelope["payload"], "payload"),
            signature=unb64(signature["sig"], "signature"),
            timestamps=_timestamps(material.get("timestampVerificationData") or {}),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MalformedError(f"key bundle is malformed: {error!r:.100}") from None


def _only(value: Any, allowed: set[str], what: str) -> None:
    if not isinstance(value, dict) or not set(value) <= allowed:
        raise MalformedError(f"the {what} has only {', '.join(sorted(allowed))}")


def _timestamps(value: Any) -> tuple[bytes, ...]:
    rows = value.get("rfc3161Timestamps", [])
    return tuple(unb64(row["signedTimestamp"], "timestamp") for row in rows)


def verify_key_bundle(bundle: KeyBundle, key: ec.EllipticCurvePublicKey) -> Manifest:
    """Return the signed folder if ``key`` signed it (section 8.2).

    Raises:
        MalformedError: the payload is not a folder's statement.
        SignatureError: the signature does not verify.
        UntrustedSignerError: the bundle says that another key signed, or the curve is none
            of P-256, P-384 and P-521.
    """
    if bundle.hint and bundle.hint != key_hint(key):
        raise UntrustedSignerError(
            f"the bundle was signed with key {bundle.hint[:16]}…, the key given is "
            f"{key_hint(key)[:16]}…"
        )
    if key.curve.name not in CURVES:
        raise UntrustedSignerError(
            f"model signing knows P-256, P-384 and P-521, not {key.curve.name}"
        )
    if not verifies(key, bundle.signature, pae(bundle.payload)):
        raise SignatureError("the bundle's signature does not verify")
    return read_manifest(bundle.payload)
