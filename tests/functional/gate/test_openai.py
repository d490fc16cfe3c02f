"""OpenAI's API at the gate: one model, named once, nothing fetched from elsewhere, told in its words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from serving_gate.archive import read_all
from tests.support.gate_lab import DEPLOYMENT, GateLab, Reply, Running, ScriptedUpstream, ask

CHAT = f"/openai/{DEPLOYMENT}/v1/chat/completions"
ANSWER = b'{"choices":[{"message":{"content":"yes"}}]}'
MESSAGES: list[Any] = [{"role": "user", "content": "May Maria have a loan?"}]


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    def script(connection: Any, request: bytes) -> None:
        if b'"stream"' in request:
            connection.sendall(
                b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
                b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"
            )
        else:
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(ANSWER), ANSWER))

    server = ScriptedUpstream(script)
    yield server
    server.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, upstream: ScriptedUpstream) -> Iterator[tuple[GateLab, Running]]:
    lab = GateLab(tmp_path_factory.mktemp("openai") / "home", upstream={"kind": "openai", "model": "tiny-llm"})
    with lab.gate(upstream.port) as gate:
        yield lab, gate


def post(gate: Running, body: Any, path: str = CHAT) -> Reply:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ask(gate.port, "POST", path, data, {"content-type": "application/json"})


def test_a_prompt_passes_whole_or_in_pieces_and_is_on_record(
    site: tuple[GateLab, Running], upstream: ScriptedUpstream
) -> None:
    lab, gate = site
    asked = {"model": "tiny-llm", "messages": MESSAGES}
    assert post(gate, asked).body == ANSWER
    assert upstream.requests[-1].startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert post(gate, {**asked, "stream": True}).body == b"data: [DONE]\n\n"
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    assert post(gate, {**asked, "messages": [{"role": "user", "content": [picture]}]}).status == 200
    assert post(gate, {"model": "tiny-llm", "input": "x"}, CHAT.replace("chat/completions", "embeddings")).status == 200
    kinds = [json.loads(item.record)["kind"] for item in read_all(lab.gate_home) if item]
    assert kinds[:3] == ["inference", "stream-open", "stream-close"]


REMOTE = {"type": "image_url", "image_url": {"url": "https://elsewhere.example/x.png"}}
ATTACKS: dict[str, Any] = {
    "another model": {"model": "other", "messages": MESSAGES},
    "no model": {"messages": MESSAGES},
    "a model twice": b'{"model":"tiny-llm","model":"other","messages":[]}',
    "a model twice, escaped": b'{"model":"tiny-llm","mod\\u0065l":"other","messages":[]}',
    "not JSON": b"model=tiny-llm",
    "a list": [{"model": "tiny-llm"}],
    "too deep": b'{"model":"tiny-llm","messages":' + b"[" * 100_000,
    "a picture elsewhere": {"model": "tiny-llm", "messages": [{"role": "user", "content": [REMOTE]}]},
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack_bodies_that_mean_something_else_do_not_pass(
    site: tuple[GateLab, Running], upstream: ScriptedUpstream, attack: str
) -> None:
    before = len(upstream.requests)
    reply = post(site[1], ATTACKS[attack])
    assert reply.status == 400
    assert len(upstream.requests) == before
    error = json.loads(reply.body)["error"]
    assert (error["code"], error["type"], error["param"]) == ("refused-body", "invalid_request_error", None)
    assert error["message"].startswith("refused-body: ")
    assert "govern-receipt" in reply.headers


@pytest.mark.parametrize(
    "path",
    ["/v1/chat/completions", f"/openai/{DEPLOYMENT}/v1/models", f"/openai/{DEPLOYMENT}/v1/load_lora_adapter",
     f"/openai/{DEPLOYMENT}/v1/responses", f"/openai/{DEPLOYMENT}/v1/../admin", f"/openai/{DEPLOYMENT}/v1/files",
     f"/v2/models/{DEPLOYMENT}/infer"],
)  # fmt: skip
def test_attack_paths_beside_inference_are_not_served(
    site: tuple[GateLab, Running], upstream: ScriptedUpstream, path: str
) -> None:
    before = len(upstream.requests)
    assert post(site[1], {"model": "tiny-llm", "messages": []}, path).status == 404
    assert len(upstream.requests) == before
