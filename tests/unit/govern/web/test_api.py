"""The API: tokens, problems, the published logs and the OpenAPI description."""

from __future__ import annotations

import io
import json

import pytest

from tests.support import world
from tests.support.statements import digest

CANDIDATE = digest("mortgage-approval")


@pytest.fixture
def bearer(services):
    def make(name: str) -> dict[str, str]:
        scopes = ["read", "write"]
        _, secret = services.records.add_token(world.mail(name), name="t", scopes=scopes, days=1)
        return {"Authorization": f"Bearer {secret}"}

    return make


def test_candidates_and_one_candidate(app, bearer) -> None:
    client, headers = app.test_client(), bearer("olga")
    page = client.get("/api/v1/candidates?q=mortgage&size=2", headers=headers).get_json()
    assert page["total"] == 4
    assert len(page["rows"]) == 2
    one = client.get(f"/api/v1/candidates/{CANDIDATE}", headers=headers).get_json()
    assert one["decision"]["outcome"] == "allow"
    assert one["row"]["status"] == "admitted"


def test_a_statement_is_the_exact_bundle(app, services, bearer) -> None:
    row = services.records.recent_statements(limit=1)[0]
    path = f"/api/v1/statements/{row.digest}"
    assert app.test_client().get(path, headers=bearer("olga")).data == row.bundle


def test_a_refusal_is_a_problem_with_every_reason(app, services, bearer) -> None:
    services.records.put_person(world.mail("ada"), name="Ada", roles=["author", "reviewer"])
    request = services.records.list_requests()[0].id
    answer = app.test_client().post(
        f"/api/v1/approval-requests/{request}/approve", json={}, headers=bearer("ada")
    )
    services.records.put_person(world.mail("ada"), name="Ada", roles=["author"])
    assert answer.status_code == 403
    assert answer.mimetype == "application/problem+json"
    assert answer.get_json()["reasons"] == ["separation of duties", "not a reviewer"]


def test_registering_sends_card_and_files(app, services, bearer) -> None:
    data = {"card": json.dumps({"name": "m"}), "files": (io.BytesIO(b"onnx"), "model.onnx")}
    client = app.test_client()
    assert client.post("/api/v1/candidates", data=data, headers=bearer("ada")).status_code == 201
    assert services.calls == [
        ("register", {"name": "m"}, {"model.onnx": b"onnx"}, world.mail("ada"))
    ]
    answer = client.post("/api/v1/candidates", data={"card": "{"}, headers=bearer("ada"))
    assert answer.status_code == 400


def test_the_requests_own_outcomes(app, services, bearer) -> None:
    client = app.test_client()
    answer = client.post(f"/api/v1/candidates/{CANDIDATE}/decisions", headers=bearer("rosa"))
    assert answer.status_code == 403
    path = "/api/v1/admissions"
    body = {"candidate": CANDIDATE, "deployment": "d", "days": 5, "upstream": {"kind": "oip"}}
    assert client.post(path, json=body, headers=bearer("priya")).status_code == 201
    assert services.calls[-1][:3] == ("admit", CANDIDATE, "d")
    for wrong in ([], {"candidate": 3}, body | {"days": "5"}):
        assert client.post(path, json=wrong, headers=bearer("priya")).status_code == 400


def test_logs_are_served_as_tiles_and_nothing_else(app, bank) -> None:
    tiles = bank[1] / "log" / "lineage" / "tile" / "0"
    tiles.mkdir(parents=True, exist_ok=True)
    (tiles.parent.parent / "checkpoint").write_text("origin\n1\nroot\n")
    (tiles / "000").write_bytes(b"x" * 32)
    client = app.test_client()
    assert client.get("/log/lineage/checkpoint").data == b"origin\n1\nroot\n"
    full = client.get("/log/lineage/tile/0/000")
    assert full.data == b"x" * 32
    assert "immutable" in full.headers["Cache-Control"]
    for path in (
        "/log/lineage/tile/0/001",
        "/log/lineage/tile/../checkpoint",
        "/log/..%2F..%2Fkeys/checkpoint",
        "/log/lineage/tile/0/%2e%2e/%2e%2e/checkpoint",
        "/log/LINEAGE/checkpoint",
    ):
        assert client.get(path).status_code == 404, path


def test_openapi_names_every_api_route(app) -> None:
    client = app.test_client()
    document = client.get("/api/v1/openapi.json").get_json()
    paths = document["paths"]
    vote = paths["/api/v1/approval-requests/{request_id}/{vote}"]["post"]
    assert vote["parameters"][1]["schema"]["enum"] == ["approve", "reject", "dissent"]
    assert vote["security"] == [{"token": []}]
    assert "security" not in paths["/api/v1/snapshot"]["get"]
    routes = [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/api/")]
    assert len([path for path in paths if path.startswith("/api/")]) == len(
        {rule.rule for rule in routes}
    )


def test_probes(app) -> None:
    client = app.test_client()
    assert client.get("/healthz").get_json() == {"status": "alive"}
    assert client.get("/readyz").status_code == 200
    metrics = client.get("/metrics").get_data(as_text=True)
    assert "govern_candidates 4" in metrics
    assert "bank.example" not in metrics


def test_lineage_and_recalls_answer_those_who_may(app, services, bearer) -> None:
    client = app.test_client()
    path = f"/api/v1/lineage/{CANDIDATE}"
    assert client.get(path, headers=bearer("olga")).status_code == 200
    assert services.calls == [("lineage", CANDIDATE, False)]
    asked = {"target": "loanapp"}
    assert client.post("/api/v1/recalls", json=asked, headers=bearer("priya")).status_code == 200
    assert client.post("/api/v1/recalls", json=asked, headers=bearer("olga")).status_code == 403
    stop = asked | {"suspend": True, "reason": "tainted"}
    assert client.post("/api/v1/recalls", json=stop, headers=bearer("priya")).status_code == 200
    assert services.calls[-1][2]["suspend"].by == world.mail("priya")
    assert client.post("/api/v1/recalls", json=stop, headers=bearer("evan")).status_code == 403


@pytest.mark.parametrize("body", [{}, {"target": 7}, {"target": "x", "suspend": "yes"}, {"target": "x", "suspend": True}, {"target": "x", "since": "soon"}])
def test_a_recall_that_cannot_be_understood_is_a_problem(app, services, bearer, body) -> None:
    answer = app.test_client().post("/api/v1/recalls", json=body, headers=bearer("priya"))
    assert answer.status_code == 400
    assert answer.mimetype == "application/problem+json"
    assert services.calls == []


def test_a_lineage_digest_of_another_shape_is_a_problem(app, bearer) -> None:
    assert app.test_client().get("/api/v1/lineage/x", headers=bearer("olga")).status_code == 400


def test_compliance_grants_and_revokes_a_waiver(app, bearer) -> None:
    client = app.test_client()
    candidate, terms = digest("mortgage-approval"), digest("terms")
    body = {"candidate": candidate, "pack": "p", "rule": "r", "reason": "why", "compensating_control": "c"}
    late = client.post("/api/v1/waivers", json=body, headers=bearer("carl"))
    assert late.status_code == 400 and "'until'" in late.get_json()["detail"]
    made = client.post("/api/v1/waivers", json={**body, "until": "2026-12-31"}, headers=bearer("carl"))
    assert made.status_code == 201
    second = client.post("/api/v1/waivers", json={"candidate": candidate, "terms": terms}, headers=bearer("carl"))
    assert second.status_code == 201
    gone = client.post(
        f"/api/v1/candidates/{candidate}/waivers/revoke", json={"terms": terms, "reason": "over"}, headers=bearer("carl")
    )
    assert gone.status_code == 201
    assert client.post("/api/v1/waivers", json=body, headers=bearer("ada")).status_code == 403


def test_outcomes_are_kept_for_a_token_of_that_scope_alone(app, services, bank, bearer) -> None:
    rows = {"deployment": "mortgage-approval", "rows": [{"index": 3, "outcome": 1, "groups": {"race": "white"}}]}
    _, secret = services.records.add_token(world.mail("olga"), name="o", scopes=["outcomes"], days=1)
    own = {"Authorization": f"Bearer {secret}"}
    client = app.test_client()
    assert client.post("/api/v1/outcomes", json=rows, headers=bearer("olga")).status_code == 403
    kept = client.post("/api/v1/outcomes", json=rows, headers=own)
    assert (kept.status_code, kept.get_json()) == (201, {"kept": 1})
    assert b'"index":3' in (bank[1] / "outcomes" / "mortgage-approval.jsonl").read_bytes()
    for wrong in ({}, {"deployment": "../x", "rows": [{"index": 1}]}, {"deployment": "a", "rows": 4}, {"deployment": "a", "rows": [4]}):
        refused = client.post("/api/v1/outcomes", json=wrong, headers=own)
        assert (refused.status_code, refused.content_type) == (400, "application/problem+json")
