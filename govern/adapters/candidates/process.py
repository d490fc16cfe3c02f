"""A candidate in a process of its own, as the checks see it.

The worker starts it, sends the files, asks batches and judges every answer; whatever the
candidate does, the worker gets a ``CandidateError`` with one sentence and lives. What comes
back is arrays of numbers, never code. See ``docs/concepts/sandbox.md``.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from govern.adapters.candidates.card import Card
from govern.adapters.candidates.devices import cuda_here, driver
from govern.adapters.candidates.formats import FORMATS
from govern.adapters.candidates.frames import Frame, decode, encode
from govern.adapters.candidates.judging import attributions, inner_values, judged
from govern.checks import shapley
from govern.checks.inner_values import InnerValues
from govern.checks.shapley import Attributions
from govern.errors import CandidateError, MalformedError

ANSWER_BYTES_PER_ROW_MAX = 64
ANSWER_BYTES_EXTRA = 1 << 20
WORDS_CHARS_MAX = 200
CHUNK_BYTES = 1 << 20
HEALTH_SECONDS = 0.2
_PASSED_ON = ("LANG", "LC_ALL", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "PATH")
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a candidate may use.

    Args:
        memory_bytes: private memory of its process.
        load_seconds: until its libraries and files are loaded.
        predict_seconds: for one batch.
        gpu_memory_bytes: of a CUDA device, where its library can be told.
        rows_per_batch: rows sent at once; part of the evidence, results may depend on it.
    """

    memory_bytes: int = 8 << 30
    gpu_memory_bytes: int = 32 << 30
    load_seconds: float = 100.0
    predict_seconds: float = 120.0
    rows_per_batch: int = 65_536


class SandboxedModel:
    """A candidate, warm, in a sandboxed process.

    Args:
        card: the candidate's card.
        files: its folder, by file name.
        limits: what it may use.
        threads: threads per operator.
        device: ``cpu`` or ``cuda``; what the card asks for, else CUDA where it is.
        precision: what the card asks for where it is empty.
        module: the child's module, run with ``python -m``.
        watch: called with the number of rows answered, after each batch.
    """

    def __init__(
        self,
        card: Card,
        files: Mapping[str, bytes],
        *,
        limits: Limits | None = None,
        threads: int = 1,
        device: str = "",
        precision: str = "",
        module: Sequence[str] = ("govern.adapters.candidates.server",),
    ) -> None:
        self.card = card
        self.columns = list(card.columns)
        self.task = card.task
        self.protected = list(card.protected)
        self.watch: Callable[[int], None] = watch_nothing
        self._limits = limits or Limits()
        self._rows_at_once = card.rows_per_batch or self._limits.rows_per_batch
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 — closed with the process
        self._child = _start(module, self._limits.memory_bytes, threads, self._words)
        try:
            told = {
                "card": dict(card.value),
                "threads": threads,
                "device": device or card.device,
                "precision": precision or card.precision,
                "gpu_memory_bytes": self._limits.gpu_memory_bytes,
            }
            self.device = self._open(files, told)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *error: object) -> None:
        """End the process."""
        self.close()

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._child.poll() is None

    def stop(self) -> None:
        """Kill the process, from any thread; the batch under way fails with a sentence."""
        self._child.kill()

    def close(self) -> None:
        """End the process, whatever it does, and its pipes; safe to call twice."""
        self._child.kill()
        self._child.wait()
        for stream in (self._child.stdin, self._child.stdout):
            if stream is not None:
                stream.close()

    def predict(
        self, rows: np.ndarray, protected: Mapping[str, Any] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Answer a batch.

        Args:
            rows: float array [n, features] in the card's column order.
            protected: for models that need them, attribute name to n category names.

        Returns:
            labels int64 [n] and scores float32 [n]; where the task is a number, labels are 0
            and scores float64.

        Raises:
            CandidateError: it failed, took too long, or gave an answer that is none.
        """
        codes = self.card.codes(protected or {}, len(rows))
        parts = []
        for start in range(0, max(1, len(rows)), self._rows_at_once):
            batch = slice(start, start + self._rows_at_once)
            parts.append(self._predict(rows[batch], {k: v[batch] for k, v in codes.items()}))
            self.watch(len(parts[-1][0]))
        return tuple(np.concatenate(column) for column in zip(*parts, strict=True))  # type: ignore[return-value]

    def explain(self, rows: np.ndarray, background: np.ndarray) -> InnerValues | None:
        """Return Shapley values read from inside the model, None where it has none to read.

        Args:
            rows: float64 [n, features], nothing missing.
            background: float64 [m, features], nothing missing.

        Raises:
            CandidateError: it failed, or what it gave is no explanation of these rows.
        """
        if not self._explains or self.protected:
            return None
        room = ANSWER_BYTES_EXTRA + 8 * rows.size + 2 * ANSWER_BYTES_PER_ROW_MAX * len(rows)
        room += 8 * rows.shape[1] ** 2
        asked = Frame({"ask": "explain"}, {"rows": rows, "background": background})
        answer = self._ask(asked, self._limits.predict_seconds, room)
        return inner_values(answer, rows.shape) if answer.header.get("method") else None

    @property
    def walks_paths(self) -> bool:
        """Whether ``explain_paths`` can be asked."""
        return self._walks_paths and not self.protected

    def explain_paths(
        self, rows: np.ndarray, background: np.ndarray, paths: int, seed: int
    ) -> Attributions:
        """Return Shapley values of the score by permutation paths on the model's own device.

        Args:
            rows: float64 [n, features], nothing missing.
            background: float64 [m, features], nothing missing.
            paths: antithetic paths per row.
            seed: of the paths.

        Raises:
            CandidateError: it failed, or what it gave are no values of these rows.
        """
        step = shapley.rows_at_once(rows.shape[1], paths, self._rows_at_once)
        told = {"ask": "paths", "paths": paths, "seed": seed, "batch": self._rows_at_once}
        found = []
        for low in range(0, len(rows), step):
            part = rows[low : low + step]
            asked = Frame(told, {"rows": part, "background": background})
            room = ANSWER_BYTES_EXTRA + 2 * ANSWER_BYTES_PER_ROW_MAX * part.size
            answer = self._ask(asked, self._limits.predict_seconds, room)
            found.append(attributions(answer, part.shape))
            self.watch(found[-1].evaluations)
        values, errors, output = (
            np.concatenate([getattr(each, name) for each in found])
            for name in ("values", "errors", "output")
        )
        return Attributions(
            values, errors, found[0].base, output, sum(each.evaluations for each in found)
        )

    def _predict(
        self, rows: np.ndarray, codes: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        values = np.ascontiguousarray(rows, FORMATS[self.card.format].rows)
        room = ANSWER_BYTES_EXTRA + ANSWER_BYTES_PER_ROW_MAX * len(rows)
        answer = self._ask(Frame({}, {"rows": values, **codes}), self._limits.predict_seconds, room)
        labels, scores = (answer.arrays.get(name) for name in ("labels", "scores"))
        return judged(labels, scores, len(rows), self.card.task)

    def _open(self, files: Mapping[str, bytes], options: Mapping[str, Any]) -> dict[str, Any]:
        ends = time.monotonic() + self._limits.load_seconds
        report = self._receive(ends, ANSWER_BYTES_EXTRA).header.get("sandbox")
        left = max(0.1, ends - time.monotonic())
        answer = self._ask(Frame(options, {}, files), left, ANSWER_BYTES_EXTRA)
        device = answer.header.get("device")
        if not isinstance(device, dict):
            raise self._failed("its process did not say what it runs on")
        self._explains, self._walks_paths = (
            bool(answer.header.get(name)) for name in ("explains", "walks_paths")
        )
        for name, kind in (("device", "kind"), ("precision", "precision")):
            wanted = options[name]
            if wanted and device.get(kind) != wanted and (name == "device" or wanted != "float32"):
                raise self._failed(f"{wanted} was asked for, it runs on {device.get(kind)}")
        if device.get("kind") == "cuda":
            device |= {"driver": driver(), "memory_limit_bytes": options["gpu_memory_bytes"]}
        elif not cuda_here():
            device["gpu"] = "none on this machine"
        more = {"threads": options["threads"], "rows_per_batch": self._rows_at_once}
        return {**device, **more, "sandbox": report}

    def _ask(self, frame: Frame, seconds: float, room: int) -> Frame:
        ends = time.monotonic() + seconds
        for piece in encode(frame):
            self._send(piece, ends)
        answer = self._receive(ends, room)
        if "error" in answer.header:
            raise CandidateError(f"the candidate failed: {answer.header['error']}")
        return answer

    def _send(self, data: bytes | memoryview, ends: float) -> None:
        sink, view = self._child.stdin, memoryview(data)
        assert sink is not None
        if sink.closed:
            raise CandidateError("the candidate failed before; its process has been ended")
        while view:
            self._await(sink, selectors.EVENT_WRITE, ends)
            try:
                view = view[os.write(sink.fileno(), view[:CHUNK_BYTES]) :]
            except BlockingIOError:
                continue
            except OSError:
                raise self._failed() from None

    def _receive(self, ends: float, room: int) -> Frame:
        try:
            return decode(lambda count: self._read(count, ends), body_bytes_max=room)
        except MalformedError as error:
            raise self._failed(f"its process sent no message: {error}") from None

    def _read(self, count: int, ends: float) -> bytes:
        source, pieces = self._child.stdout, []
        assert source is not None
        left = count
        while left:
            self._await(source, selectors.EVENT_READ, ends)
            piece = os.read(source.fileno(), min(CHUNK_BYTES, left))
            if not piece:
                raise self._failed()
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)

    def _await(self, stream: Any, event: int, ends: float) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(stream, event)
            if not selector.select(max(0.0, ends - time.monotonic())):
                raise self._failed("it took longer than the time it has")

    def _failed(self, why: str = "") -> CandidateError:
        """End the process and return what is known about why."""
        try:
            code = self._child.wait(HEALTH_SECONDS if not why else 0)
        except subprocess.TimeoutExpired:
            code = None
        self.close()
        if not why:
            why = "its process closed the pipe" if code is None else _ending(code)
        words = self._last_words()
        self._words.close()
        return CandidateError(f"the candidate failed: {why}{f' ({words})' if words else ''}")

    def _last_words(self) -> str:
        if self._words.closed:
            return ""
        self._words.seek(0)
        lines = self._words.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:WORDS_CHARS_MAX] if lines else ""


def _start(
    module: Sequence[str], memory_bytes: int, threads: int, words: Any
) -> subprocess.Popen[bytes]:
    root = str(Path(__file__).resolve().parents[3])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    child = subprocess.Popen(
        (sys.executable, "-m", *module, str(os.getpid()), str(memory_bytes)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=words,
        bufsize=0,
        cwd="/",
        env={
            **kept,
            **dict.fromkeys(_THREADS, str(threads)),
            "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": path,
            "TORCHINDUCTOR_CACHE_DIR": sys.prefix,  # torch wants it to exist; nothing is written
        },
        start_new_session=True,
    )
    assert child.stdin is not None
    os.set_blocking(child.stdin.fileno(), False)
    for stream in (child.stdin, child.stdout):
        _widen(stream)
    return child


def _widen(pipe: Any) -> None:
    """Make a pipe hold a megabyte, where the kernel lets us: fewer turns for each batch."""
    with contextlib.suppress(OSError):
        fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, CHUNK_BYTES)


def _ending(code: int) -> str:
    if code == -signal.SIGKILL:
        return "its process was killed, perhaps for want of memory"
    if code < 0:
        return f"its process ended with {signal.Signals(-code).name}"
    return f"its process ended by itself with exit code {code}"


def watch_nothing(rows: int) -> None:
    """Watch nothing."""
