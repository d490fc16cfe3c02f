"""``python -m govern.web --port 0``: serve portal and API from ``GOVERN_HOME``.

Prints one line of JSON with the address once it takes connections.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

from waitress.server import create_server

from govern.adapters.files import write_durably
from govern.bootstrap import Application, open_application
from govern.errors import GovernError, InvalidRequestError, StorageError, VerificationError
from govern.services.single_sign_on import FILE_BYTES_MAX, Provider, read_provider
from govern.settings import Settings
from govern.web import timing
from govern.web.app import create_app
from govern.web.config import WebSettings

THREADS = 8


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until stopped; return the exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    timing.LOG.setLevel(logging.INFO)
    try:
        opened = open_application(Settings.from_environment(os.environ))
    except GovernError as error:
        print(f"govern web: {error}", file=sys.stderr)
        return error.exit_code
    try:
        app = create_app(opened.operations, _settings(opened, options.demo_logins))  # type: ignore[arg-type]
        app.before_request(lambda: _renew(opened))
        server = create_server(app, host=options.host, port=options.port, threads=THREADS)
    except GovernError as error:
        print(f"govern web: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"govern web: port {options.port} cannot be used: {error.strerror}", file=sys.stderr)
        return 1
    port = server.effective_port
    print(json.dumps({"ready": True, "host": options.host, "port": port}), flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    return 0


def _renew(opened: Application) -> None:
    """Take up keys that were rotated; refuse to act under a trust file that does not follow."""
    try:
        opened.operations.renew()
    except VerificationError as error:
        raise StorageError(f"the keys cannot be used: {error}") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="govern web", description="Serve portal and API.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8180, help="0 picks a free one")
    parser.add_argument("--demo-logins", type=Path, help="JSON of e-mail to password to show")
    return parser


def _settings(opened: Application, demo_logins: Path | None) -> WebSettings:
    path = opened.home / "keys" / "session.key"
    if not path.exists():
        write_durably(path, secrets.token_bytes(32), mode=0o600)
    logins = json.loads(demo_logins.read_text("utf-8")) if demo_logins else {}
    return WebSettings(
        secret_key=path.read_bytes(),
        home=opened.home,
        cookie_secure=not demo_logins,
        demo_logins=logins,
        origin=opened.settings.portal_address,
        provider=_provider(opened.settings.oidc_file),
    )


def _provider(path: Path | None) -> Provider | None:
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            return read_provider(
                file.read(FILE_BYTES_MAX), lambda name: (path.parent / name).read_text("utf-8")
            )
    except OSError as error:
        raise InvalidRequestError(f"GOVERN_OIDC_FILE: {error.strerror}: {path.name}") from None


if __name__ == "__main__":
    sys.exit(main())
