"""A web application over the small bank, and clients signed in as its people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from govern.web.app import create_app
from govern.web.config import WebSettings
from tests.support import world


@pytest.fixture(scope="session")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[world.FakeServices, Path]]:
    home = tmp_path_factory.mktemp("bank")
    services = world.build(home)
    yield services, home
    services.records.close()


@pytest.fixture
def services(bank: tuple[world.FakeServices, Path]) -> world.FakeServices:
    bank[0].calls.clear()
    return bank[0]


@pytest.fixture
def app(services: world.FakeServices, bank: tuple[world.FakeServices, Path]) -> Flask:
    return create_app(services, WebSettings(b"k" * 32, bank[1], cookie_secure=False))


@pytest.fixture
def signed_in(app: Flask) -> Callable[[str], FlaskClient]:
    def enter(name: str) -> FlaskClient:
        client = app.test_client()
        client.get("/sign-in")
        form = {"email": world.mail(name), "password": world.PASSWORD}
        assert post(client, "/sign-in", **form).status_code == 302
        return client

    return enter


def post(client: FlaskClient, path: str, **form: str):
    """Send a form with the session's CSRF token."""
    with client.session_transaction() as session:
        csrf = session.get("csrf", "")
    return client.post(path, data={"csrf": csrf, **form})


@pytest.fixture
def send() -> Callable[..., object]:
    return post
