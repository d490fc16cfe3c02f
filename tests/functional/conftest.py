"""Fixtures of the browser tests: a portal over made-up services, Chromium, people who sign in."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright import sync_api
from werkzeug.serving import make_server

from govern.web.app import create_app
from govern.web.config import WebSettings
from tests.support import world

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, world.FakeServices]]:
    home: Path = tmp_path_factory.mktemp("home")
    services = world.build(home)
    (home / "report.pdf").write_bytes(b"%PDF-1.7 report")
    app = create_app(services, WebSettings(b"k" * 32, home, cookie_secure=False))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", services
    server.shutdown()
    thread.join(10)
    services.records.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    assert chromium, "Chromium is missing: apt install chromium, or make setup-test"
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def enter(browser, portal):
    contexts = []

    def sign_in(name: str, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.complaints = []
        page.on("console", lambda message: _complain(page, message))
        page.goto(portal[0] + "/approvals")
        page.get_by_label("E-mail address").fill(world.mail(name))
        page.get_by_label("Password").fill(world.PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(portal[0] + "/approvals")
        return page

    yield sign_in
    for context in contexts:
        context.close()


def _complain(page, message) -> None:
    if message.type == "error":
        page.complaints.append(message.text)
