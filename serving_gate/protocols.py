"""Which paths and methods each kind of upstream protocol has. Pure; an allow-list.

Everything that is not named here is answered 404 and recorded: model load and unload,
repositories, shared memory, traces, management. A path selects the deployment by name.

| kind | inference | metadata (never inference) |
|---|---|---|
| oip | POST /v2/models/{name}[/versions/{v}]/infer | GET /v2/models/{name}[/ready] |
| kserve-v1 | POST /v1/models/{name}:predict | GET /v1/models/{name} |
| invocations | POST /invocations/{name}, POST /endpoints/{name}/invocations | |
| json | POST /predict/{name} | |
| openai | POST /openai/{name}/v1/chat/completions, …/completions, …/embeddings | |
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from govern.domain.snapshot import Route
from serving_gate.heads import HEADS_REMEMBERED, RequestHead, ResponseHead

_NAME = rb"([a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?)"
_ROUTES: tuple[tuple[str, str, re.Pattern[bytes]], ...] = (
    ("oip", "infer", re.compile(rb"POST /v2/models/" + _NAME + rb"/infer")),
    ("oip", "metadata", re.compile(rb"GET /v2/models/" + _NAME + rb"(?:/ready)?")),
    ("kserve-v1", "infer", re.compile(rb"POST /v1/models/" + _NAME + rb":predict")),
    ("kserve-v1", "metadata", re.compile(rb"GET /v1/models/" + _NAME)),
    ("invocations", "infer", re.compile(rb"POST /endpoints/" + _NAME + rb"/invocations")),
    ("invocations", "infer", re.compile(rb"POST /invocations/" + _NAME)),
    ("json", "infer", re.compile(rb"POST /predict/" + _NAME)),
    (
        "openai",
        "infer",
        re.compile(rb"POST /openai/" + _NAME + rb"/v1/(?:chat/completions|completions|embeddings)"),
    ),
)
KINDS = ("oip", "kserve-v1", "invocations", "json", "openai")
SELECTOR_HEADERS = frozenset(
    (
        b"serve_multiplexed_model_id",
        b"serve-multiplexed-model-id",
        b"x-amzn-sagemaker-target-model",
        b"x-amzn-sagemaker-target-variant",
        b"x-amzn-sagemaker-inference-component",
        b"x-amzn-sagemaker-target-container-hostname",
        b"x-http-method-override",
        b"x-http-method",
        b"x-method-override",
        b"x-original-url",
        b"x-rewrite-url",
        b"x-forwarded-prefix",
    )
)
_OWN_PATHS = {"invocations": b"/invocations", "json": b"/predict"}


@dataclass(frozen=True, slots=True)
class Match:
    """What a path asks for."""

    kind: str
    action: str
    deployment: str


def match(method: bytes, target: bytes) -> Match | None:
    """Return what method and path ask for, or None where nothing is allowed there."""
    line = method + b" " + target
    for kind, action, pattern in _ROUTES:
        found = pattern.fullmatch(line)
        if found is not None:
            return Match(kind, action, found.group(1).decode())
    return None


def kind_of(upstream: Mapping[str, Any]) -> str:
    """Return the protocol of an admission's upstream; model formats are hosted as ``oip``."""
    kind = upstream.get("kind")
    return kind if kind in KINDS else "oip"


def upstream_path(kind: str, target: bytes) -> bytes:
    """Return the path that an upstream of this kind knows for an allowed path."""
    if kind == "openai":
        return target[target.index(b"/v1/") :]  # a deployment's name has no slash
    return _OWN_PATHS.get(kind, target)


def refused_header(head: RequestHead) -> bytes | None:
    """Return the first header that could select another model or another path."""
    return _refused_header(head.base or head)


@lru_cache(maxsize=HEADS_REMEMBERED)
def _refused_header(head: RequestHead) -> bytes | None:
    for name in head.fields:
        if name in SELECTOR_HEADERS or b"_" in name:
            return name
    return None


def refused_body(kind: str, body: bytes, fields: Mapping[bytes, bytes], model: str) -> str | None:
    """Return why a body may not be forwarded: it names another model, or data not on record.

    Args:
        kind: the upstream's protocol.
        body: the request body as received.
        fields: the request's headers.
        model: what the admitted model is called at its upstream.
    """
    if kind == "openai":
        return _refused_prompt(body, fields, model)
    if kind != "oip":
        return None
    if fields.get(b"content-encoding", b"identity").lower() != b"identity":
        return "a compressed body cannot be checked"
    if b"shared_memory" in body:
        return "tensors in shared memory would not be on record"
    if b"\\" in body:
        return _refused_json(body, fields)
    return None


def _refused_prompt(body: bytes, fields: Mapping[bytes, bytes], model: str) -> str | None:
    """Look at an OpenAI body: one model, named once, and nothing fetched from elsewhere."""
    if fields.get(b"content-encoding", b"identity").lower() != b"identity":
        return "a compressed body cannot be checked"
    try:
        value = json.loads(body, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        return f"the body has no single meaning: {str(error)[:100]}"
    if not isinstance(value, dict) or value.get("model") != model:
        return f"the body's model is {model}, the one admitted"
    if any(key == "url" and _is_address(part) for key, part in _members(value)):
        return "data behind an address would not be on record; send it as a data: URL"
    return None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a member that is given twice: parsers differ in which one counts."""
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a member is given twice")
    return dict(pairs)


def _is_address(value: Any) -> bool:
    return not isinstance(value, str) or not value.lstrip().lower().startswith("data:")


def _members(value: Any) -> Iterator[tuple[str, Any]]:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            yield from item.items()
            pending += item.values()
        elif isinstance(item, list):
            pending += item


def _refused_json(body: bytes, fields: Mapping[bytes, bytes]) -> str | None:
    """Look at an Open Inference body whose text has escapes."""
    head = fields.get(b"inference-header-content-length")
    if head is not None:
        body = body[: int(head)] if head.isdigit() else b""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return "the body is not JSON"
    if _mentions_shared_memory(value):
        return "tensors in shared memory would not be on record"
    return None


def _mentions_shared_memory(value: Any) -> bool:
    return any("shared_memory" in key for key, _ in _members(value))


def other_model(route: Route, head: ResponseHead) -> str | None:
    """Return why an answer does not come from the admitted model, as far as it says.

    An upstream that computes the digest of the bytes it has loaded states it in
    ``X-Model-Digest``; where the admission says ``states_digest``, it must.
    """
    stated = head.fields.get(b"x-model-digest")
    if stated is None:
        if route.upstream.get("states_digest") is True and head.status < 400:
            return "the upstream does not say which model answered"
        return None
    if stated == route.candidate.encode():
        return None
    return "the upstream answered from another model than the admitted one"
