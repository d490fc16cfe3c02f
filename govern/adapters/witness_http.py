"""C2SP tlog-witness over HTTP: a small WSGI application, and the client that asks it.

``POST /add-checkpoint`` and ``GET /<sha256 of the origin>/checkpoint``. It decides
nothing: see ``govern.transparency.witnessing``. The client follows no redirects and uses
no proxy.
"""

from __future__ import annotations

import hashlib
import http.client
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from govern.adapters.http_reading import ask_once
from govern.adapters.witness_files import WitnessFiles
from govern.errors import GovernError, InvalidRequestError, StorageError
from govern.transparency.witnessing import REQUEST_BYTES_MAX, Answer

ANSWER_BYTES_MAX = 64 << 10
ANSWER_SECONDS = 20.0
StartResponse = Callable[[str, list[tuple[str, str]]], Any]
Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


def make_application(witness: WitnessFiles) -> Application:
    """Return the WSGI application of a witness."""

    def application(environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
        answer = _answer(witness, environ)
        body = answer.body.encode()
        status = f"{answer.status} {HTTPStatus(answer.status).phrase}"
        headers = [("Content-Type", answer.content_type), ("Content-Length", str(len(body)))]
        start(status, [*headers, ("Cache-Control", "no-store")])
        return [body]

    return application


def _answer(witness: WitnessFiles, environ: dict[str, Any]) -> Answer:
    method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
    try:
        if path == "/add-checkpoint":
            return _add(witness, environ) if method == "POST" else Answer(405, "use POST\n")
        if method == "GET" and path.endswith("/checkpoint"):
            return _stored(witness, path.removesuffix("/checkpoint").removeprefix("/"))
    except GovernError as error:
        return Answer(503, f"{error}\n")
    return Answer(404, "no such page\n")


def _add(witness: WitnessFiles, environ: dict[str, Any]) -> Answer:
    length = environ.get("CONTENT_LENGTH") or "0"
    if not length.isdigit() or int(length) > REQUEST_BYTES_MAX:
        return Answer(413, f"a request has at most {REQUEST_BYTES_MAX} bytes\n")
    return witness.add_checkpoint(environ["wsgi.input"].read(int(length)))


def _stored(witness: WitnessFiles, wanted: str) -> Answer:
    for origin, note in witness.notes().items():
        if hashlib.sha256(origin.encode()).hexdigest() == wanted:
            return Answer(200, note)
    return Answer(404, "this witness cosigned no checkpoint of such a log\n")


def serve(witness: WitnessFiles, host: str, port: int, ready: Callable[[int], None]) -> None:
    """Serve until the process is told to end.

    Args:
        witness: the witness.
        host: address to listen on.
        port: 0 picks a free one.
        ready: called with the port once connections are taken.
    """
    import waitress

    server = waitress.create_server(
        make_application(witness),
        host=host,
        port=port,
        threads=4,
        ident=None,
        max_request_header_size=16 << 10,
        max_request_body_size=REQUEST_BYTES_MAX + 1,
        channel_timeout=int(ANSWER_SECONDS),
    )
    ready(int(server.effective_port))
    server.run()


def ask(url: str, body: str) -> Answer:
    """Send an ``add-checkpoint`` body to a witness.

    Args:
        url: the witness's submission prefix, such as ``https://witness.example``.
        body: the request.

    Raises:
        InvalidRequestError: not an address.
        StorageError: no answer came, or one that is too long.
    """
    connection, prefix = _connect(url)
    response, data = ask_once(
        connection,
        "POST",
        f"{prefix}/add-checkpoint",
        who=f"the witness at {url}",
        failure=StorageError,
        bytes_max=ANSWER_BYTES_MAX,
        body=body.encode(),
    )
    return Answer(response.status, data.decode("utf-8", "replace"))


def _connect(url: str) -> tuple[http.client.HTTPConnection, str]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InvalidRequestError(f"not an address of a witness: {url[:100]!r}") from None
    kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
    if parts.scheme not in kinds or not parts.hostname or parts.query or parts.fragment:
        raise InvalidRequestError(f"a witness is http(s)://HOST[:PORT][/PREFIX], got {url[:100]!r}")
    connection = kinds[parts.scheme](parts.hostname, port, timeout=ANSWER_SECONDS)
    return connection, parts.path.rstrip("/")
