"""Keys that live in a PKCS#11 token (a hardware security module, a smart card, SoftHSM).

A key is named by an RFC 7512 URI with ``token`` and ``object``; ``module-path`` names the
token's library and ``pin-source=file:…`` the file with its PIN. A PIN by value is refused:
URIs are printed and logged. The private half never leaves the token; what comes out are
signatures. P-256 (CKM_ECDSA over SHA-256 made here) and Ed25519 (CKM_EDDSA).
Needs the optional part ``govern[pkcs11]``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_public_key

from govern.adapters.secret_files import read_secret
from govern.errors import InvalidRequestError, MissingPartError, StorageError
from govern.transparency import der
from govern.transparency.signer import PublicKey

SCHEME = "pkcs11:"
URI_CHARS_MAX = 2048
HOW = "PKCS#11 keys need an optional part; install it with `pip install 'govern[pkcs11]'`"
# EC_PARAMS: secp256r1 as an OID (RFC 5480), edwards25519 as a PrintableString (PKCS#11 v3.0,
# section 2.3.10), the form that tokens agree on.
_P256 = der.oid("1.2.840.10045.3.1.7")
_EDWARDS25519 = b"\x13\x0cedwards25519"
_SESSIONS: dict[tuple[str, str], Any] = {}


@dataclass(frozen=True, slots=True)
class TokenKey:
    """What a URI names."""

    token: str
    label: str
    module: str
    pin_file: Path

    @classmethod
    def from_uri(cls, uri: str) -> TokenKey:
        """Read an RFC 7512 URI.

        Raises:
            InvalidRequestError: a part is missing, or the PIN is given by value.
        """
        path, _, query = uri.removeprefix(SCHEME).partition("?")
        parts = _attributes(path, ";") | _attributes(query, "&")
        if not uri.startswith(SCHEME) or len(uri) > URI_CHARS_MAX:
            raise InvalidRequestError(f"a PKCS#11 URI begins with {SCHEME}")
        if "pin-value" in parts:
            raise InvalidRequestError("give the PIN as pin-source=file:PATH, never by value")
        missing = [
            name for name in ("token", "object", "module-path", "pin-source") if not parts.get(name)
        ]
        if missing:
            raise InvalidRequestError(f"the PKCS#11 URI lacks {', '.join(missing)}")
        return cls(
            parts["token"],
            parts["object"],
            parts["module-path"],
            Path(parts["pin-source"].removeprefix("file:")),
        )


def _attributes(text: str, separator: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.split(separator) if part]
    return {name: unquote(value) for name, _, value in pairs}


class TokenSigner:
    """A key in a token, as ``govern.transparency.signer.Signer``."""

    def __init__(self, private: Any, public: PublicKey, where: TokenKey) -> None:
        self._private = private
        self._public = public
        self._where = where

    def public_key(self) -> PublicKey:
        """Return the public half."""
        return self._public

    def sign(self, message: bytes, /) -> bytes:
        """Have the token sign.

        Raises:
            StorageError: the token refused or is gone.
        """
        pkcs11 = _library()
        try:
            if isinstance(self._public, Ed25519PublicKey):
                return bytes(self._private.sign(message, mechanism=pkcs11.Mechanism.EDDSA))
            digest = hashlib.sha256(message).digest()
            raw = bytes(self._private.sign(digest, mechanism=pkcs11.Mechanism.ECDSA))
        except pkcs11.exceptions.PKCS11Error as error:
            raise _refused(self._where, error) from None
        half = len(raw) // 2
        return encode_dss_signature(*(int.from_bytes(part) for part in (raw[:half], raw[half:])))


def open_token_key(uri: str) -> TokenSigner:
    """Return the key that a URI names.

    Raises:
        InvalidRequestError: not such a URI.
        MissingPartError: the optional part is not installed.
        StorageError: no such token or key, or a wrong PIN.
    """
    where = TokenKey.from_uri(uri)
    pkcs11 = _library()
    try:
        session = _session(where)
        private = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=where.label)
        public = session.get_key(object_class=pkcs11.ObjectClass.PUBLIC_KEY, label=where.label)
        return TokenSigner(private, _public_key(public), where)
    except pkcs11.exceptions.PKCS11Error as error:
        raise _refused(where, error) from None


def make_token_key(uri: str, *, ed25519: bool) -> TokenSigner:
    """Make a key pair in a token under the URI's label and return it.

    Raises:
        StorageError: the token holds such a key already, or refuses.
    """
    where = TokenKey.from_uri(uri)
    pkcs11 = _library()
    with suppress(StorageError):
        open_token_key(uri)
        raise InvalidRequestError(
            f"the token {where.token!r} holds a key {where.label!r} already; choose another name"
        )
    try:
        _generate(_session(where), where.label, ed25519=ed25519)
    except pkcs11.exceptions.PKCS11Error as error:
        raise _refused(where, error) from None
    return open_token_key(uri)


def _generate(session: Any, label: str, *, ed25519: bool) -> None:
    pkcs11 = _library()
    kind = pkcs11.KeyType.EC_EDWARDS if ed25519 else pkcs11.KeyType.EC
    curve = _EDWARDS25519 if ed25519 else _P256
    parameters = session.create_domain_parameters(
        kind, {pkcs11.Attribute.EC_PARAMS: curve}, local=True
    )
    options: Mapping[str, Any] = (
        {"mechanism": pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN} if ed25519 else {}
    )
    parameters.generate_keypair(store=True, label=label, **options)


def _public_key(public: Any) -> PublicKey:
    pkcs11 = _library()
    point = der.read_one(bytes(public[pkcs11.Attribute.EC_POINT])).expect(der.OCTET_STRING).content
    if public.key_type == pkcs11.KeyType.EC_EDWARDS:
        return Ed25519PublicKey.from_public_bytes(point)
    from pkcs11.util.ec import encode_ec_public_key

    key: Any = load_der_public_key(encode_ec_public_key(public))
    return key  # type: ignore[no-any-return]


def _session(where: TokenKey) -> Any:
    """Log in once per token and process; PKCS#11 logs in a process, not a session."""
    place = (where.module, where.token)
    if place not in _SESSIONS:
        pkcs11 = _library()
        token = pkcs11.lib(where.module).get_token(token_label=where.token)
        pin = read_secret(where.pin_file, "PIN").decode()
        _SESSIONS[place] = token.open(rw=True, user_pin=pin)
    return _SESSIONS[place]


def _library() -> Any:
    try:
        import pkcs11
        import pkcs11.exceptions
    except ImportError:
        raise MissingPartError(HOW) from None
    return pkcs11


def _refused(where: TokenKey, error: Exception) -> StorageError:
    reason = {
        "PKCS11Error": f"the library {where.module} cannot be loaded",
        "PinIncorrect": "the PIN is wrong",
        "NoSuchToken": "there is no such token",
        "NoSuchKey": "the token holds no such key",
        "PinLocked": "the PIN is locked after too many wrong ones",
    }.get(type(error).__name__, f"the token refused: {type(error).__name__}")
    return StorageError(f"key {where.label!r} in token {where.token!r}: {reason}")
