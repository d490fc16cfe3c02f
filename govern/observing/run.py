"""What is seen of one training run, step by step; ``govern.recorder`` opens and closes it.

Importing it imports the standard library alone; what a step needs is imported by that step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from govern.errors import InvalidRequestError


@dataclass
class Run:
    """What is seen of one run; ``record`` makes it and writes it down at the end.

    Args:
        job: what is run.
        run_id: its id; the same in every process of a launch.
        active: False in the processes that record nothing.
    """

    job: str
    run_id: str
    active: bool = True
    started_at: str = ""
    data_sets: list[Any] = field(default_factory=list)
    builds: list[Any] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    reads: tuple[str, ...] = ()
    chosen: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    gaps: list[str] = field(default_factory=list)

    def data(self, name: str, path: str | Path, *, groups: Sequence[str] = ()) -> Path:
        """Fingerprint a data set by streaming, and return its path.

        Args:
            name: what it is called in the lineage.
            path: a file, or a folder with all its files.
            groups: columns whose values are counted.

        Raises:
            InvalidRequestError: no file there, a link, or no table where groups are asked for.
        """
        if self.active:
            from govern.observing.fingerprints import fingerprint

            self.data_sets.append(fingerprint(name, Path(path), groups))
        return Path(path)

    def features(self, name: str, value: Any, *, reads: Sequence[str], **parameters: Any) -> None:
        """Say that features were built from data or features named before.

        Args:
            name: what they are called.
            value: a file or folder, a NumPy array, a pandas table or a tensor.
            reads: names given to ``data`` and ``features``.
            parameters: what was chosen.
        """
        if self.active:
            from govern.domain.source_run import Build
            from govern.observing.fingerprints import made
            from govern.observing.tables import plain

            self._require_known(reads)
            self.builds.append(Build(made(name, value), tuple(reads), plain(parameters)))

    def parameters(self, **chosen: Any) -> None:
        """Add hyper-parameters; ``trained`` adds the library's own."""
        from govern.observing.tables import plain

        self.chosen.update(plain(chosen))

    def metric(self, name: str, value: float, step: int | None = None) -> None:
        """Add a figure; with a step, the newest is kept with its step."""
        from govern.observing.tables import plain

        found = {"value": float(value)} | ({} if step is None else {"step": step})
        self.facts.setdefault("metrics", {})[name] = plain(found)

    def seed(self, **seeds: int) -> None:
        """Say which seeds were set, such as ``numpy=0``; none is set here."""
        self.facts.setdefault("seeds", {}).update(seeds)

    def checkpoint(self, path: str | Path) -> None:
        """Add a checkpoint's name, digest and size."""
        if self.active:
            from govern.adapters.hashing import hash_file

            digest, size = hash_file(Path(path))
            row = {"name": Path(path).name, "digest": digest, "bytes": size}
            self.facts.setdefault("checkpoints", []).append(row)

    @contextmanager
    def dask(self, client: Any) -> Iterator[None]:
        """Record what a Dask cluster does inside the block: graph, workers, failures.

        Args:
            client: a ``distributed.Client``.
        """
        if not self.active:
            yield
            return
        from govern.observing.dask_graph import watching

        found: dict[str, Any] = {}
        try:
            with watching(client) as found:
                yield
        finally:
            self.facts.setdefault("dask", []).append(found)

    @contextmanager
    def spark(self, session: Any) -> Iterator[None]:
        """Record what Spark reads and writes inside the block, as data sets and feature builds.

        Args:
            session: a ``SparkSession`` whose driver is this process.
        """
        if not self.active:
            yield
            return
        from govern.observing.spark_lineage import take_up
        from govern.observing.spark_queries import listening

        with listening(session) as told:
            yield
        take_up(self, told)

    def feast(
        self, name: str, store: Any, *, features: Sequence[str], entities: Any, result: Any
    ) -> None:
        """Record a point-in-time join that a Feast store made.

        Args:
            name: what the joined table is called.
            store: a ``feast.FeatureStore``.
            features: references, such as ``income:monthly``.
            entities: the entity rows, with ``event_timestamp``.
            result: the table that ``get_historical_features(…).to_df()`` gave.

        Raises:
            InvalidRequestError: a reference or the entity rows are none.
        """
        if self.active:
            from govern.observing.feast_features import take_up

            take_up(self, name, store, features, entities, result)

    def trained(
        self,
        model: Any,
        *,
        columns: Sequence[str],
        reads: Sequence[str] | None = None,
        card: Mapping[str, Any] | None = None,
        example: Any = None,
    ) -> None:
        """Take the model: scikit-learn, XGBoost, LightGBM or PyTorch.

        Args:
            model: an estimator, booster or module.
            columns: the features' names in the model's order.
            reads: names of what it learnt from; None: every feature build, else all data.
            card: further fields for ``model.json``, such as ``threshold``.
            example: PyTorch only, what the module is exported with; None: rows of zeros.

        Raises:
            InvalidRequestError: another library's model, or a name that was never given.
        """
        if not self.active:
            return
        from govern.observing.models import Told, write_model

        written = write_model(model, Told(columns, dict(card or {}), example))
        self.reads = self._learnt_from(reads)
        self.files = dict(written.files)
        self.chosen = {**written.parameters, **self.chosen}

    def _learnt_from(self, reads: Sequence[str] | None) -> tuple[str, ...]:
        if reads is not None:
            self._require_known(reads)
            return tuple(reads)
        builds = tuple(one.made.name for one in self.builds)
        return builds or tuple(item.name for item in self.data_sets)

    def _require_known(self, names: Sequence[str]) -> None:
        known = {item.name for item in self.data_sets} | {one.made.name for one in self.builds}
        for name in names:
            if name not in known:
                raise InvalidRequestError(
                    f"{name!r:.80} was not given to data() or features(); there are {sorted(known)}"
                )
