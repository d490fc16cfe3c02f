"""Start the parts of govern as processes of their own, and stop them again."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from govern.errors import GovernError

READY_SECONDS = 60.0
STOP_SECONDS = 10.0


class Processes:
    """A set of child processes; leaving the ``with`` block ends them all.

    Args:
        home: ``GOVERN_HOME`` of the children; their logs go to ``run/`` under it.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._children: list[tuple[str, subprocess.Popen[bytes]]] = []

    def __enter__(self) -> Self:
        """Begin."""
        (self._home / "run").mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *error: object) -> None:
        """End every child, the newest first."""
        for _, child in reversed(self._children):
            child.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for _, child in reversed(self._children):
            try:
                child.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def start(
        self, name: str, arguments: Sequence[str], extra: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start ``python -m arguments`` in the background."""
        log = open(self._home / "run" / f"{name}.log", "ab")  # noqa: SIM115 — the child keeps it
        child = subprocess.Popen(
            (sys.executable, "-m", *arguments),
            stdout=subprocess.PIPE if extra is None else log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **_environment(self._home), **(extra or {})},
            start_new_session=True,
        )
        log.close()
        self._children.append((name, child))
        return child

    def start_ready(self, name: str, arguments: Sequence[str]) -> dict[str, Any]:
        """Start a server and return the line of JSON it prints when it takes connections.

        Raises:
            GovernError: it ended or said nothing in time; the sentence holds its last words.
        """
        child = self.start(name, arguments)
        line = _first_line(child, READY_SECONDS)
        try:
            value = json.loads(line)
        except ValueError:
            raise GovernError(f"{name} did not start: {self.last_words(name)}") from None
        if not isinstance(value, dict):
            raise GovernError(f"{name} did not start: {self.last_words(name)}")
        return value

    def last_words(self, name: str) -> str:
        """Return the last line a child wrote to its log."""
        lines = (self._home / "run" / f"{name}.log").read_text("utf-8", "replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")

    def require_alive(self) -> None:
        """Refuse to go on after a child has ended.

        Raises:
            GovernError: one has; the sentence names it.
        """
        for name, child in self._children:
            if child.poll() is not None:
                raise GovernError(f"{name} ended by itself: {self.last_words(name)}")


def _environment(home: Path) -> dict[str, str]:
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    root = Path(__file__).resolve().parents[2]
    path = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
    return {"GOVERN_HOME": str(home), "PYTHONPATH": path, **dict.fromkeys(threads, "1")}


def _first_line(child: subprocess.Popen[bytes], seconds: float) -> bytes:
    assert child.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        if not selector.select(seconds):
            return b""
    return child.stdout.readline()


def start_worker(processes: Processes) -> None:
    """Start a Celery worker on the embedded broker; it needs no server."""
    arguments = ["celery", "-A", "govern.worker.app", "worker", "-P", "solo", "--loglevel=WARNING"]
    arguments += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    processes.start("worker", arguments, extra={})
