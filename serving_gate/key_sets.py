"""The key sets of token issuers: read from a file or fetched, and kept until a better one comes.

A set that cannot be had or read changes nothing; a key that was taken out of a set stops
counting with the next look. Addresses are ``https``, or ``http`` to this machine; redirects
are not followed.
"""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jwt import PyJWK

from govern.errors import GovernError, InvalidRequestError, MalformedError
from serving_gate.tokens import read_keys

KEY_SET_BYTES_MAX = 1 << 20
FETCH_SECONDS = 5.0
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments: Any) -> None:
        """Follow nothing."""


def fetch(url: str) -> bytes:
    """Return a key set's document (blocking).

    Raises:
        OSError: it cannot be had, redirects, or is larger than a MiB.
    """
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())
    with opener.open(url, timeout=FETCH_SECONDS) as response:
        data: bytes = response.read(KEY_SET_BYTES_MAX + 1)
    if len(data) > KEY_SET_BYTES_MAX:
        raise OSError("the key set is too large")
    return data


def source(row: Mapping[str, Any], folder: Path) -> Callable[[], bytes]:
    """Return how to get the key set that a row names by ``jwks_file`` or ``jwks_url``.

    Raises:
        MalformedError: neither or both, or an address that could be changed on the way.
    """
    file, url = row.get("jwks_file"), row.get("jwks_url")
    if isinstance(file, str) and url is None:
        return (folder / file).read_bytes
    if not isinstance(url, str) or file is not None:
        raise MalformedError("an issuer has a jwks_file or a jwks_url")
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise MalformedError("jwks_url begins with https://")
    return lambda: fetch(url)


class KeySet:
    """One issuer's keys, as last read."""

    def __init__(self, get: Callable[[], bytes]) -> None:
        self.keys: Mapping[str, PyJWK] = {}
        self.problem: str | None = "no key set has been read yet"
        self._get = get
        self._document: bytes | None = None

    def refresh(self) -> bool:
        """Read the set again (blocking); return whether it has changed."""
        try:
            document = self._get()
            if document == self._document:
                self.problem = None
                return False
            self.keys, self._document = read_keys(document), document
        except (OSError, ValueError, GovernError, InvalidRequestError) as error:
            self.problem = f"the key set cannot be read: {type(error).__name__}"
            return False
        self.problem = None if self.keys else "the key set has no key that can be used"
        return True
