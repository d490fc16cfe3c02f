"""The process that runs a candidate: enters the sandbox, loads the model, answers batches.

``python -m govern.adapters.candidates.server PARENT_PID MEMORY_BYTES`` speaks frames on its
standard input and output. The sandbox is entered before anything of the candidate is read and
before any model library is imported; its report is the first message out.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from govern.adapters import sandbox

_SYSTEM = (
    "/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/proc/self", "/proc/cpuinfo",
    "/proc/meminfo", "/proc/stat", "/sys/devices/system", "/sys/fs/cgroup",
)  # fmt: skip
_DEVICES = ("/dev/null", "/dev/urandom", "/dev/zero")
_GPU_DEVICES = ("nvidia", "dri", "kfd")
ERROR_CHARS_MAX = 400


class Loaded(Protocol):
    """A candidate in memory."""

    device: dict[str, Any]

    def predict(self, rows: Any, protected: Mapping[str, Any]) -> tuple[Any, Any]:
        """Return labels [n] and scores [n] for float64 rows [n, features]."""


Load = Callable[[Mapping[str, bytes], Mapping[str, Any]], Loaded]


def main(load: Load | None = None) -> int:
    """Serve until the worker closes the pipe; return the exit code.

    Args:
        load: makes a model of files and options; the loader of the card's format by default.
    """
    parent, memory_bytes = int(sys.argv[1]), int(sys.argv[2])
    sandbox.end_with_parent(parent)
    source, sink = _private_pipes()
    devices = (*_DEVICES, *_gpu_files())
    report = sandbox.enter(readable=_readable(), devices=devices, memory_bytes=memory_bytes)
    tempfile.tempdir = os.devnull  # libraries ask where it is; none may be written
    frames = import_module("govern.adapters.candidates.frames")

    def read(count: int) -> bytes:
        data = source.read(count)
        if len(data) < count:
            raise EOFError
        return data

    def send(header: Mapping[str, Any], arrays: Mapping[str, Any] | None = None) -> None:
        sink.writelines(frames.encode(frames.Frame(header, arrays or {})))
        sink.flush()

    send({"sandbox": report.to_json()})
    model: Loaded | None = None
    while True:
        try:
            frame = frames.decode(read)
        except EOFError:
            return 0
        try:
            if model is None:
                model = (load or _load)(frame.files, frame.header)
                can = {"explains": "explain", "walks_paths": "explain_paths"}
                told = {name: hasattr(model, method) for name, method in can.items()}
                send({"device": {**model.device, **_builds()}, **told})
            elif frame.header.get("ask") == "explain":
                send(*_explained(model, frame.arrays))
            elif frame.header.get("ask") == "paths":
                send(*_walked(model, frame))
            else:
                rows, codes = frame.arrays["rows"], dict(frame.arrays)
                del codes["rows"]
                labels, scores = model.predict(rows, codes)
                send({}, {"labels": labels, "scores": scores})
        except Exception as error:
            send({"error": _sentence(error)})


def _load(files: Mapping[str, bytes], options: Mapping[str, Any]) -> Loaded:
    loaders = import_module("govern.adapters.candidates.loaders")
    loaded: Loaded = loaders.load(files, options)
    return loaded


def _explained(
    model: Any, arrays: Mapping[str, Any]
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return header and arrays of values read from inside the model; none where it cannot."""
    found = model.explain(arrays["rows"], arrays["background"])
    if found is None:
        return {"method": ""}, {}
    told = {name: getattr(found, name) for name in ("method", "scale", "library", "base")}
    named = ("values", "output", "ours", "oracle", "oracle_errors")
    sent = {name: getattr(found, name) for name in named}
    pairs = found.interactions
    if pairs is not None:
        told["pairs"] = [pairs.rows, pairs.oracle_gap, pairs.oracle_rows]
        sent["pairs"] = pairs.mean_abs
    return told, sent


def _walked(model: Any, frame: Any) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return header and arrays of values by paths on the model's own device."""
    numbers = (int(frame.header[name]) for name in ("paths", "seed", "batch"))
    found = model.explain_paths(frame.arrays["rows"], frame.arrays["background"], *numbers)
    arrays = {name: getattr(found, name) for name in ("values", "errors", "output")}
    return {"base": found.base, "evaluations": found.evaluations}, arrays


def _builds() -> dict[str, Any]:
    """Return the builds that the numbers come from, besides the model library's own."""
    numpy = import_module("numpy")
    return {"builds": {"python": sys.version.split()[0], "numpy": str(numpy.__version__)}}


def _private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Move the pipes away from 0 and 1, so that what a library prints goes nowhere."""
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb", buffering=1 << 16)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.close(nothing)
    return source, sink


def _readable() -> list[str]:
    package = Path(__file__).resolve().parents[2]
    return [*_SYSTEM, sys.prefix, sys.base_prefix, str(package)]


def _gpu_files() -> list[str]:
    return [f"/dev/{name}" for name in os.listdir("/dev") if name.startswith(_GPU_DEVICES)]


def _sentence(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "the model asked for more memory than it may have"
    return f"{type(error).__name__}: {error}"[:ERROR_CHARS_MAX]


if __name__ == "__main__":
    sys.exit(main())
