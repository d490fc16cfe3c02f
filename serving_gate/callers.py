"""Who calls: API keys, tokens, signatures and client certificates; what they may use, how often.

A callers file (``docs/reference/gate_callers.md``) is::

    {"callers": [{"name", "key_sha256" | "access_key" | "certificate_subject",
                  "deployments": ["*"], "requests_per_second", "burst"}],
     "issuers": [{"name", "issuer", "audience", "jwks_file" | "jwks_url", …}]}

Keys are made by us with 256 random bits, so a plain digest cannot be guessed back; secrets of
access keys are derived (``sigv4.py``). Without a callers file everyone is ``anonymous``.
"""

from __future__ import annotations

import hashlib
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from govern.errors import GovernError, MalformedError
from govern.transparency.canonical import parse_json
from serving_gate import sigv4
from serving_gate.heads import RequestHead
from serving_gate.key_sets import KeySet, source
from serving_gate.rates import Rate
from serving_gate.tokens import Issuer, Token, open_token

CACHE_MAX = 4096
MASTER = "sigv4.key"
MASTER_BYTES_MIN = 32
NOBODY = "send a gate key or a token as Authorization: Bearer"
_NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,128}")
_CREDENTIALS = {
    "key_sha256": (re.compile(r"[0-9a-f]{64}"), "64 hexadecimal digits"),
    "access_key": (re.compile(r"[A-Z0-9]{16,64}"), "16 to 64 capitals and digits"),
    "certificate_subject": (re.compile(r".{1,512}"), "an RFC 4514 name of at most 512 characters"),
}


@dataclass(frozen=True, slots=True)
class Caller:
    """A known caller, the deployments it may use (``*``: all) and how often it may ask."""

    name: str
    deployments: frozenset[str]
    rate: Rate | None = None

    def may_use(self, deployment: str) -> bool:
        """Say whether this caller may use a deployment."""
        return "*" in self.deployments or deployment in self.deployments


ANONYMOUS = Caller("anonymous", frozenset("*"))


@dataclass(frozen=True, slots=True)
class Accepted:
    """An issuer, what its tokens' bearers may do, and its keys."""

    issuer: Issuer
    deployments: frozenset[str]
    deployments_claim: str | None
    rate: Rate | None
    keys: KeySet

    def caller(self, token: Token) -> Caller:
        """Return the caller that a verified token names."""
        allowed = self.deployments
        if self.deployments_claim is not None:
            claimed = token.claims.get(self.deployments_claim, [])
            named = claimed.split() if isinstance(claimed, str) else claimed
            named = frozenset(map(str, named)) if isinstance(named, list) else frozenset[str]()
            allowed = named if "*" in allowed else named & allowed
            allowed -= {"*"}  # an issuer names deployments; everything is ours to give
        return Caller(token.caller, allowed, self.rate)


@dataclass(frozen=True, slots=True)
class Known:
    """What a callers file says."""

    keys: Mapping[str, Caller]
    access_keys: Mapping[str, Caller]
    subjects: Mapping[str, Caller]
    issuers: tuple[Accepted, ...]

    @classmethod
    def from_json(cls, value: Any, folder: Path) -> Known:
        """Read a callers file's content; files it names lie in ``folder``.

        Raises:
            MalformedError: a row is not what it should be.
        """
        by: dict[str, dict[str, Caller]] = {name: {} for name in _CREDENTIALS}
        for row in value["callers"]:
            caller = _caller(row)
            kind, text = _credential(row)
            by[kind][text] = caller
        issuers = tuple(_issuer(row, folder) for row in value.get("issuers", []))
        return cls(by["key_sha256"], by["access_key"], by["certificate_subject"], issuers)


class Callers:
    """Identifies callers; what was once verified is remembered until it ends."""

    def __init__(self, known: Known | None, master: bytes = b"", path: Path | None = None) -> None:
        self.problem: str | None = None
        self._known = known
        self._master = master
        self._path = path
        self._stamp = _stamp(path) if path is not None else None
        self._cache: dict[bytes, tuple[Caller, float]] = {}

    @classmethod
    def load(cls, path: Path) -> Callers:
        """Read a callers file; None there means everyone may call.

        Raises:
            MalformedError: not a callers file.
        """
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return cls(None)
        known, master = _read(data, path), _master(path.with_name(MASTER))
        if known.access_keys and not master:
            raise MalformedError(f"access keys need {MASTER} beside {path.name}")
        return cls(known, master, path)

    def refresh(self) -> None:
        """Read a changed callers file and the issuers' key sets again (blocking).

        What cannot be read changes nothing and stands in ``problem``.
        """
        if self._known is None or self._path is None:
            return
        problem = None
        try:
            stamp = _stamp(self._path)
            if stamp != self._stamp:
                self._known = _read(self._path.read_bytes(), self._path)
                self._master = _master(self._path.with_name(MASTER))
                self._stamp, self._cache = stamp, {}
        except (OSError, GovernError) as error:
            problem = f"the callers file cannot be read: {error}"
        for item in self._known.issuers:
            if item.keys.refresh():
                self._cache = {}
            problem = problem or (None if item.keys.keys else item.keys.problem)
        self.problem = problem

    def identify(
        self, head: RequestHead, body: bytes, certificate_subject: str | None = None
    ) -> Caller | str:
        """Return the caller that the credentials name, or what is wrong with them.

        Args:
            head: the request's head.
            body: its body; signatures cover it.
            certificate_subject: of the client's verified certificate (RFC 4514), if it has one.
        """
        if self._known is None:
            return ANONYMOUS
        fields = head.fields
        credential = fields.get(b"authorization") or fields.get(b"x-api-key")
        if credential is None:
            return self._known.subjects.get(certificate_subject or "", NOBODY)
        found = self._cache.get(credential)
        if found is not None and time.time() < found[1]:
            return found[0]
        if credential.startswith(sigv4.PREFIX):
            return self._signed(head, body, credential)
        return self._bearer(credential)

    def _bearer(self, credential: bytes) -> Caller | str:
        assert self._known is not None
        cache = self._cache  # a refresh meanwhile begins another one
        key = credential[7:] if credential[:7].lower() == b"bearer " else credential
        caller, expires = self._known.keys.get(hashlib.sha256(key).hexdigest()), math.inf
        why = NOBODY
        if caller is None and key.count(b".") == 2:
            for item in self._known.issuers:
                token = open_token(key, item.issuer, item.keys.keys)
                if isinstance(token, Token):
                    caller, expires = item.caller(token), token.expires
                    break
                why = token
        if caller is None:
            return why
        if len(cache) >= CACHE_MAX:
            cache.clear()
        cache[credential] = caller, expires
        return caller

    def _signed(self, head: RequestHead, body: bytes, credential: bytes) -> Caller | str:
        assert self._known is not None
        signed = sigv4.parse(credential)
        caller = self._known.access_keys.get(signed.access_key) if signed is not None else None
        if signed is None or caller is None or not self._master:
            return "the access key is not known here"
        secret = sigv4.derive_secret(self._master, signed.access_key)
        why = sigv4.why_refused(head, body, signed, secret, time.time())
        return caller if why is None else why

    @property
    def open(self) -> bool:
        """Whether anyone may call without a key."""
        return self._known is None


def _read(data: bytes, path: Path) -> Known:
    value = parse_json(data)
    try:
        return Known.from_json(value, path.parent)
    except (KeyError, TypeError, AttributeError):
        raise MalformedError(f"{path.name} is not a callers file") from None


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_ino


def _master(path: Path) -> bytes:
    try:
        master = path.read_bytes()
    except FileNotFoundError:
        return b""
    if len(master) < MASTER_BYTES_MIN:
        raise MalformedError(f"{path.name} has fewer than {MASTER_BYTES_MIN} bytes")
    return master


def _credential(row: Mapping[str, Any]) -> tuple[str, str]:
    """Return by what a row's caller is known, and the text of it."""
    named = [name for name in _CREDENTIALS if name in row]
    if len(named) != 1:
        raise MalformedError(f"a caller has one of {', '.join(_CREDENTIALS)}")
    pattern, sentence = _CREDENTIALS[named[0]]
    if not isinstance(row[named[0]], str) or not pattern.fullmatch(row[named[0]]):
        raise MalformedError(f"{named[0]} is {sentence}")
    return named[0], row[named[0]]


def _deployments(row: Mapping[str, Any]) -> frozenset[str]:
    deployments = row.get("deployments", ["*"])
    if not isinstance(deployments, list):
        raise MalformedError("deployments is a list of names")
    return frozenset(map(str, deployments))


def _caller(row: dict[str, Any]) -> Caller:
    if not isinstance(row["name"], str) or not _NAME.fullmatch(row["name"]):
        raise MalformedError("a caller has a name of 1 to 128 printable characters")
    return Caller(row["name"], _deployments(row), Rate.from_json(row))


def _issuer(row: dict[str, Any], folder: Path) -> Accepted:
    claim = row.get("deployments_claim")
    return Accepted(
        issuer=Issuer.from_json(row),
        deployments=_deployments(row),
        deployments_claim=None if claim is None else str(claim),
        rate=Rate.from_json(row),
        keys=KeySet(source(row, folder)),
    )
