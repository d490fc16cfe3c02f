"""Ask the admitted model the probes of an admission, so that its answers can be signed.

By default our own model host answers, started on the candidate's stored bytes by their digest;
for formats that it does not load, a server that the operator started on them.
"""

from __future__ import annotations

import http.client
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from govern.errors import InvalidRequestError

if TYPE_CHECKING:
    from govern.bootstrap import Application

ANSWER_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Asked:
    """Whom the probes are asked for.

    Args:
        candidate: the model's digest.
        deployment: the name it will serve under.
        kind: the upstream's protocol.
        url: where the model is served already; None: our own host is started.
        tolerance: how far numbers of later answers may differ.
    """

    candidate: str
    deployment: str
    kind: str
    url: str | None
    tolerance: float


def answered(application: Application, asked: Asked, file: Path) -> dict[str, Any]:
    """Return the value of an admission's ``upstream.probes``.

    Args:
        application: the opened home.
        asked: whom to ask.
        file: a request body (JSON) a line.

    Raises:
        InvalidRequestError: the file holds no requests, or a request was not answered 200.
        MalformedError: too many, or too large.
    """
    from govern.domain.probes import Probe, checked, infer_path

    bodies = _bodies(file)
    path = infer_path(asked.kind, asked.deployment)
    with _server(application, asked) as url:
        items = [Probe(body, _answer(url, path, body)) for body in bodies]
    return checked(items, asked.tolerance).to_json()


def _bodies(file: Path) -> list[bytes]:
    from govern.domain.probes import PROBE_BYTES_MAX, PROBES_MAX, Probe, checked
    from govern.transparency.canonical import parse_json

    try:
        with open(file, "rb") as opened:
            data = opened.read(PROBE_BYTES_MAX + PROBES_MAX)
    except OSError as error:
        raise InvalidRequestError(f"{file}: {error.strerror}") from None
    bodies = [line.strip() for line in data.split(b"\n") if line.strip()]
    checked([Probe(body, b"") for body in bodies])
    for body in bodies:
        parse_json(body)
    return bodies


@contextmanager
def _server(application: Application, asked: Asked) -> Iterator[str]:
    from govern.cli.processes import Processes

    if asked.url is not None:
        yield asked.url
        return
    files = application.operations.check_files(asked.candidate)
    with tempfile.TemporaryDirectory() as folder, Processes(application.home) as processes:
        for name, stored in files.items():
            target = Path(folder) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(application.blobs.get(stored))
        ready = processes.start_ready(
            "model host for probes",
            ["serving_gate.model_host", "--model-dir", folder, "--digest", asked.candidate,
             "--name", asked.deployment],
        )  # fmt: skip
        yield f"http://127.0.0.1:{ready['port']}"


def _answer(url: str, path: str, body: bytes) -> bytes:
    from govern.adapters.http_reading import ask_once
    from govern.domain.probes import PROBE_BYTES_MAX

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidRequestError(f"a server is http://HOST:PORT, got {url[:80]!r}")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    response, answer = ask_once(
        kind(parts.hostname, parts.port, timeout=ANSWER_SECONDS),
        "POST",
        parts.path.rstrip("/") + path,
        who=f"the server at {url}",
        failure=InvalidRequestError,
        bytes_max=PROBE_BYTES_MAX,
        body=body,
        headers={"content-type": "application/json"},
    )
    if response.status != 200:
        raise InvalidRequestError(f"a probe was answered {response.status}: {answer[:200]!r}")
    return answer
