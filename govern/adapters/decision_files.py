"""Recorded decisions as JSON lines, and decided again on several cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from pathlib import Path

from govern.errors import MalformedError
from govern.policy.backtesting import Recorded, Replayed, backtest
from govern.policy.document import Pack, load_pack
from govern.transparency.canonical import canonical_json, parse_json

LINE_BYTES_MAX = 8 << 20
LINES_MAX = 1_000_000
CHUNK = 50
ALONE_MAX = 200
Progress = Callable[[int, int], None]
Found = tuple[str, str, str, date | None, tuple[str, ...]]
_work: tuple[Sequence[Recorded], Sequence[Pack], Sequence[Pack] | None] = ((), (), None)


def write_lines(decisions: Sequence[Recorded]) -> bytes:
    """Return decisions as JSON lines, each in canonical form."""
    return b"".join(canonical_json(item.to_json()) + b"\n" for item in decisions)


def read_lines(path: Path) -> Iterator[Recorded]:
    """Yield the decisions of a JSON lines file.

    Raises:
        MalformedError: with the line's number.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(LINE_BYTES_MAX + 1), b""), 1):
                if number > LINES_MAX or len(line) > LINE_BYTES_MAX:
                    raise MalformedError(
                        f"{path.name}:{number}: at most {LINES_MAX} lines of {LINE_BYTES_MAX} bytes"
                    )
                yield _line(line, f"{path.name}:{number}")
    except OSError as error:
        raise MalformedError(f"cannot read {path}: {error.strerror}") from None


def _line(line: bytes, where: str) -> Recorded:
    try:
        return Recorded.from_json(parse_json(line.strip(), bytes_max=LINE_BYTES_MAX))
    except MalformedError as error:
        raise MalformedError(f"{where}: {error}") from None


def backtest_all(
    decisions: Sequence[Recorded],
    packs: Sequence[Pack],
    base: Sequence[Pack] | None,
    progress: Progress,
) -> list[Replayed]:
    """Decide all again, in order; more than a few on every core.

    Compiled expressions do not travel between processes, so each compiles the packs once.
    """
    total, done = len(decisions), list[Replayed]()
    if total <= ALONE_MAX:
        for item in decisions:
            done.append(backtest(item, packs, base))
            progress(len(done), total)
        return done
    given = (
        decisions,
        [pack.source for pack in packs],
        None if base is None else [pack.source for pack in base],
    )
    starts = range(0, total, CHUNK)
    with ProcessPoolExecutor(os.cpu_count(), initializer=_load, initargs=given) as pool:
        for start, part in zip(starts, pool.map(_chunk, starts), strict=True):
            own = decisions[start : start + CHUNK]
            done += [Replayed(item, *found) for item, found in zip(own, part, strict=True)]
            progress(len(done), total)
    return done


def _load(
    decisions: Sequence[Recorded], sources: Sequence[bytes], base: Sequence[bytes] | None
) -> None:
    """Take what a worker needs; forked workers inherit the decisions, others are sent them."""
    global _work
    read = [load_pack(source) for source in sources]
    _work = decisions, read, None if base is None else [load_pack(source) for source in base]


def _chunk(start: int) -> list[Found]:
    """Decide a chunk again; the decisions themselves, which are large, do not travel back."""
    decisions, packs, base = _work
    replayed = [backtest(item, packs, base) for item in decisions[start : start + CHUNK]]
    return [(one.before, one.after, one.effect, one.since, one.rules) for one in replayed]
