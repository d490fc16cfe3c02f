"""Packs with their cases on disk, and mutants judged on several cores.

``<folder>/<pack>/cases/*.yaml`` beside each pack, ``<folder>/_evidence/*.yaml`` for all.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from govern.adapters.pack_files import read_packs
from govern.errors import PolicyError
from govern.policy.cases import CASE_BYTES_MAX, EVIDENCE_BYTES_MAX, Case, load_cases, load_evidence
from govern.policy.document import Pack
from govern.policy.mutants import Mutant, mutants, prepare, survives

EVIDENCE_FOLDER = "_evidence"
Evidence = Mapping[str, Mapping[str, Any]]
Progress = Callable[[int, int], None]
_prepared: list[tuple[Case, Mapping[str, Any]]] = []


@dataclass(frozen=True, slots=True)
class Tried:
    """A pack, its file and its cases."""

    path: Path
    pack: Pack
    cases: tuple[Case, ...]


def read_cases(folder: Path) -> tuple[list[Tried], Evidence]:
    """Read every pack of a folder with its cases, and the evidence that they name.

    Raises:
        PolicyError: one cannot be read, or names evidence that is not there.
        StorageError: there is no pack.
    """
    shared = sorted((folder / EVIDENCE_FOLDER).glob("*.yaml"))
    evidence = {
        path.stem: load_evidence(_bytes(path, EVIDENCE_BYTES_MAX), path.name) for path in shared
    }
    tried = []
    for path, pack in read_packs(folder):
        files = sorted((path.parent / "cases").glob("*.yaml"))
        cases = [
            case
            for file in files
            for case in load_cases(
                _bytes(file, CASE_BYTES_MAX), f"{path.parent.name}/cases/{file.name}"
            )
        ]
        for case in cases:
            if case.evidence not in evidence:
                raise PolicyError(
                    f"{case.place}: there is no {EVIDENCE_FOLDER}/{case.evidence}.yaml"
                )
        tried.append(Tried(path, pack, tuple(cases)))
    return tried, evidence


def _bytes(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        raise PolicyError(f"{path.name}: cannot be read: {error.strerror}") from None


def survivors(
    tried: Sequence[Tried], evidence: Evidence, progress: Progress
) -> dict[str, tuple[int, list[Mutant]]]:
    """Return per pack how many mutants were made and which survived its cases."""
    made = {item.pack.id: list(mutants(item.pack)) for item in tried}
    total, done = sum(map(len, made.values())), 0
    found: dict[str, tuple[int, list[Mutant]]] = {}
    for item in tried:
        own, alive = made[item.pack.id], list[Mutant]()
        with ProcessPoolExecutor(
            os.cpu_count(), initializer=_prepare, initargs=(item.cases, evidence)
        ) as pool:
            for mutant, lives in zip(own, pool.map(_survives, own, chunksize=8), strict=True):
                done += 1
                progress(done, total)
                if lives:
                    alive.append(mutant)
        found[item.pack.id] = (len(own), alive)
    return found


def _prepare(cases: Sequence[Case], evidence: Evidence) -> None:
    global _prepared
    _prepared = prepare(cases, evidence)


def _survives(mutant: Mutant) -> bool:
    return survives(mutant, _prepared)
