"""An initialised home in a folder, with a few statements: enough for the log's commands."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path

from govern.bootstrap import Application, initialise, open_application
from govern.domain import predicates
from govern.settings import Settings
from govern.transparency.digest import digest_of
from govern.transparency.verify import VerifiedStatement

ROOT = Path(__file__).resolve().parents[2]
DOMAIN = "bank.example"
ADA = f"ada@{DOMAIN}"
SERVICE = f"govern@{DOMAIN}"


def settings_of(home: Path) -> Settings:
    """Return the settings of a home."""
    return Settings.from_environment({"GOVERN_HOME": str(home)})


def new_home(home: Path) -> Application:
    """Initialise a home with one gate, `main`, and open it."""
    from govern.adapters.first_keys import Organisation

    roles = {"author": [ADA], "reviewer": [ADA], "service": [SERVICE], "decider": [SERVICE],
             "evaluator": [SERVICE]}
    issuer = f"https://sso.{DOMAIN}"
    initialise(settings_of(home), Organisation("Bank", DOMAIN, issuer, roles, ["main"]))
    return open_application(settings_of(home))


def record_dataset(application: Application, name: str) -> VerifiedStatement:
    """Record one statement about a data set of this name."""
    return application.operations.recorder.record(
        predicates.DATASET, [(name, digest_of(name.encode()))], {"name": name}, signer=ADA
    )


def govern(home: Path, *arguments: str, prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run one command on a home."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "GOVERN_HOME": str(home)}
    return subprocess.run(
        [*prefix, sys.executable, "-m", "govern.cli.main", *arguments],
        env=environment, capture_output=True, text=True, timeout=120, check=False,
    )


def govern_here(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one command on a home within this process, which saves starting Python."""
    from govern.cli.main import main

    out, errors, before = io.StringIO(), io.StringIO(), os.environ.get("GOVERN_HOME")
    os.environ["GOVERN_HOME"] = str(home)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
            code = main(arguments)
    finally:
        os.environ.pop("GOVERN_HOME")
        if before is not None:
            os.environ["GOVERN_HOME"] = before
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), errors.getvalue())
