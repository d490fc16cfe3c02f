"""What a Feast feature store gave: views with their owners and sources, entity rows, the join.

It records a point-in-time join that was made; it makes none. A view's source is fingerprinted
where it is a file on this disk. A view that the registry does not know (any more), one whose
newest row is older than its time to live allows, and a source that is no file are gaps.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlparse

from govern.domain.source_run import Build
from govern.errors import InvalidRequestError
from govern.observing.fingerprints import fingerprint, made
from govern.observing.tables import TABLES, batches, plain


class Observed(Protocol):
    """The run that is added to."""

    data_sets: list[Any]
    builds: list[Any]
    gaps: list[str]


def take_up(
    run: Observed, name: str, store: Any, features: Sequence[str], entities: Any, result: Any
) -> None:
    """Add views, entity rows and the joined table to a run.

    Args:
        name: what the joined table is called.
        store: a ``feast.FeatureStore``.
        features: references such as ``income:monthly``.
        entities: the entity rows that were asked for, with ``event_timestamp``.
        result: the table that the join gave.

    Raises:
        InvalidRequestError: a reference is none, or ``event_timestamp`` is missing.
    """
    if "event_timestamp" not in entities.columns:
        raise InvalidRequestError("entity rows have a column event_timestamp")
    asked_at = _utc(entities["event_timestamp"].max())
    views, reads = {}, []
    for view, columns in _by_view(features).items():
        found = _view(store, view)
        if found is None:
            run.gaps.append(f"the feature view {view} is not in the registry")
            continue
        views[view] = {**_told(found), "features": columns}
        if _add_source(run, view, found, asked_at):
            reads.append(view)
    rows = f"{name} entity rows"
    run.builds.append(Build(made(rows, entities), ()))
    parameters = {"project": str(store.project), "views": views}
    run.builds.append(Build(made(name, result), (*reads, rows), parameters))


def _by_view(features: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for text in features:
        view, colon, column = text.partition(":")
        if not view or not colon or not column:
            raise InvalidRequestError(f"a feature is called VIEW:FEATURE, not {text!r:.80}")
        found.setdefault(view, []).append(column)
    return found


def _view(store: Any, name: str) -> Any:
    """Return a view, or None where the registry does not know it."""
    known = {view.name: view for view in store.list_batch_feature_views()}
    return known.get(name)


def _told(view: Any) -> dict[str, Any]:
    ttl = view.ttl.total_seconds() if view.ttl else None
    told: dict[str, Any] = plain(
        {"owner": view.owner, "tags": dict(view.tags), "ttl_seconds": ttl,
         "entities": list(view.entities), "changed_at": str(view.last_updated_timestamp)}
    )  # fmt: skip
    return told


def _add_source(run: Observed, name: str, view: Any, asked_at: datetime) -> bool:
    """Fingerprint a view's source; say whether it is known."""
    source = view.batch_source
    address = urlparse(str(getattr(source, "path", "") or ""))
    path = Path(unquote(address.path))
    if address.scheme not in ("", "file") or not address.path or not path.exists():
        kind = type(source).__name__
        run.gaps.append(f"the feature view {name} reads a {kind} that is no file on this disk")
        return False
    if all(item.name != name for item in run.data_sets):
        run.data_sets.append(fingerprint(name, path))
    newest = _newest(path, source.timestamp_field)
    if newest is None:
        run.gaps.append(f"how fresh the feature view {name} is, is not known")
    elif view.ttl and asked_at - newest > view.ttl:
        days = (asked_at - newest) / timedelta(days=1)
        run.gaps.append(
            f"the feature view {name} is stale: its newest row is {days:.1f} days older than the "
            f"newest entity row, and may be {view.ttl / timedelta(days=1):.1f}"
        )
    return True


def _newest(path: Path, column: str) -> datetime | None:
    """Return the newest time in a source, a batch at a time; None where it has no such column."""
    import pyarrow.compute as pc

    newest: datetime | None = None
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    for file in files:
        for batch in batches(file) if file.suffix in TABLES else ():
            if column not in batch.schema.names:
                return None
            found = pc.max(batch.column(column)).as_py()
            if isinstance(found, datetime):
                newest = max(_utc(found), newest or _utc(found))
    return newest


def _utc(moment: Any) -> datetime:
    found: datetime = moment.to_pydatetime() if hasattr(moment, "to_pydatetime") else moment
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
