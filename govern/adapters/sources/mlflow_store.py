"""Read a run from an MLflow tracking store: parameters, metrics, data sets, and the model's bytes.

MLflow keeps no digest of a model's bytes, and of a data set only a short one of its own. So the
model's files are hashed here, and a second import of the same run says whether they were
overwritten since. No model is loaded, so nothing in it can run. Needs ``govern[mlflow]``.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from govern.adapters.hashing import hash_folder
from govern.domain.source_run import Bytes, SourceRun
from govern.errors import InvalidRequestError, NotFoundError, ServiceError
from govern.transparency.encoding import format_time

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
from mlflow import MlflowClient, artifacts, version  # what it reads at import is set first
from mlflow.exceptions import MlflowException

OPTIONS = frozenset(("run", "model", "version", "to"))
STATES = {"FINISHED": "completed", "FAILED": "failed", "KILLED": "aborted"}


def read(place: str, options: Mapping[str, str]) -> Sequence[SourceRun]:
    """Return one run of a tracking store.

    Args:
        place: tracking address, such as ``sqlite:///mlflow.db`` or ``https://mlflow.bank.example``.
        options: ``run``, a run's id; or ``model`` and ``version`` of the registry. ``to``, a
            folder to copy the model into where it does not lie on this disk.

    Raises:
        InvalidRequestError: no run is named, or an option is unknown.
        NotFoundError, ServiceError: the store has no such run or model, or gives no answer.
    """
    if set(options) - OPTIONS or ("run" in options) == ("model" in options):
        raise InvalidRequestError(
            "name a run (run=ID), or a model and version (model=N, version=V)"
        )
    client = MlflowClient(tracking_uri=place)
    try:
        return [_read(client, place, options)]
    except MlflowException as error:
        said = str(error).splitlines()[0][:200]
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            raise NotFoundError(f"the tracking store has no such run or model: {said}") from None
        raise ServiceError(f"the tracking store gave no answer: {said}") from None


def _read(client: Any, place: str, options: Mapping[str, str]) -> SourceRun:
    registered = None
    if "model" in options:
        registered = client.get_model_version(options["model"], options.get("version", "1"))
    run = client.get_run(options["run"] if registered is None else registered.run_id)
    model, gaps = _model(client, place, run, registered, options.get("to"))
    data = tuple(_data(item) for item in run.inputs.dataset_inputs)
    tags = run.data.tags
    commit = tags.get("mlflow.source.git.commit")
    if commit is None:
        gaps = [*gaps, "the store tells no git commit of the code"]
    if not data:
        gaps = [*gaps, "the store tells no data set that the run read"]
    return SourceRun(
        source=f"mlflow {version.VERSION}",
        level="declared",
        run_id=run.info.run_id,
        job=tags.get("mlflow.runName") or run.info.run_id,
        state=STATES.get(run.info.status, "running"),
        started_at=_time(run.info.start_time),
        ended_at=_time(run.info.end_time),
        data=data,
        model=model,
        reads=tuple(item.name for item in data),
        parameters=dict(run.data.params),
        environment={
            "code": {"commit": commit} if commit else {},
            "metrics": {
                name: {"value": value if math.isfinite(value) else str(value)}
                for name, value in run.data.metrics.items()
            },
            "told_by": {"user": str(run.info.user_id), "name": tags.get("mlflow.source.name", "")},
        },
        gaps=tuple(gaps),
    )


def _model(
    client: Any, place: str, run: Any, registered: Any, to: str | None
) -> tuple[Bytes | None, list[str]]:
    outputs = run.outputs.model_outputs if run.outputs else []
    chosen = registered.source.partition("models:/")[2] if registered is not None else ""
    ids = [item.model_id for item in outputs if chosen in ("", item.model_id)]
    if len(ids) > 1:
        raise InvalidRequestError(
            f"the run made {len(ids)} models; name one by the registry (model=N, version=V)"
        )
    if not ids:
        return None, ["the run made no model that the store knows"]
    logged = client.get_logged_model(ids[0])
    folder = _folder(logged.artifact_location, place, to)
    hashed = hash_folder(folder)
    files = tuple((file.name, file.digest) for file in hashed.files)
    name = registered.name if registered is not None else logged.name
    return Bytes(name, hashed.digest, files, {"model_id": ids[0]}, str(folder)), []


def _folder(location: str, place: str, to: str | None) -> Path:
    address = urlparse(location)
    if address.scheme in ("", "file"):
        return Path(unquote(address.path))
    if to is None:
        raise InvalidRequestError(
            f"the model lies at {location[:200]}; say where to copy it: to=DIR"
        )
    found: str = artifacts.download_artifacts(
        artifact_uri=location, dst_path=to, tracking_uri=place
    )
    return Path(found)


def _data(item: Any) -> Bytes:
    """Return a data set without a digest: MLflow's own is too short to name bytes by."""
    told = item.dataset
    context = [tag.value for tag in item.tags if tag.key == "mlflow.data.context"]
    profile = {"source": str(told.source)[:500], "mlflow_digest": told.digest, "context": context}
    return Bytes(told.name, None, (), profile)


def _time(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    return format_time(datetime.fromtimestamp(milliseconds / 1000, UTC))
