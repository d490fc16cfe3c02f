"""The processes of one gate: each has its own log; any of them shows the logs and figures of all.

Logs are read from their folders, which need no lock; metrics from a file that each process
leaves about once a second. It does not start or stop processes: see ``supervisor.py``.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

from serving_gate.log_files import LogFolder

METRICS = ".metrics"
_SAMPLE = re.compile(r"([a-z_]+)(?:\{(.*)\})? (\S+)")


class Family:
    """This process, and the others that serve on its port."""

    def __init__(self, name: str, folders: Mapping[str, Path]) -> None:
        self.name = name
        self.siblings = {other: folder for other, folder in folders.items() if other != name}
        self._mine = folders[name] / METRICS
        self._logs = {other: LogFolder(folder / "log") for other, folder in self.siblings.items()}

    def log(self, name: str) -> LogFolder | None:
        """Return another process's log by its name, for reading what it has published."""
        return self._logs.get(name)

    def leave(self, metrics: bytes) -> None:
        """Leave this process's metrics for the others; what cannot be written is left out."""
        temporary = self._mine.with_name(f"{METRICS}.part")
        with contextlib.suppress(OSError):
            temporary.write_bytes(metrics)
            os.replace(temporary, self._mine)

    def metrics(self, own: bytes) -> bytes:
        """Return the metrics of all processes, told apart by the label ``gate``."""
        if not self.siblings:
            return own
        found = {self.name: own}
        for name, folder in self.siblings.items():
            with contextlib.suppress(OSError):
                found[name] = (folder / METRICS).read_bytes()
        return merge(found)


def merge(pages: Mapping[str, bytes]) -> bytes:
    """Return one page of Prometheus' text format from one a process. Pure."""
    families: dict[str, tuple[list[str], list[str]]] = {}
    for gate, page in sorted(pages.items()):
        family = ""
        for line in page.decode().splitlines():
            if line.startswith("# "):
                family = line.split(" ")[2]
                told = families.setdefault(family, ([], []))[0]
                if line not in told:
                    told.append(line)
            elif match := _SAMPLE.fullmatch(line):
                name, labels, value = match.groups()
                label = f'gate="{gate}"' + (f",{labels}" if labels else "")
                families[family][1].append(f"{name}{{{label}}} {value}")
    lines = [line for told, samples in families.values() for line in (*told, *samples)]
    return ("\n".join(lines) + "\n").encode()
