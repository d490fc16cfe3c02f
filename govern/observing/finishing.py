"""The end of a recorded run: put together what was seen, write it down, sign it where asked."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from govern import __version__
from govern.adapters.files import write_durably
from govern.domain.source_run import PREDICATE, Bytes, SourceRun, from_json
from govern.errors import MalformedError
from govern.observing.code import code_in
from govern.observing.environment import device, environment_lock, randomness
from govern.observing.run import Run
from govern.transparency.canonical import canonical_json, parse_json
from govern.transparency.digest import digest_of, folder_digest
from govern.transparency.encoding import format_time

SOURCE = f"recorder {__version__}"
RUN_FILE, SIGNED_FILE, MODEL_FOLDER = "run.json", "run.dsse.json", "model"


def finish(
    run: Run,
    to: Path,
    *,
    state: str,
    launch: Mapping[str, Any],
    home: str | Path | None,
    by: str | None,
    key: str | Path | None,
) -> None:
    """Write the run and its model into a folder, and sign both where a home or key is given."""
    told = put_together(run, to, state=state, launch=launch)
    _clear(to, keep=set(run.files))
    for name, data in run.files.items():
        write_durably(to / MODEL_FOLDER / name, data)
    write_durably(to / RUN_FILE, canonical_json(told.to_json()))
    if key is not None and told.model is not None:
        write_durably(to / SIGNED_FILE, sign_run(told, Path(key)))
    if home is not None and by is not None and told.model is not None and state == "completed":
        sign_into(told, Path(home), by)


def _clear(to: Path, keep: set[str]) -> None:
    """Take away the model files of the run that was recorded here before, and no others."""
    try:
        earlier = from_json(parse_json((to / RUN_FILE).read_bytes()), "declared")
    except (OSError, MalformedError):
        return
    for name, _ in earlier.model.files if earlier.model is not None else ():
        if name not in keep:
            (to / MODEL_FOLDER / name).unlink(missing_ok=True)
    (to / SIGNED_FILE).unlink(missing_ok=True)


def put_together(run: Run, to: Path, *, state: str, launch: Mapping[str, Any]) -> SourceRun:
    """Return what was seen of a run, with gaps for what could not be."""
    code = code_in(Path(sys.argv[0]).resolve().parent if sys.argv[0:1] != [""] else Path.cwd())
    seeds = run.facts.pop("seeds", {})
    environment = {
        **run.facts,
        "code": code.facts,
        "lock": environment_lock(),
        "randomness": {**randomness(), **({"seeds": seeds} if seeds else {})},
        "device": device(),
    } | ({"launch": dict(launch)} if launch else {})
    gaps = [*run.gaps, *code.gaps]
    seen = [*run.data_sets, *(one.made for one in run.builds)]
    gaps += [
        f"{item.name} was digested and not profiled: {item.profile['why']}"
        for item in seen
        if "why" in item.profile
    ]
    if not seeds:
        gaps.append("no seed was told to the recorder")
    return SourceRun(
        source=SOURCE,
        level="observed",
        run_id=run.run_id,
        job=run.job,
        state=state,
        started_at=run.started_at,
        ended_at=format_time(datetime.now(UTC)),
        data=tuple(run.data_sets),
        builds=tuple(run.builds),
        model=_model(run, to),
        reads=run.reads,
        parameters=run.chosen,
        environment=environment,
        gaps=tuple(gaps),
    )


def _model(run: Run, to: Path) -> Bytes | None:
    if not run.files:
        return None
    files = tuple((name, digest_of(data)) for name, data in sorted(run.files.items()))
    return Bytes(run.job, folder_digest(files), files, {}, str((to / MODEL_FOLDER).absolute()))


def sign_run(run: SourceRun, key: Path) -> bytes:
    """Return the run as a DSSE envelope over an in-toto statement about the model.

    Raises:
        StorageError: the key cannot be opened.
    """
    from govern.transparency.envelope import sign_envelope
    from govern.transparency.signer import open_key
    from govern.transparency.statement import make_statement

    assert run.model is not None
    subject = [(run.model.name, str(run.model.digest))]
    payload = make_statement(PREDICATE, subject, run.to_json())
    signer = open_key(key.read_bytes(), None, key.name)
    return json.dumps(sign_envelope(payload, signer), indent=1).encode()


def sign_into(run: SourceRun, home: Path, by: str) -> None:
    """Sign a run into a home at once: what was observed here and now."""
    from govern.adapters.sources.keeping import keep_in
    from govern.bootstrap import open_application
    from govern.services.importing import record_run
    from govern.settings import Settings

    application = open_application(Settings.from_environment({"GOVERN_HOME": str(home)}))
    try:
        recorder = application.operations.recorder
        record_run(recorder, run, signer=by, keep=keep_in(application.blobs))
    finally:
        application.close()
