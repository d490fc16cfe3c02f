"""Candidates that misbehave, run by the real process in the real sandbox.

``python -m tests.support.hostile WHAT PARENT MEMORY``: the folder's files are not read.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from govern.adapters.candidates import server


def _wild_frame(rows: Any) -> None:
    import struct

    for fd in range(3, 16):
        try:
            os.write(fd, struct.pack(">IQ", 1 << 31, 1 << 60))
        except OSError:
            continue


def _talkative(rows: Any) -> None:
    print("to stdout, where the messages were")
    os.write(2, b"x" * (2 << 20))


class Hostile:
    def __init__(self, what: str) -> None:
        self.what = what
        self.device: dict[str, Any] = {"kind": "cpu"}

    def predict(self, rows: Any, protected: Any) -> tuple[Any, Any]:
        import numpy as np

        n = len(rows)
        labels, scores = np.ones(n, np.int64), np.full(n, 0.5, np.float32)
        answers: dict[str, Callable[[], tuple[Any, Any]]] = {
            "nan": lambda: (labels, scores * np.nan),
            "wrong shape": lambda: (labels, np.stack([scores, scores], 1)),
            "too few": lambda: (labels[1:], scores),
            "logits": lambda: (labels, scores * -7),
            "classes": lambda: (labels * 3, scores),
            "text": lambda: (labels.astype(str), scores),
            "objects": lambda: (labels.astype(object), scores),
            "huge": lambda: (labels, np.zeros(50_000_000)),
        }
        if self.what in answers:
            return answers[self.what]()
        acts: dict[str, Callable[[], Any]] = {
            "hangs": lambda: time.sleep(3600),
            "eats memory": lambda: [np.ones(1 << 27) for _ in range(64)],
            "exits": lambda: os._exit(7),
            "crashes": lambda: os.kill(os.getpid(), 11),
            "lies": lambda: _wild_frame(rows),
            "raises": lambda: 1 / 0,
            "writes files": lambda: Path("/tmp/hostile").write_text("x"),
            "reads secrets": lambda: Path("/etc/passwd").read_text(),
            "opens a socket": socket.socket,
            "sends a datagram": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
            "starts a program": lambda: subprocess.run(["/bin/true"]),
            "forks": os.fork,
            "kills the worker": lambda: os.kill(os.getppid(), 9),
            "talks": lambda: _talkative(rows),
        }
        acts[self.what]()
        return labels, scores


if __name__ == "__main__":
    chosen = sys.argv.pop(1)
    sys.exit(server.main(lambda files, options: Hostile(chosen)))
