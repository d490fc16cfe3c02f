"""Run a module on a disk that fails when told to: ``python -m tests.support.faulty_disk CONTROL MODULE …``.

CONTROL is a file of JSON, read at every call: ``{"under": "payloads", "fdatasync": "EIO"}``.
Each of ``open``, ``write``, ``fdatasync``, ``fsync``, ``ftruncate`` and ``replace`` names an
error or a number of seconds to wait; ``under`` narrows them to paths that contain it. A write
that fails has written half of its bytes before, as on a disk that fills up.
"""

from __future__ import annotations

import errno
import json
import os
import runpy
import sys
import time
from pathlib import Path
from typing import Any

_open, _write, _fdatasync = os.open, os.write, os.fdatasync
_fsync, _ftruncate, _replace = os.fsync, os.ftruncate, os.replace


class FaultyDisk:
    """The faults that a control file asks for."""

    def __init__(self, control: Path) -> None:
        self._control = control

    def check(self, call: str, path: str) -> None:
        """Wait, or raise what is asked for.

        Raises:
            OSError: the fault.
        """
        try:
            faults = json.loads(self._control.read_text() or "{}")
        except FileNotFoundError:
            return
        fault = faults.get(call)
        if fault is None or faults.get("under", "") not in path:
            return
        if isinstance(fault, str):
            raise OSError(getattr(errno, fault), os.strerror(getattr(errno, fault)))
        time.sleep(fault)

    def open(self, path: Any, flags: int, mode: int = 0o777) -> int:
        """Stand in for ``os.open``; opening for reading never fails."""
        if flags & (os.O_WRONLY | os.O_RDWR):
            self.check("open", str(path))
        return _open(path, flags, mode)

    def write(self, descriptor: int, data: Any) -> int:
        """Stand in for ``os.write``."""
        try:
            self.check("write", _path(descriptor))
        except OSError:
            _write(descriptor, bytes(data)[: len(data) // 2])
            raise
        return _write(descriptor, data)

    def fdatasync(self, descriptor: int) -> None:
        """Stand in for ``os.fdatasync``."""
        self.check("fdatasync", _path(descriptor))
        _fdatasync(descriptor)

    def fsync(self, descriptor: int) -> None:
        """Stand in for ``os.fsync``."""
        self.check("fsync", _path(descriptor))
        _fsync(descriptor)

    def ftruncate(self, descriptor: int, length: int) -> None:
        """Stand in for ``os.ftruncate``."""
        self.check("ftruncate", _path(descriptor))
        _ftruncate(descriptor, length)

    def replace(self, source: Any, target: Any) -> None:
        """Stand in for ``os.replace``."""
        self.check("replace", str(target))
        _replace(source, target)


def _path(descriptor: int) -> str:
    return os.readlink(f"/proc/self/fd/{descriptor}")


def main() -> None:
    """Put the faults in place and run the module."""
    control, module, *arguments = sys.argv[1:]
    disk = FaultyDisk(Path(control))
    for name in ("open", "write", "fdatasync", "fsync", "ftruncate", "replace"):
        setattr(os, name, getattr(disk, name))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
