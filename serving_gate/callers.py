"""Who calls: API keys, kept only as SHA-256 digests.

A callers file is ``{"callers": [{"name", "key_sha256", "deployments": ["*"]}]}``. Keys
are made by us with 256 random bits, so a plain digest cannot be guessed back. Without a
callers file everyone is ``anonymous``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from govern.errors import MalformedError
from govern.transparency.canonical import parse_json

CACHE_MAX = 4096
_KEY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Caller:
    """A known caller and the deployments it may use (``*``: all)."""

    name: str
    deployments: frozenset[str]

    def may_use(self, deployment: str) -> bool:
        """Say whether this caller may use a deployment."""
        return "*" in self.deployments or deployment in self.deployments


ANONYMOUS = Caller("anonymous", frozenset("*"))


class Callers:
    """Callers by the digest of their key."""

    def __init__(self, known: dict[str, Caller] | None) -> None:
        self._known = known
        self._cache: dict[bytes, Caller] = {}

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
        value = parse_json(data)
        try:
            known = {_digest(row["key_sha256"]): _caller(row) for row in value["callers"]}
        except (KeyError, TypeError):
            raise MalformedError(f"{path.name} is not a callers file") from None
        return cls(known)

    def identify(self, fields: Mapping[bytes, bytes]) -> Caller | None:
        """Return the caller that the credentials name, or None."""
        if self._known is None:
            return ANONYMOUS
        credential = fields.get(b"authorization") or fields.get(b"x-api-key")
        if credential is None:
            return None
        caller = self._cache.get(credential)
        if caller is None:
            key = credential[7:] if credential[:7].lower() == b"bearer " else credential
            caller = self._known.get(hashlib.sha256(key).hexdigest())
            if caller is not None:
                if len(self._cache) >= CACHE_MAX:
                    self._cache.clear()
                self._cache[credential] = caller
        return caller

    @property
    def open(self) -> bool:
        """Whether anyone may call without a key."""
        return self._known is None


def _digest(text: object) -> str:
    if not isinstance(text, str) or not _KEY.fullmatch(text):
        raise MalformedError("key_sha256 is 64 hexadecimal digits")
    return text


def _caller(row: dict[str, object]) -> Caller:
    deployments = row.get("deployments", ["*"])
    if not isinstance(deployments, list) or not isinstance(row["name"], str):
        raise MalformedError("a caller has a name and a list of deployments")
    return Caller(row["name"], frozenset(map(str, deployments)))
