"""The service's API as the CI step asks it: evidence, packs and what the service would decide.

A token goes over TLS, or to this machine. No redirect is followed and no proxy used; answers
have a limit. Everything that comes is checked by who asked, as if it came from a stranger.
"""

from __future__ import annotations

import http.client
import json
import stat
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from govern.adapters.http_reading import ask_once
from govern.domain.dossier import unpack
from govern.errors import InvalidRequestError, MalformedError, PolicyError, ServiceError
from govern.policy.document import PACK_BYTES_MAX, Pack, load_pack
from govern.transparency.canonical import parse_json

EVIDENCE_BYTES_MAX = 512 << 20
JSON_BYTES_MAX = 64 << 20
PACKS_MAX = 1_000
TOKEN_BYTES_MAX = 4 << 10
ANSWER_SECONDS = 60.0
_LOCAL = ("127.0.0.1", "::1", "localhost")
_KINDS = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}


def read_token(path: Path) -> str:
    """Return the token that a file holds.

    Raises:
        InvalidRequestError: it cannot be read, others may read it, or it holds no token.
    """
    try:
        mode, data = path.stat().st_mode, path.read_bytes()[: TOKEN_BYTES_MAX + 1]
    except OSError as error:
        raise InvalidRequestError(f"cannot read the token file {path}: {error.strerror}") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise InvalidRequestError(f"others may read {path}; run: chmod 600 {path}")
    text = data.decode("ascii", "replace").strip()
    if len(data) > TOKEN_BYTES_MAX or not text.isprintable() or " " in text or not text:
        raise InvalidRequestError(f"{path} holds no API token; one line is expected")
    return text


class Service:
    """One service, and the token for it.

    Args:
        url: ``https://HOST[:PORT][/PREFIX]``; ``http`` only to this machine.
        token: an API token with the scope ``read``.

    Raises:
        InvalidRequestError: not such an address.
    """

    def __init__(self, url: str, token: str) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise InvalidRequestError(f"not an address of a service: {url[:100]!r}") from None
        if parts.scheme not in _KINDS or not parts.hostname or parts.query or parts.fragment:
            raise InvalidRequestError(f"a service is https://HOST[:PORT], got {url[:100]!r}")
        if parts.username is not None:
            raise InvalidRequestError("name the token in --token-file, not in the address")
        if parts.scheme == "http" and parts.hostname not in _LOCAL:
            raise InvalidRequestError(f"a token goes over https, not to {url[:100]!r}")
        self.url = url
        self._kind, self._host, self._port = _KINDS[parts.scheme], parts.hostname, port
        self._prefix = parts.path.rstrip("/") + "/api/v1"
        self._token = token

    def evidence(self, candidate: str) -> dict[str, bytes]:
        """Return the evidence folder of a candidate, without the model's bytes.

        Raises:
            ServiceError: no answer, or a refusal.
            MalformedError: what came is no evidence folder.
        """
        return unpack(self._get(f"/candidates/{candidate}/evidence", EVIDENCE_BYTES_MAX))

    def packs(self) -> list[Pack]:
        """Return the packs that the service decides under.

        Raises:
            ServiceError: no answer, or a refusal.
            PolicyError: one of them cannot be read, or is not what its digest says.
        """
        rows = self._json("/packs").get("packs")
        if not isinstance(rows, list) or len(rows) > PACKS_MAX:
            raise PolicyError(f"{self.url} gave no list of at most {PACKS_MAX} packs")
        return [_pack(row, self.url) for row in rows]

    def decision_digest(self, candidate: str, day: date) -> str:
        """Return the digest of what the service would decide as of a day.

        Raises:
            ServiceError: no answer, or a refusal.
        """
        value = self._json(f"/candidates/{candidate}/evaluation?as_of={day.isoformat()}")
        return str(value.get("decision_digest", ""))

    def _json(self, path: str) -> dict[str, Any]:
        try:
            value = parse_json(self._get(path, JSON_BYTES_MAX), bytes_max=JSON_BYTES_MAX)
        except MalformedError as error:
            raise ServiceError(f"{self.url} answered no JSON: {error}") from None
        if not isinstance(value, dict):
            raise ServiceError(f"{self.url} answered no JSON object")
        return value

    def _get(self, path: str, bytes_max: int) -> bytes:
        connection = self._kind(self._host, self._port, timeout=ANSWER_SECONDS)
        headers = {"Authorization": f"Bearer {self._token}", "Accept-Encoding": "identity"}
        response, data = ask_once(
            connection,
            "GET",
            self._prefix + path,
            who=f"the service at {self.url}",
            failure=ServiceError,
            bytes_max=bytes_max,
            headers=headers,
        )
        if response.status != 200:
            raise ServiceError(f"the service at {self.url} answered {_refusal(response, data)}")
        return data


def _pack(row: Any, url: str) -> Pack:
    source = row.get("source") if isinstance(row, dict) else None
    if not isinstance(source, str) or len(source) > PACK_BYTES_MAX:
        raise PolicyError(f"{url} gave a pack without its text")
    pack = load_pack(source.encode(), f"{str(row.get('id'))[:100]}/policy.yaml")
    if pack.digest != row.get("digest"):
        raise PolicyError(f"{url} gave other bytes of {pack.id} than their digest says")
    return pack


def _refusal(response: http.client.HTTPResponse, data: bytes) -> str:
    """Return status and the problem's detail (RFC 9457), printable and short."""
    try:
        detail = json.loads(data[:10_000]).get("detail", "")
    except (ValueError, AttributeError):
        detail = response.reason
    shown = "".join(letter for letter in str(detail)[:300] if letter.isprintable())
    return f"{response.status}: {shown or response.reason}"
