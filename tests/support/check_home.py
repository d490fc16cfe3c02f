"""A home with a candidate to check: tables through the command line, checks through the worker."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from govern.bootstrap import Application
from govern.cli.main import main
from govern.worker import tasks
from tests.support.home import ADA, new_home, settings_of

CARD = {
    "name": "scorer", "version": "1", "owner": "lab@bank.example", "intended_use": "test",
    "risk_tier": "high", "domain": "credit", "use": "credit-decision", "jurisdictions": ["US"],
    "protected_inputs": [], "randomised": False,
}  # fmt: skip


class CheckHome:
    """A home in a folder.

    Args:
        folder: where it lies; tables and cards are written beside it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / "home"
        new_home(self.home).close()

    def command(self, *arguments: str) -> Any:
        """Run a command; return its JSON.

        Raises:
            AssertionError: it failed.
        """
        out, before = io.StringIO(), dict(os.environ)
        os.environ["GOVERN_HOME"] = str(self.home)
        try:
            with contextlib.redirect_stdout(out):
                assert main([*arguments, "--json"]) == 0
        finally:
            os.environ.clear()
            os.environ.update(before)
        return json.loads(out.getvalue())

    def prepare(
        self, table: pd.DataFrame, *options: str, people: pd.DataFrame | None = None
    ) -> str:
        """Store a test table; return the evaluation's digest."""
        path, given = self.folder / "test.csv", list(options)
        table.to_csv(path, index=False)
        if people is not None:
            people.to_csv(self.folder / "people.csv", index=False)
            given += ["--sensitive", str(self.folder / "people.csv")]
        return str(self.command("check", "prepare", str(path), *given)["evaluation"])

    def register(self, files: Mapping[str, bytes], evaluation: str, name: str = "scorer") -> str:
        """Register a model folder; return the candidate's digest."""
        model = self.folder / name
        model.mkdir()
        for file, data in files.items():
            (model / file).write_bytes(data)
        card = self.folder / f"{name}.json"
        card.write_text(json.dumps({**CARD, "name": name, "evaluation": evaluation}))
        found = self.command("candidate", "register", str(model), "--card", str(card), "--by", ADA)
        return str(found["candidate"])

    def opened(self) -> Application:
        """Return the home as this process's worker has it."""
        return tasks.application(settings_of(self.home))

    def check(self, candidate: str, names: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Queue checks, run them in this process, and return their results by name."""
        options = [part for name in names for part in ("--check", name)]
        self.command("check", "run", candidate, "--by", ADA, *options)
        tasks.run_waiting_jobs(settings_of(self.home))
        return {row["check"]: row for row in self.command("check", "list", candidate)}
