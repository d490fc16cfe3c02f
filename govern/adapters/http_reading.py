"""Ask over HTTP once: bounded in time and size, no proxy, no other schemes."""

from __future__ import annotations

import http.client
import urllib.request
from collections.abc import Mapping

from govern.errors import GovernError, InvalidRequestError

FETCH_SECONDS = 10.0


def fetch_page(url: str, bytes_max: int) -> bytes:
    """Return the body of an ``http`` or ``https`` address.

    Raises:
        InvalidRequestError: another address, no answer, or more than ``bytes_max`` bytes.
    """
    if not url.startswith(("http://", "https://")):
        raise InvalidRequestError(f"an address begins with http:// or https://, got {url[:80]!r}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=FETCH_SECONDS) as response:
            data: bytes = response.read(bytes_max + 1)
    except (OSError, ValueError) as error:
        raise InvalidRequestError(f"{url} does not answer: {type(error).__name__}") from None
    if len(data) > bytes_max:
        raise InvalidRequestError(f"{url} answers more than {bytes_max} bytes")
    return data


def ask_once(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    *,
    who: str,
    failure: type[GovernError],
    bytes_max: int,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[http.client.HTTPResponse, bytes]:
    """Send one request, close the connection, and return the answer with its body.

    Args:
        who: whom the sentences speak of, such as ``the witness at https://…``.
        failure: the error raised when no answer comes, or one of over ``bytes_max`` bytes.
    """
    try:
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        data = response.read(bytes_max + 1)
    except (OSError, http.client.HTTPException) as error:
        reason = str(error) or type(error).__name__
        raise failure(f"{who} gave no answer: {reason}") from None
    finally:
        connection.close()
    if len(data) > bytes_max:
        raise failure(f"{who} answered over {bytes_max} bytes")
    return response, data
