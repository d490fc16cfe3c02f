"""What Spark read and wrote during a run, told by Spark's own query-execution listener.

The listener is a Python object that the JVM calls (py4j) for every query that ends. Its analysed
plan names the files that were read and the folder that was written; those on this disk are then
fingerprinted like any data set. Files whose names begin with ``_`` or ``.`` do not count, as in
Spark. What lies elsewhere, or was read by a source without files, is a gap.
Source: Spark, ``org.apache.spark.sql.util.QueryExecutionListener``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from govern.transparency.digest import digest_of

LISTENER = "org.apache.spark.sql.util.QueryExecutionListener"
QUERIES_MAX = 10_000
WAIT_MILLISECONDS = 60_000
_WRITE = "InsertIntoHadoopFsRelationCommand"
_MADE_HERE = frozenset(("Range", "LocalRelation", "OneRowRelation", "LogicalRDD"))
_NUMBERS = re.compile(r"#\d+L?|\bplan_id=\d+")


@dataclass(frozen=True, slots=True)
class Query:
    """One query that ended.

    Args:
        reads: addresses of the files and folders that were asked for.
        writes: address of the folder that was written; None where nothing was.
        mode: how it was written, such as ``Overwrite``.
        plan_digest: of the optimised plan without the numbers that Spark gives to columns.
        seconds: how long it ran.
        unknown: kinds of plan nodes that were read or written and name no files.
    """

    reads: tuple[str, ...]
    writes: str | None
    mode: str | None
    plan_digest: str
    seconds: float
    unknown: tuple[str, ...] = ()


@dataclass(slots=True)
class Told:
    """What the listener was told."""

    queries: list[Query] = field(default_factory=list)
    failed: int = 0
    unread: int = 0
    facts: dict[str, Any] = field(default_factory=dict)


class QueryRecorder:
    """The listener; what it cannot read is counted, and never stops a query."""

    def __init__(self, told: Told) -> None:
        self._told = told

    def onSuccess(self, name: str, execution: Any, nanoseconds: int) -> None:  # noqa: N802
        """Take a query that ended well."""
        if len(self._told.queries) >= QUERIES_MAX:
            self._told.unread += 1
            return
        try:
            self._told.queries.append(_query(execution, nanoseconds))
        except Exception:
            self._told.unread += 1

    def onFailure(self, name: str, execution: Any, error: Any) -> None:  # noqa: N802
        """Count a query that failed."""
        self._told.failed += 1

    class Java:
        """What py4j needs to know."""

        implements = (LISTENER,)


@contextmanager
def listening(session: Any) -> Iterator[Told]:
    """Listen to a session's queries; all have been told of once the block has ended."""
    from pyspark.java_gateway import ensure_callback_server_started

    context, told = session.sparkContext, Told()
    ensure_callback_server_started(context._gateway)
    manager, listener = session._jsparkSession.listenerManager(), QueryRecorder(told)
    told.facts = {"version": session.version, "master": context.master}
    manager.register(listener)
    try:
        yield told
    finally:
        context._jsc.sc().listenerBus().waitUntilEmpty(WAIT_MILLISECONDS)
        manager.unregister(listener)


def local_path(address: str) -> Path | None:
    """Return the file or folder on this disk that an address names; None elsewhere."""
    found = urlparse(address)
    return Path(unquote(found.path)) if found.scheme in ("", "file") else None


def _query(execution: Any, nanoseconds: int) -> Query:
    plan = execution.analyzed()
    kind = _kind(plan)
    writes = plan.outputPath().toString() if kind == _WRITE else None
    mode = plan.mode().toString() if kind == _WRITE else None
    reads, unknown = _leaves(plan.query() if kind == _WRITE else plan)
    if writes is None and kind.endswith(("Command", "Data", "Expression", "AsSelect")):
        unknown.append(kind)
    text = _NUMBERS.sub("", execution.optimizedPlan().toString())
    digest = digest_of(text.encode())
    return Query(tuple(reads), writes, mode, digest, nanoseconds / 1e9, tuple(unknown))


def _leaves(plan: Any) -> tuple[list[str], list[str]]:
    reads: list[str] = []
    unknown, leaves = [], plan.collectLeaves()
    for at in range(leaves.size()):
        leaf = leaves.apply(at)
        kind = _kind(leaf)
        if kind == "LogicalRelation" and _kind(leaf.relation()) == "HadoopFsRelation":
            roots = leaf.relation().location().rootPaths()
            reads += [roots.apply(place).toString() for place in range(roots.size())]
        elif kind == "LogicalRelation":
            unknown.append(_kind(leaf.relation()))
        elif kind not in _MADE_HERE:
            unknown.append(kind)
    return reads, unknown


def _kind(value: Any) -> str:
    return str(value.getClass().getSimpleName())
