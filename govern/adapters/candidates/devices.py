"""Whether CUDA is here, and what its driver calls itself; no library is asked."""

from __future__ import annotations

import os
from pathlib import Path

DRIVER = Path("/proc/driver/nvidia/version")
DRIVER_CHARS_MAX = 120


def cuda_here() -> bool:
    """Say whether this machine has a CUDA device; asks no library, so nothing is initialised."""
    return os.path.exists("/dev/nvidia0")


def driver() -> str | None:
    """Return what the NVIDIA driver calls itself; None where there is none."""
    try:
        return DRIVER.read_text("utf-8").splitlines()[0][:DRIVER_CHARS_MAX]
    except (OSError, IndexError, UnicodeDecodeError):
        return None
