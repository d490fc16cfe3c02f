"""What a Dask cluster did during a run: its tasks as a graph, its workers, what failed.

A scheduler plugin (``distributed.diagnostics.plugin.SchedulerPlugin``) counts while the run
goes on, and the client fetches the counts at its end. Tasks are told by their names without
the random part; which files they read is not in the graph and is told by ``Run.data``. Govern
must be installed where the scheduler runs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dask.utils import key_split
from distributed.diagnostics.plugin import SchedulerPlugin

from govern.transparency.canonical import canonical_json
from govern.transparency.digest import digest_of

NAME = "govern-recorder"
KINDS_MAX = 1_000
_TOKEN = re.compile(r"-?[0-9a-f]{32}")


class GraphRecorder(SchedulerPlugin):
    """Counts tasks by name, edges between names, workers, and errors."""

    name = NAME

    def __init__(self) -> None:
        self.tasks: Counter[str] = Counter()
        self.edges: Counter[tuple[str, str]] = Counter()
        self.finished: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.workers: dict[str, dict[str, Any]] = {}
        self.lost = 0
        self._seen: set[int] = set()

    async def start(self, scheduler: Any) -> None:
        """Note the workers that are there already."""
        for address in scheduler.workers:
            self.add_worker(scheduler, address)

    def update_graph(self, scheduler: Any, *, tasks: Any, **_: Any) -> None:
        """Count the tasks and edges of a graph that was submitted."""
        for key in tasks:
            if hash(key) in self._seen:
                continue  # submitted before, and named again by what depends on it
            self._seen.add(hash(key))
            self.tasks[_kind(key)] += 1
            state = scheduler.tasks.get(key)
            for before in () if state is None else state.dependencies:
                self.edges[_kind(before.key), _kind(key)] += 1

    def transition(self, key: Any, start: str, finish: str, *_: Any, **__: Any) -> None:
        """Count tasks that ended."""
        if start == "processing" and finish == "memory":
            self.finished[_kind(key)] += 1
        elif finish == "erred":
            self.failed[_kind(key)] += 1

    def add_worker(self, scheduler: Any, worker: str) -> None:
        """Note a worker."""
        found = scheduler.workers[worker]
        self.workers[worker] = {"threads": found.nthreads, "memory_bytes": found.memory_limit}

    def remove_worker(self, scheduler: Any, worker: str, **_: Any) -> None:
        """Count a worker that left before the end."""
        self.lost += 1

    def facts(self) -> dict[str, Any]:
        """Return what was counted, as JSON values; equal graphs have equal digests."""
        graph = {
            "tasks": dict(sorted(self.tasks.items())[:KINDS_MAX]),
            "edges": [[*pair, count] for pair, count in sorted(self.edges.items())[:KINDS_MAX]],
        }
        return {
            "graph": graph,
            "graph_digest": digest_of(canonical_json(graph)),
            "finished": sum(self.finished.values()),
            "failed": dict(self.failed),
            "workers": [self.workers[name] for name in sorted(self.workers)],
            "workers_lost": self.lost,
        }


@contextmanager
def watching(client: Any) -> Iterator[dict[str, Any]]:
    """Watch a client's cluster; the dict that is yielded holds the facts once the block ends."""
    found: dict[str, Any] = {}
    client.register_plugin(GraphRecorder(), name=NAME)
    try:
        yield found
    finally:
        found.update(client.run_on_scheduler(_facts))
        client.unregister_scheduler_plugin(NAME)


def _facts(dask_scheduler: Any) -> dict[str, Any]:
    found: dict[str, Any] = dask_scheduler.plugins[NAME].facts()
    return found


def _kind(key: Any) -> str:
    return _TOKEN.sub("", str(key_split(key)))[:200]
