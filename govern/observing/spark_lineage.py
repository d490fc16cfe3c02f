"""Turn what Spark told of its queries into data sets and feature builds of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from govern.domain.source_run import Build, Bytes
from govern.observing.fingerprints import fingerprint_visible
from govern.observing.spark_queries import Query, Told, local_path


class Observed(Protocol):
    """The run that is added to."""

    data_sets: list[Any]
    builds: list[Any]
    gaps: list[str]
    facts: dict[str, Any]


class _Names:
    """Gives each folder one name: its own, or its whole path where two are called alike."""

    def __init__(self, run: Observed) -> None:
        self.run = run
        self.by_path: dict[Path, str] = {}

    def known(self, path: Path) -> str | None:
        return self.by_path.get(path)

    def give(self, path: Path) -> str:
        taken = {item.name for item in self.run.data_sets}
        taken |= {one.made.name for one in self.run.builds}
        name = str(path) if path.name in taken else path.name
        self.by_path[path] = name
        return name


def take_up(run: Observed, told: Told) -> None:
    """Add data sets, builds, facts and gaps to a run, in the order in which queries ended."""
    names, rows = _Names(run), []
    for query in told.queries:
        reads = _reads(run, query, names)
        rows.append({"plan_digest": query.plan_digest, "seconds": round(query.seconds, 3),
                     "reads": reads, "writes": _writes(run, query, names, reads)})  # fmt: skip
        run.gaps += [f"Spark used a {kind}, of which it tells no files" for kind in query.unknown]
    if told.unread:
        run.gaps.append(f"{told.unread} queries of Spark could not be read")
    run.gaps = list(dict.fromkeys(run.gaps))
    facts = {**told.facts, "queries": rows, "failed": told.failed}
    run.facts.setdefault("spark", []).append(facts)


def _reads(run: Observed, query: Query, names: _Names) -> list[str]:
    found = []
    for address in query.reads:
        path = local_path(address)
        if path is None or not path.exists():
            run.gaps.append(f"Spark read {address[:200]}, whose bytes were not fingerprinted")
            continue
        name = names.known(path)
        if name is None:
            name = names.give(path)
            run.data_sets.append(fingerprint_visible(name, path))
        found.append(name)
    return list(dict.fromkeys(found))


def _writes(run: Observed, query: Query, names: _Names, reads: list[str]) -> str | None:
    if query.writes is None:
        return None
    folder = local_path(query.writes)
    if folder is None or not folder.exists():
        run.gaps.append(f"Spark wrote {query.writes[:200]}, whose bytes were not fingerprinted")
        return None
    name = names.give(folder)
    made: Bytes = fingerprint_visible(name, folder)
    parameters: dict[str, Any] = {"mode": query.mode, "plan_digest": query.plan_digest}
    run.builds.append(Build(Bytes(name, made.digest, (), made.profile), tuple(reads), parameters))
    return name
