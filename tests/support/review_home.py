"""A real home with people, a checked and decided candidate, and its portal on localhost."""

from __future__ import annotations

import contextlib
import io
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from werkzeug.serving import make_server

from govern.adapters.first_keys import Organisation
from govern.bootstrap import Application, initialise, open_application, utc_now
from govern.cli.main import main
from govern.settings import Settings
from govern.transparency.digest import digest_of
from govern.web.__main__ import _renew
from govern.web.app import create_app
from govern.web.config import WebSettings
from tests.conformance.dossier_workshop import (
    ADA,
    DOMAIN,
    EVAN,
    ISSUER,
    NADIA,
    PACK,
    PRIYA,
    ROLES,
    ROSA,
    SERVICE,
    TOMAS,
    Candidate,
    Workshop,
)  # fmt: skip

PASSWORD = "correct horse battery"
PEOPLE = {
    ADA: ("author", "reviewer"), EVAN: ("validator",), ROSA: ("reviewer",), TOMAS: ("reviewer",),
    NADIA: ("reviewer",),
    PRIYA: ("platform",), f"olga@{DOMAIN}": ("auditor",), f"root@{DOMAIN}": ("admin",),
}  # fmt: skip


class _Bench(Workshop):
    """The workshop's steps, on a home's own recorder and clock."""

    def __init__(self, application: Application) -> None:
        self.recorder, self.pack, self.now = application.operations.recorder, PACK, utc_now()
        self.data_files = {"loans.csv": b"income,approved\n10,0\n20,1\n"}
        self.features = digest_of(b"features")

    def clock(self) -> Any:
        return utc_now()


class ReviewHome:
    """A home in a folder; ``portal`` serves it."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        packs = folder / "packs" / "test-pack"
        packs.mkdir(parents=True)
        (packs / "policy.yaml").write_bytes(PACK)
        self.environment = {"GOVERN_HOME": str(self.home), "GOVERN_POLICIES": str(packs.parent)}
        settings = Settings.from_environment(self.environment)
        roles = {**ROLES, "evaluator": [EVAN], "service": [SERVICE], "decider": [SERVICE]}
        initialise(settings, Organisation("Bank", DOMAIN, ISSUER, roles, ["main"]))
        self.application = open_application(settings)
        for email, held in PEOPLE.items():
            self.application.records.put_person(
                email, name=email.partition("@")[0].title(), roles=held, password=PASSWORD
            )
        self._bench = _Bench(self.application)
        self._bench.trace()

    @property
    def operations(self) -> Any:
        """The use cases of the home."""
        return self.application.operations

    def candidate(self, name: str) -> Candidate:
        """Train, register, check and decide."""
        item = self._bench.candidate(name)
        self._bench.check(item)
        self._bench.decide(item)
        return item

    def decide_again(self, item: Candidate) -> None:
        """Make a newer decision, which voids the votes on the present one."""
        self._bench.decide(item)

    def command(self, *arguments: str) -> Any:
        """Run a command in this process; return its JSON."""
        out, before = io.StringIO(), dict(os.environ)
        os.environ.update(self.environment)
        try:
            with contextlib.redirect_stdout(out):
                assert main([*arguments, "--json"]) == 0
        finally:
            os.environ.clear()
            os.environ.update(before)
        return json.loads(out.getvalue())

    @contextlib.contextmanager
    def portal(self, **more: Any) -> Iterator[str]:
        """Serve the portal; yield its address, by name, as passkeys need it."""
        app = create_app(
            self.operations, WebSettings(b"k" * 32, self.home, cookie_secure=False, **more)
        )
        app.before_request(lambda: _renew(self.application))
        server = make_server("127.0.0.1", 0, app, threaded=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()
        thread.join(10)
        self.application.close()
