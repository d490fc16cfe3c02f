"""Find a source of lineage by its name among the entry points of the group ``govern.sources``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points

from govern.domain.source_run import SourceRun
from govern.errors import InvalidRequestError, MissingPartError

GROUP = "govern.sources"
Read = Callable[[str, Mapping[str, str]], Sequence[SourceRun]]


def sources() -> dict[str, EntryPoint]:
    """Return the sources that are installed, by name, without loading any."""
    return {point.name: point for point in entry_points(group=GROUP)}


def load_source(name: str) -> Read:
    """Return what reads a source's runs.

    Raises:
        InvalidRequestError: no source has this name.
        MissingPartError: its library is not installed.
    """
    known = sources()
    if name not in known:
        raise InvalidRequestError(f"no source {name!r:.40}; there are {', '.join(sorted(known))}")
    try:
        read: Read = known[name].load()
    except ModuleNotFoundError as error:
        raise missing(name, error) from None
    return read


def missing(source: str, error: ModuleNotFoundError) -> MissingPartError:
    """Return the sentence for a source whose library is not here."""
    return MissingPartError(f"{error.name} is not installed; pip install 'govern[{source}]'")
