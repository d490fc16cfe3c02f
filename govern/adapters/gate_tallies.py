"""Count the records of gates on disk, segment by segment, on every core where that pays.

It holds one segment a core in memory. A gate whose records cannot be read is reported with
the reason; the others are counted all the same.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from govern.domain.gate_archive import PayloadKey, parse_keyring
from govern.domain.gate_tally import Tally, add_up, tally_segment
from govern.errors import CompletenessError, GovernError
from govern.services.ports import GateCount

PARALLEL_BYTES_MIN = 24 << 20

Part = tuple[Path, dict[bytes, PayloadKey], int | None]
Progress = Callable[[int, int], None]


def count_gates(
    gates: Sequence[tuple[Path, str]],
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> list[GateCount]:
    """Count every gate.

    Args:
        gates: each gate's folder and its log's origin.
        workers: processes at most; by default one a core, or none for a few records.
        progress: called with bytes done and bytes in all.
    """
    plans = [_plan(folder) for folder, _ in gates]
    sizes = [[path.stat().st_size for path, _, _ in parts] for parts, _ in plans]
    total, done, counts = sum(map(sum, sizes)), 0, []
    with _pool(workers, total) as pool:
        for (folder, origin), (parts, problem), own in zip(gates, plans, sizes, strict=True):
            found: list[Tally] = []
            found_wrong = ""
            try:
                for tally, size in zip(_tallies(pool, parts), own, strict=True):
                    found.append(tally)
                    done += size
                    if progress is not None:
                        progress(done, total)
            except GovernError as error:
                found_wrong = str(error)
            except OSError as error:
                found_wrong = f"its records cannot be read: {error.strerror}"
            wrong = found_wrong or problem
            counts.append(GateCount(folder.name, origin, add_up(found), wrong))
    return counts


def _pool(workers: int | None, total_bytes: int) -> AbstractContextManager[Executor | None]:
    cores = workers or os.cpu_count() or 1
    if cores == 1 or total_bytes < PARALLEL_BYTES_MIN:
        return nullcontext()
    return ProcessPoolExecutor(cores, mp_context=multiprocessing.get_context("spawn"))


def _tallies(pool: Executor | None, parts: Sequence[Part]) -> map[Tally]:
    return map(_tally, parts) if pool is None else pool.map(_tally, parts)  # type: ignore[return-value]


def _plan(gate: Path) -> tuple[list[Part], str | None]:
    """Return a gate's segments with keys and ends, and why it cannot be counted, if so."""
    payloads = gate / "payloads"
    try:
        keys = dict(parse_keyring((payloads / "keyring").read_bytes()))
    except FileNotFoundError:
        return [], None if not list(payloads.glob("*.seg")) else "its keyring is missing"
    except (GovernError, OSError) as error:
        return [], f"its keyring cannot be read: {error}"
    paths = sorted(payloads.glob("*.seg"))
    ends = [int(path.stem) for path in paths[1:]]
    problem = None
    if paths and int(paths[0].stem) != 0:
        problem = "its first record is missing"
    return list(zip(paths, [keys] * len(paths), [*ends, None], strict=True)), problem


def _tally(part: Part) -> Tally:
    path, keys, end = part
    try:
        return tally_segment(path.read_bytes(), keys, end)
    except CompletenessError as error:
        raise CompletenessError(f"{path.name}: {error}") from None
