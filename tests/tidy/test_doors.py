"""Every route stands behind a named door, and a closed door is closed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from werkzeug.routing import Rule

from govern.web.app import create_app
from govern.web.auth import Doors
from govern.web.config import WebSettings
from tests.support import world
from tests.support.statements import digest

OPEN = {
    "static",
    "probes.healthz",
    "probes.readyz",
    "probes.metrics",
    "openapi.document",
    "published.snapshot",
    "published.checkpoint",
    "published.tile",
    "signing_in.sign_in",
    "signing_in.do_sign_in",
    "signing_in.set_up",
    "signing_in.do_set_up",
    "single_sign_on.leave",
    "single_sign_on.come_back",
}
VALUES = {
    "digest": digest("mortgage-approval"),
    "request_id": "x",
    "vote": "approve",
    "change": "suspend",
    "job_id": "x",
    "token_id": "x",
    "pack_id": "x",
    "version": "1",
    "name": "report.pdf",
}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    home = tmp_path_factory.mktemp("home")
    services = world.build(home)
    yield create_app(services, WebSettings(b"k" * 32, home, cookie_secure=False))
    services.records.close()


def door(app: Flask, rule: Rule) -> str:
    doors: Doors = app.extensions["govern.doors"]
    if rule.endpoint == "static":
        return "open"
    return doors.kinds[rule.endpoint.partition(".")[0]]


def test_the_open_doors_are_exactly_the_named_ones(app: Flask) -> None:
    found = {rule.endpoint for rule in app.url_map.iter_rules() if door(app, rule) == "open"}
    assert found == OPEN


def test_every_open_blueprint_says_why(app: Flask) -> None:
    doors: Doors = app.extensions["govern.doors"]
    opened = {name for name, kind in doors.kinds.items() if kind == "open"}
    assert set(doors.reasons) == opened
    assert all(doors.reasons.values())


def test_nobody_enters_a_closed_door_without_a_name(app: Flask) -> None:
    client, tried = app.test_client(), 0
    for rule in app.url_map.iter_rules():
        kind = door(app, rule)
        if kind == "open":
            continue
        with app.test_request_context():
            path = app.url_for(rule.endpoint, **{name: VALUES[name] for name in rule.arguments})
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            answer = client.open(path, method=method)
            tried += 1
            if kind == "session" and method == "GET":
                assert answer.status_code == 302, rule
                assert "/sign-in" in answer.headers["Location"]
            else:
                assert answer.status_code == 401, rule
    assert tried > 35


def test_a_session_is_no_token_and_a_token_no_session(app: Flask) -> None:
    records = app.extensions["govern"][0].records
    _, secret = records.add_token(world.mail("rosa"), name="t", scopes=["read"], days=1)
    client = app.test_client()
    bearer = {"Authorization": f"Bearer {secret}"}
    assert client.get("/api/v1/candidates", headers=bearer).status_code == 200
    assert client.get("/candidates", headers=bearer).status_code == 302
    assert client.post("/api/v1/reports", headers=bearer, json={}).status_code == 403


def test_no_form_is_taken_without_its_token(app: Flask) -> None:
    client = app.test_client()
    login(client, "root")
    for rule in app.url_map.iter_rules():
        if door(app, rule) == "session" and "POST" in (rule.methods or set()):
            with app.test_request_context():
                values = {name: VALUES[name] for name in rule.arguments}
                path = app.url_for(rule.endpoint, _method="POST", **values)
            answer = client.post(path, data={"csrf": "wrong"})
            assert answer.status_code == 400, rule
            assert b"out of date" in answer.data


def login(client: object, name: str) -> None:
    client.get("/sign-in")  # type: ignore[attr-defined]
    with client.session_transaction() as session:  # type: ignore[attr-defined]
        csrf = session["csrf"]
    form = {"csrf": csrf, "email": world.mail(name), "password": world.PASSWORD}
    assert client.post("/sign-in", data=form).status_code == 302  # type: ignore[attr-defined]
