"""JSON Web Tokens of OpenID Connect issuers: who calls, by somebody else's word.

Signatures, times, issuer and audience are verified by PyJWT; what is fixed here is that
nothing in a token chooses how it is verified (RFC 8725): algorithms come from an allow-list
of asymmetric ones, keys from the issuer's key set by ``kid``, and the token's own ``jwk``,
``jku`` and ``x5u`` are never looked at. ``crit`` is refused, for no extension is understood.

It does not fetch keys: see ``key_sets.py``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from govern.errors import MalformedError
from govern.transparency.canonical import parse_json

ALGORITHMS = ("RS256", "ES256", "EdDSA")
TOKEN_BYTES_MAX = 8 << 10
LEEWAY_SECONDS_MAX = 300.0
KEYS_MAX = 100
RSA_BITS_MIN = 2048
_NAME = re.compile(r"[!-~]{1,128}")
_SHORT = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")


@dataclass(frozen=True, slots=True)
class Issuer:
    """Whose tokens are accepted, and for what.

    Args:
        name: what callers' names begin with, ``name:subject``.
        issuer: what ``iss`` must be, exactly.
        audience: what ``aud`` must be or contain.
        algorithms: accepted ones, a part of ``ALGORITHMS``.
        claim: which claim names the caller.
        kind: what the header's ``typ`` must be (RFC 9068: ``at+jwt``); None: anything.
        leeway_seconds: how far clocks may differ.
    """

    name: str
    issuer: str
    audience: str
    algorithms: tuple[str, ...]
    claim: str
    kind: str | None
    leeway_seconds: float

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Issuer:
        """Read a row of ``issuers``.

        Raises:
            MalformedError: a field is missing or of another form.
        """
        algorithms = row.get("algorithms", list(ALGORITHMS))
        if not isinstance(algorithms, list) or not algorithms or set(algorithms) - {*ALGORITHMS}:
            raise MalformedError(f"algorithms are some of {', '.join(ALGORITHMS)}")
        leeway = row.get("leeway_seconds", 0)
        if isinstance(leeway, bool) or not isinstance(leeway, (int, float)):
            raise MalformedError("leeway_seconds is a number")
        if not 0 <= leeway <= LEEWAY_SECONDS_MAX:
            raise MalformedError(f"leeway_seconds lies between 0 and {LEEWAY_SECONDS_MAX:g}")
        if not _SHORT.fullmatch(str(row.get("name"))):
            raise MalformedError("an issuer's name is lower-case letters, digits, dots, hyphens")
        claim, kind = row.get("claim", "sub"), row.get("type")
        texts = (row.get("issuer"), row.get("audience"), claim, kind or "any")
        if not all(isinstance(text, str) and text for text in texts):
            raise MalformedError(
                "an issuer has the texts issuer and audience, maybe claim and type"
            )
        return cls(
            name=row["name"],
            issuer=row["issuer"],
            audience=row["audience"],
            algorithms=tuple(algorithms),
            claim=claim,
            kind=kind,
            leeway_seconds=float(leeway),
        )


def read_keys(data: bytes) -> dict[str, jwt.PyJWK]:
    """Read a JSON Web Key Set (RFC 7517): its public signature keys by ``kid``.

    Keys of other kinds are left out: shared secrets, encryption keys, unknown curves.

    Raises:
        MalformedError: not a key set, or one with more than a hundred keys or a weak one.
    """
    value = parse_json(data)
    rows = value.get("keys") if isinstance(value, dict) else None
    if not isinstance(rows, list) or len(rows) > KEYS_MAX:
        raise MalformedError(f"a key set has a list of at most {KEYS_MAX} keys")
    found: dict[str, jwt.PyJWK] = {}
    for row in rows:
        if not isinstance(row, dict) or row.get("kty") not in ("RSA", "EC", "OKP"):
            continue
        if row.get("use", "sig") != "sig":
            continue
        key = _key(row)
        if key is not None:
            found[str(row.get("kid", ""))] = key
    return found


def _key(row: dict[str, Any]) -> jwt.PyJWK | None:
    public = {name: value for name, value in row.items() if name not in ("d", "p", "q", "k")}
    try:
        key = jwt.PyJWK(public)
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    if isinstance(key.key, RSAPublicKey) and key.key.key_size < RSA_BITS_MIN:
        raise MalformedError(f"an RSA key has fewer than {RSA_BITS_MIN} bits")
    return key if key.algorithm_name in ALGORITHMS else None


@dataclass(frozen=True, slots=True)
class Token:
    """A verified token: who, with which claims, until when (seconds since 1970)."""

    caller: str
    claims: Mapping[str, Any]
    expires: float


def open_token(text: bytes, issuer: Issuer, keys: Mapping[str, jwt.PyJWK]) -> Token | str:
    """Verify a token of an issuer as of now; return it, or why it is refused.

    Args:
        text: the token as it came.
        issuer: whose it should be.
        keys: the issuer's keys by ``kid``.
    """
    if len(text) > TOKEN_BYTES_MAX:
        return f"a token has at most {TOKEN_BYTES_MAX} bytes"
    try:
        header = jwt.get_unverified_header(text)
        key = _choose(header, issuer, keys)
        if isinstance(key, str):
            return key
        claims = jwt.decode(
            text,
            key,
            algorithms=list(issuer.algorithms),
            issuer=issuer.issuer,
            audience=issuer.audience,
            leeway=issuer.leeway_seconds,
            options={"require": ["exp", "iss", "aud", issuer.claim]},
        )
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        return f"the token does not verify: {type(error).__name__}"
    subject = claims[issuer.claim]
    if not isinstance(subject, str) or not _NAME.fullmatch(subject):
        return f"the token's {issuer.claim} is not a name of 1 to 128 characters"
    return Token(f"{issuer.name}:{subject}", claims, float(claims["exp"]) + issuer.leeway_seconds)


def _choose(
    header: Mapping[str, Any], issuer: Issuer, keys: Mapping[str, jwt.PyJWK]
) -> jwt.PyJWK | str:
    if header.get("alg") not in issuer.algorithms:
        return "the token's algorithm is not accepted"
    if "crit" in header:
        return "the token has critical extensions, and none is understood"
    if issuer.kind is not None and str(header.get("typ", "")).lower() != issuer.kind.lower():
        return f"the token's type is not {issuer.kind}"
    kid = header.get("kid")
    key = keys.get(kid) if isinstance(kid, str) else None
    if kid is None and len(keys) == 1:
        key = next(iter(keys.values()))
    if key is None:
        return "the token's key is not in the issuer's key set"
    if key.algorithm_name != header["alg"]:
        return "the token's algorithm is not its key's"
    return key
