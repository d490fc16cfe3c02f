"""``make screenshots``: take a small picture of every page of the demo's portal into docs/images.

Needs the demo's folder and Chromium. Pictures are reduced to 64 colours; a page that is
wider than its window, or that the browser complains about, makes it fail.
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from werkzeug.serving import make_server

from govern.bootstrap import open_application
from govern.cli import demo_people as people
from govern.cli.telling import demo_settings
from govern.web.app import create_app
from govern.web.config import WebSettings

ROOT = Path(__file__).resolve().parent.parent
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
COLOURS = 64
WIDE, NARROW = {"width": 1200, "height": 860}, {"width": 320, "height": 640}
PAGES = {
    "home": "/",
    "inventory": "/candidates",
    "candidate": "/candidates/{admitted}",
    "denied": "/candidates/{denied}",
    "approvals": "/approvals?state=approved",
    "review": "/approvals/{request}",
    "deployments": "/deployments",
    "log": "/log",
    "statement": "/statements/{statement}",
    "packs": "/packs",
    "pack": "/packs/{pack}",
    "reports": "/reports",
    "account": "/account",
}
SMALL = ("home", "candidate", "review")


def main() -> int:
    """Take the pictures; return 1 where a page is too wide or the browser complained."""
    parser = argparse.ArgumentParser(prog="screenshots", description=__doc__)
    parser.add_argument("--home", type=Path, default=ROOT / "demo")
    parser.add_argument("--to", type=Path, default=ROOT / "docs" / "images")
    options = parser.parse_args()
    if not (options.home / "summary.json").exists():
        print("screenshots: no demo here; run `make demo` first", file=sys.stderr)
        return 1
    options.to.mkdir(parents=True, exist_ok=True)
    with _portal(options.home) as (address, names), sync_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        complaints = _take(browser, address, names, options.to)
        browser.close()
    for line in complaints:
        print(f"screenshots: {line}", file=sys.stderr)
    return 1 if complaints else 0


@contextmanager
def _portal(home: Path) -> Iterator[tuple[str, dict[str, str]]]:
    application = open_application(demo_settings(home.resolve()))
    logins = dict.fromkeys(people.NAMES, people.PASSWORD)
    settings = WebSettings(b"s" * 32, home.resolve(), cookie_secure=False, demo_logins=logins)
    server = make_server(
        "127.0.0.1", 0, create_app(application.operations, settings), threaded=True
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    records = application.records
    admission = records.list_admissions()[0]
    pack = sorted(application.operations.packs(), key=lambda one: one.id)[0]
    names = {
        "admitted": admission.candidate,
        "denied": records.list_candidates(status="deny").rows[0].digest,
        "request": records.list_requests()[0].id,
        "statement": admission.digest,
        "pack": f"{pack.id}/{pack.version}",
    }
    yield f"http://localhost:{server.server_port}", names
    server.shutdown()
    application.close()


def _take(browser: Browser, address: str, names: dict[str, str], to: Path) -> list[str]:
    complaints: list[str] = []
    for scheme, size, suffix in (
        ("light", WIDE, ""),
        ("dark", WIDE, "-dark"),
        ("light", NARROW, "-320"),
    ):
        page = browser.new_context(viewport=size, color_scheme=scheme).new_page()
        page.on("console", lambda said: said.type == "error" and complaints.append(said.text))
        _shoot(page, address + "/sign-in", to / f"sign-in{suffix}.png", complaints)
        _enter(page, address, people.ROSA)
        for name, path in PAGES.items():
            if suffix and name not in SMALL:
                continue
            place = address + path.format(**names)
            _shoot(page, place, to / f"{name}{suffix}.png", complaints)
        page.context.close()
    page = browser.new_context(viewport=WIDE).new_page()
    _enter(page, address, people.OLGA)
    _shoot(page, f"{address}/people", to / "people.png", complaints)
    return complaints


def _enter(page: Page, address: str, who: str) -> None:
    page.goto(f"{address}/sign-in")
    page.get_by_label("E-mail address").fill(who)
    page.get_by_label("Password").fill(people.PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}/")


def _shoot(page: Page, place: str, file: Path, complaints: list[str]) -> None:
    answer: Any = page.goto(place)
    if not answer.ok:
        complaints.append(f"{place} answered {answer.status}")
    width = page.viewport_size["width"] if page.viewport_size else 0
    if page.evaluate("document.documentElement.scrollWidth") > width:
        complaints.append(f"{place} is wider than {width} px")
    picture = Image.open(io.BytesIO(page.screenshot()))
    picture.convert("RGB").quantize(COLOURS).save(file, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
