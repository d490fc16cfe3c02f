"""Measure how long each step of a command takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Clock:
    """Measures how long each step takes."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def run(self, name: str, step: Callable[[], T]) -> T:
        """Run a step and note its seconds."""
        started = time.monotonic()
        result = step()
        self.seconds[name] = round(time.monotonic() - started, 2)
        return result
