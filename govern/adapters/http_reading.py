"""Read one page over HTTP: bounded in time and size, no proxy, no other schemes."""

from __future__ import annotations

import urllib.request

from govern.errors import InvalidRequestError

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
