"""Candidates that answer over the network: a server that the card names, in its own protocol.

Protocols: Open Inference Protocol V2 (``/v2/models/NAME/infer``, or gRPC's ``ModelInfer``), KServe V1
(``/v1/models/NAME:predict``), MLflow and SageMaker ``/invocations`` (``dataframe_split``), and
plain JSON by a mapping that the card declares. Requests and answers have limits; a request is
asked again a few times where the server was busy or away, never where it said no.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import Queue
from typing import Any, Protocol, Self
from urllib.parse import SplitResult, urlsplit

import numpy as np

from govern.adapters.candidates.card import Card
from govern.adapters.candidates.infer_messages import outputs, request
from govern.adapters.candidates.judging import judged
from govern.adapters.candidates.process import watch_nothing
from govern.adapters.candidates.remote_grpc import GrpcClient
from govern.adapters.candidates.scores import answer, with_codes
from govern.errors import CandidateError, InvalidRequestError

ANSWER_BYTES_MAX = 64 << 20
ATTEMPTS_MAX = 4
RETRY_STATUS = (429, 502, 503, 504)
WAIT_SECONDS = 0.2
ROWS_PER_REQUEST = 2_000
ROWS_PER_REQUEST_MAX = 100_000
SECONDS = 30.0
PATH_PARTS_MAX = 16
REQUESTS_AT_ONCE_MAX = 32
GRPC = "v2-grpc"
Pair = tuple[Any, Any]


@dataclass(frozen=True, slots=True)
class Server:
    """Where a candidate answers and how it is asked.

    Args:
        protocol: one of ``v2``, ``v2-grpc``, ``v1``, ``invocations``, ``json``.
        url: scheme, host and port; for ``invocations`` and ``json`` the path as well.
        model: the model's name in ``v1`` and ``v2``.
        rows_per_request: rows sent in one request.
        mapping: for ``json``: ``rows`` is the request's key; ``score`` the path to the scores.
        requests_at_once: requests under way together.
    """

    protocol: str
    url: str
    model: str
    rows_per_request: int
    mapping: Mapping[str, Any]
    requests_at_once: int = 1

    @classmethod
    def read(cls, card: Card) -> Server:
        """Read the card's ``server``.

        Raises:
            InvalidRequestError: it names no protocol or address.
        """
        value = card.value.get("server")
        if not isinstance(value, Mapping) or value.get("protocol") not in _PROTOCOLS:
            raise InvalidRequestError(
                f"the card's `server` needs a `protocol`, one of {', '.join(_PROTOCOLS)}"
            )
        url = urlsplit(str(value.get("url", "")))
        protocol = str(value["protocol"])
        schemes = ("grpc", "grpcs") if protocol == GRPC else ("http", "https")
        if url.scheme not in schemes or not url.hostname or url.username:
            raise InvalidRequestError(
                f"the card's `server` needs a `url`, {' or '.join(schemes)}, no user"
            )
        rows = _count(value, "rows_per_request", ROWS_PER_REQUEST, ROWS_PER_REQUEST_MAX)
        together = _count(value, "requests_at_once", 1, REQUESTS_AT_ONCE_MAX)
        model, mapping = str(value.get("model", "")), value.get("mapping", {})
        if protocol in ("v1", "v2", GRPC) and not model:
            raise InvalidRequestError("the card's `server` needs the `model`'s name")
        return cls(protocol, url.geturl(), model, rows, dict(mapping), together)


def _count(value: Mapping[str, Any], name: str, usual: int, most: int) -> int:
    count = value.get(name, usual)
    if type(count) is not int or not 0 < count <= most:
        raise InvalidRequestError(f"`{name}` is 1 to {most}")
    return count


class RemoteModel:
    """A candidate on a server.

    Args:
        card: its card, with ``server``.
        seconds: for one request.
    """

    def __init__(self, card: Card, *, seconds: float = SECONDS) -> None:
        self.card, self.server = card, Server.read(card)
        self.columns, self.protected = list(card.columns), list(card.protected)
        self.task = card.task
        self.watch: Callable[[int], None] = watch_nothing
        self.alive = True
        self._clients = [self._client(seconds) for _ in range(self.server.requests_at_once)]
        self._free: Queue[Client] = Queue()
        for client in self._clients:
            self._free.put(client)
        self._body, self._pair = _PROTOCOLS[self.server.protocol]
        self.device: dict[str, Any] = {
            "kind": "remote",
            "protocol": self.server.protocol,
            "url": self.server.url,
            "rows_per_batch": self.server.rows_per_request,
            "requests_at_once": self.server.requests_at_once,
            "sandbox": {"level": "none", "lacks": ["the candidate runs on a server of its own"]},
            **self._counted(),
        }

    def _client(self, seconds: float) -> Client:
        url = urlsplit(self.server.url)
        if self.server.protocol != GRPC:
            return _Client(url, seconds)
        return GrpcClient(
            url,
            seconds,
            attempts_max=ATTEMPTS_MAX,
            wait_seconds=WAIT_SECONDS,
            answer_bytes_max=ANSWER_BYTES_MAX,
        )

    def _counted(self) -> dict[str, Any]:
        """Return what all clients asked together."""
        told = [client.counted() for client in self._clients]
        summed = {name: sum(one[name] for one in told) for name in ("requests", "retries")}
        return {**summed, "server": next((one["server"] for one in told if one["server"]), "")}

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *error: object) -> None:
        """End the connection."""
        self.close()

    def close(self) -> None:
        """End the connections."""
        for client in self._clients:
            client.close()

    def stop(self) -> None:
        """Ask nothing more."""
        self.alive = False

    def predict(
        self, rows: np.ndarray, protected: Mapping[str, Any] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Answer a batch; see ``SandboxedModel.predict``."""
        codes = self.card.codes(protected or {}, len(rows))
        size = self.server.rows_per_request
        batches = [slice(low, low + size) for low in range(0, max(1, len(rows)), size)]
        parts = []
        with ThreadPoolExecutor(len(self._clients)) as pool:
            ask = lambda part: self._ask(rows[part], {k: v[part] for k, v in codes.items()})  # noqa: E731
            try:
                for pair in pool.map(ask, batches):
                    parts.append(pair)
                    self.watch(len(pair[0]))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
            finally:
                self.device.update(self._counted())
        labels, scores = zip(*parts, strict=True)
        return np.concatenate(labels), np.concatenate(scores)

    def _ask(self, rows: np.ndarray, codes: Mapping[str, np.ndarray]) -> Pair:
        if not self.alive:
            raise CandidateError("the check was stopped")
        path, body = self._body(self.server, self.columns, rows, codes)
        client = self._free.get()
        try:
            value = client.post(path, body)
        finally:
            self._free.put(client)
        try:
            labels, scores = self._pair(self.server, value)
        except (KeyError, TypeError, IndexError, ValueError):
            raise CandidateError(
                f"the server's answer is not that of {self.server.protocol}: {_shown(value)}"
            ) from None
        if labels is None:
            labels, scores = answer(scores, self.card.value)
        return judged(labels, scores, len(rows), self.task)


class Client(Protocol):
    """Asks one server, one request at a time."""

    def post(self, path: str, body: Any) -> Any:
        """Return the server's answer to a request."""

    def counted(self) -> dict[str, Any]:
        """Return ``requests``, ``retries`` and what the ``server`` calls itself."""

    def close(self) -> None:
        """End the connection."""


def _shown(value: Any) -> str:
    try:
        return json.dumps(value)[:120]
    except TypeError:
        return str(value)[:120]


class _Client:
    """Posts JSON to one server, over one connection at a time."""

    def __init__(self, url: SplitResult, seconds: float) -> None:
        self._url, self._seconds = url, seconds
        self._connection: http.client.HTTPConnection | None = None
        self.requests = self.retries = 0
        self.software = ""

    def post(self, path: str, body: Any) -> Any:
        """Return the answer's JSON.

        Raises:
            CandidateError: no answer in time, a refusal, too long, or no JSON.
        """
        data = json.dumps(body, allow_nan=False).encode()
        why = ""
        for attempt in range(ATTEMPTS_MAX):
            if attempt:
                self.retries += 1
                time.sleep(WAIT_SECONDS * 2**attempt)
            try:
                status, answered = self._once(path, data)
            except (OSError, http.client.HTTPException) as error:
                self.close()
                why = f"{type(error).__name__}: {error}"[:160]
                continue
            if status == 200:
                return _json(answered)
            why = f"status {status}: {answered[:120].decode('utf-8', 'replace')}"
            if status not in RETRY_STATUS:
                raise CandidateError(f"the candidate's server refused: {why}")
        raise CandidateError(
            f"the candidate's server did not answer in {ATTEMPTS_MAX} attempts: {why}"
        )

    def counted(self) -> dict[str, Any]:
        """Return what was asked so far, and what the server calls itself."""
        return {"requests": self.requests, "retries": self.retries, "server": self.software}

    def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _once(self, path: str, data: bytes) -> tuple[int, bytes]:
        if self._connection is None:
            secure = self._url.scheme == "https"
            kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
            host = str(self._url.hostname)
            self._connection = kind(host, self._url.port, timeout=self._seconds)
        self.requests += 1
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        self._connection.request("POST", path or self._url.path or "/", data, headers)
        response = self._connection.getresponse()
        self.software = (response.getheader("Server") or "")[:80]
        answered = response.read(ANSWER_BYTES_MAX + 1)
        if len(answered) > ANSWER_BYTES_MAX:
            self.close()
            raise CandidateError(f"the server's answer is over {ANSWER_BYTES_MAX} bytes")
        return response.status, answered


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise CandidateError("the server's answer is not JSON") from None


def _plain(array: np.ndarray) -> list[Any]:
    """Return nested lists; a missing number is null."""
    if array.dtype.kind != "f":
        return list(array.tolist())
    plain = array.astype(object)
    plain[np.isnan(array)] = None
    return list(plain.tolist())


def _v2_body(
    server: Server, columns: list[str], rows: np.ndarray, codes: Mapping[str, np.ndarray]
) -> Pair:
    def tensor(name: str, datatype: str, array: np.ndarray) -> dict[str, Any]:
        shape, data = list(array.shape), _plain(array.ravel())
        return {"name": name, "datatype": datatype, "shape": shape, "data": data}

    inputs = [tensor("x", "FP32", rows.astype(np.float32))]
    inputs += [tensor(name, "INT64", values) for name, values in codes.items()]
    return f"/v2/models/{server.model}/infer", {"inputs": inputs}


def _grpc_body(
    server: Server, columns: list[str], rows: np.ndarray, codes: Mapping[str, np.ndarray]
) -> Pair:
    inputs = {"x": ("FP32", rows)} | {name: ("INT64", values) for name, values in codes.items()}
    return "", request(server.model, inputs)


def _grpc_pair(server: Server, value: Any) -> Pair:
    found = outputs(value)
    return found.get("label"), found["score"].astype(float)


def _v2_pair(server: Server, value: Any) -> Pair:
    found = {item["name"]: np.asarray(item["data"]) for item in value["outputs"]}
    return found.get("label"), found["score"].astype(float)


def _v1_body(
    server: Server, columns: list[str], rows: np.ndarray, codes: Mapping[str, np.ndarray]
) -> Pair:
    instances = _plain(with_codes(rows, codes))
    return f"/v1/models/{server.model}:predict", {"instances": instances}


def _predictions(server: Server, value: Any) -> Pair:
    return None, np.asarray(value["predictions"], float)


def _invocations_body(
    server: Server, columns: list[str], rows: np.ndarray, codes: Mapping[str, np.ndarray]
) -> Pair:
    data = _plain(with_codes(rows, codes))
    return "", {"dataframe_split": {"columns": [*columns, *codes], "data": data}}


def _json_body(
    server: Server, columns: list[str], rows: np.ndarray, codes: Mapping[str, np.ndarray]
) -> Pair:
    names = [*columns, *codes]
    values = _plain(with_codes(rows, codes))
    if server.mapping.get("row") == "object":
        values = [dict(zip(names, row, strict=True)) for row in values]
    key = server.mapping.get("rows")
    return "", values if key is None else {str(key): values}


def _json_pair(server: Server, value: Any) -> Pair:
    """Follow the mapping's ``score``: keys separated by dots, ``*`` for each item of a list."""
    parts = str(server.mapping.get("score", "*")).split(".")[:PATH_PARTS_MAX]
    return None, np.asarray(_follow(value, parts), float)


def _follow(value: Any, parts: list[str]) -> Any:
    if not parts:
        return value
    if parts[0] == "*":
        return [_follow(item, parts[1:]) for item in value]
    key: Any = int(parts[0]) if isinstance(value, list) else parts[0]
    return _follow(value[key], parts[1:])


_PROTOCOLS: dict[str, tuple[Callable[..., Pair], Callable[[Server, Any], Pair]]] = {
    "v2": (_v2_body, _v2_pair),
    GRPC: (_grpc_body, _grpc_pair),
    "v1": (_v1_body, _predictions),
    "invocations": (_invocations_body, _predictions),
    "json": (_json_body, _json_pair),
}


def read_pair(server: Server, value: Any) -> Pair:
    """Return the labels, None where the protocol has none, and the scores of an answer.

    Raises:
        KeyError, TypeError, IndexError, ValueError: it is no answer of this protocol.
    """
    return _PROTOCOLS[server.protocol][1](server, value)
