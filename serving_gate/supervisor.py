"""Several gate processes on one port (SO_REUSEPORT), each with its own log; the dead are restarted.

The parent serves nothing: it holds the port, starts one child a name, passes SIGTERM, SIGINT
and SIGHUP on, and starts a child again that ended by itself, later each time it dies young.
A child ends when its parent does, however that ends: its standard input is a pipe.
"""

from __future__ import annotations

import argparse
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from govern.errors import GovernError, StorageError

LOOK_SECONDS = 0.05
GROWN_SECONDS = 30.0
DELAY_SECONDS_MIN, DELAY_SECONDS_MAX = 0.2, 30.0


def restart_delay(deaths: int) -> float:
    """Return how many seconds to wait after so many early deaths in a row."""
    return min(DELAY_SECONDS_MAX, DELAY_SECONDS_MIN * 2.0 ** min(deaths, 10))


@dataclass
class Child:
    """One gate process."""

    name: str
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    deaths: int = 0
    due: float = 0.0
    ready: dict[str, Any] = field(default_factory=dict)


class Supervisor:
    """The parent of several gate processes."""

    def __init__(self, arguments: Sequence[str], options: argparse.Namespace) -> None:
        self._arguments = list(arguments)
        self._held, self._port = _hold(options.host, options.port)
        self._host = options.host
        self._children = [Child(name) for name in options.names]
        self._stopping = False

    def run(self) -> int:
        """Serve until a signal comes; return the exit code.

        Raises:
            GovernError: a child did not start.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, self._pass_on)
        try:
            for child in self._children:
                self._start(child)
                _await_ready(child)
            self._tell_ready()
            while not self._stopping:
                self._look(time.monotonic())
                time.sleep(LOOK_SECONDS)
        finally:
            codes = self._end()
            self._held.close()
        return max(codes, default=0)

    def _tell_ready(self) -> None:
        workers = [child.ready for child in self._children]
        ready = {"ready": True, "host": self._host, "port": self._port, "workers": workers}
        print(json.dumps(ready), flush=True)

    def _start(self, child: Child) -> None:
        command = [sys.executable, "-m", "serving_gate", *self._arguments]
        command += ["--only", child.name, "--port", str(self._port)]
        child.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        child.started = time.monotonic()

    def _look(self, now: float) -> None:
        """Notice the dead, and start again whose time has come."""
        for child in self._children:
            if child.process is not None and child.process.poll() is not None:
                self._bury(child, now)
            elif child.process is None and now >= child.due:
                self._start(child)

    def _bury(self, child: Child, now: float) -> None:
        assert child.process is not None
        child.deaths = 0 if now - child.started >= GROWN_SECONDS else child.deaths + 1
        child.due = now + restart_delay(child.deaths)
        event = {
            "event": "gate process ended",
            "name": child.name,
            "code": child.process.returncode,
            "restart_in_seconds": round(child.due - now, 1),
        }
        print(json.dumps(event), file=sys.stderr, flush=True)
        _close(child.process)
        child.process = None

    def _stop(self, number: int, frame: object) -> None:
        self._stopping = True

    def _pass_on(self, number: int, frame: object) -> None:
        for child in self._children:
            if child.process is not None:
                child.process.send_signal(number)

    def _end(self) -> list[int]:
        """Let every child finish what it has begun; return their exit codes."""
        living = [child.process for child in self._children if child.process is not None]
        for process in living:
            process.terminate()
        codes = [abs(process.wait()) for process in living]
        for process in living:
            _close(process)
        return codes


def _hold(host: str, port: int) -> tuple[socket.socket, int]:
    """Take a port for all children; not listening, it gets no connections itself."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    held = socket.socket(family, socket.SOCK_STREAM)
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((host, port))
    except OSError as error:
        held.close()
        raise StorageError(
            f"port {port} on {host} cannot be had: {error.strerror}; choose another with --port"
        ) from error
    return held, int(held.getsockname()[1])


def _await_ready(child: Child) -> None:
    assert child.process is not None
    assert child.process.stdout is not None
    line = child.process.stdout.readline()
    if not line:
        raise GovernError(f"the gate process {child.name} did not start")
    child.ready = {"name": child.name, **json.loads(line)}


def _close(process: subprocess.Popen[bytes]) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
