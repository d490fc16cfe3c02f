"""Record a training run as it happens: code, environment, data, model; nobody fills in a form.

::

    from govern import recorder

    with recorder.record("loan-net", to="out") as run:
        run.data("loans", "loans.csv", groups=["race"])
        run.features("table", X, reads=["loans"])
        model = LogisticRegression().fit(X, y)
        run.metric("accuracy", model.score(X, y))
        run.trained(model, columns=["income", "debt"])

leaves ``out/run.json``, what was seen, and ``out/model``, a folder ready for ``govern candidate
register``. Given a home and who runs it (``home=``, ``by=``), the run is signed at once and
counts as observed. Else ``govern lineage import recorder out --by …`` signs it later, as
declared, or as signed by its source where it carries a signature (``key=``).

It is no model registry and no metrics store, and it changes no seed and no setting. An error
of the training is recorded and raised again. Where a launcher runs several processes
(``torchrun``, ``horovodrun``), rank 0 records and the others pass through.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from govern.errors import InvalidRequestError
from govern.observing.run import Run


@contextmanager
def record(
    job: str,
    *,
    to: str | Path,
    home: str | Path | None = None,
    by: str | None = None,
    key: str | Path | None = None,
) -> Iterator[Run]:
    """Record a run; see the module.

    Args:
        job: what is run, such as the model's name.
        to: folder for ``run.json`` and ``model``; made if missing, its own files replaced.
        home: an initialised govern home to sign into at once; needs ``by``.
        by: e-mail address of the person who runs it.
        key: PKCS#8 PEM of the source's own key; ``run.dsse.json`` is signed with it.

    Raises:
        InvalidRequestError: a home without a person, or the other way round.
    """
    if (home is None) != (by is None):
        raise InvalidRequestError("home and by go together: who runs it signs it")
    from govern.observing.environment import launched

    launch = launched(os.environ)
    run = Run(job, _run_id(launch), active=launch.get("rank", 0) == 0, started_at=_now())
    end = partial(_end, run, Path(to), launch=launch, home=home, by=by, key=key)
    try:
        yield run
    except BaseException:
        with suppress(Exception):  # the training's own error counts
            end(state="failed")
        raise
    end(state="completed")


def _end(run: Run, to: Path, **how: Any) -> None:
    if run.active:
        from govern.observing.finishing import finish

        finish(run, to, **how)


def _run_id(launch: Mapping[str, Any]) -> str:
    group = launch.get("group")
    return f"{group}-{uuid.uuid4()}" if group and group != "none" else str(uuid.uuid4())


def _now() -> str:
    from govern.transparency.encoding import format_time

    return format_time(datetime.now(UTC))
