"""Read a CycloneDX ML-BOM (JSON, 1.5 to 1.7) together with the model folder that it is about.

The folder is hashed here; where the BOM gives a SHA-256 of the model or of a file, it must be
that of the bytes: the root digest of the folder (OpenSSF Model Signing v1.0), or of its single
file. What the BOM leaves out is a gap. A signature inside the BOM is not verified.
Source: CycloneDX 1.6, ``component`` of type ``machine-learning-model`` and its ``modelCard``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from govern.adapters.hashing import HashedFolder, hash_folder
from govern.domain.source_run import Bytes, SourceRun
from govern.errors import (
    DigestMismatchError,
    InvalidRequestError,
    MalformedError,
    NotFoundError,
)
from govern.transparency.canonical import parse_json
from govern.transparency.encoding import parse_time

BOM_BYTES_MAX = 16 << 20
COMPONENTS_MAX = 20_000
VERSIONS = ("1.5", "1.6", "1.7")
MODEL = "machine-learning-model"
_SHA256 = re.compile(r"[0-9a-f]{64}")


def read(place: str, options: Mapping[str, str]) -> Sequence[SourceRun]:
    """Return what a BOM says of how a model was made.

    Args:
        place: the BOM's file.
        options: ``model``, the model's folder; ``name``, where the BOM has several models.

    Raises:
        InvalidRequestError, NotFoundError: no model folder, no such file, or several models.
        MalformedError: it is no CycloneDX BOM of a model.
        DigestMismatchError: the folder is not the model that the BOM is about.
    """
    if "model" not in options or set(options) - {"model", "name"}:
        raise InvalidRequestError("say where the model lies: --option model=FOLDER")
    bom = _bom(Path(place))
    component = _model(bom, options.get("name"))
    folder = Path(options["model"])
    hashed = hash_folder(folder)
    told = _check_bytes(component, hashed)
    card = _object(component, "modelCard")
    parameters = _object(card, "modelParameters")
    data = tuple(_data(row, bom) for row in _rows(parameters, "datasets"))
    name, files = _text(component, "name"), tuple((one.name, one.digest) for one in hashed.files)
    gaps = [] if told else ["the BOM gives no SHA-256 of the model's bytes"]
    gaps += [] if data else ["the BOM names no data set that the model was trained on"]
    return [
        SourceRun(
            source=f"cyclonedx {bom['specVersion']}",
            level="declared",
            run_id=str(bom.get("serialNumber") or hashed.digest)[:500],
            job=name,
            ended_at=_time(_object(bom, "metadata").get("timestamp")),
            data=data,
            model=Bytes(name, hashed.digest, files, {}, str(folder)),
            reads=tuple(item.name for item in data),
            parameters={key: str(parameters[key])[:500] for key in _TOLD if key in parameters},
            environment={
                "metrics": _metrics(card),
                "bom": {"version": str(bom.get("version", 1)), "model": str(component.get("version", ""))},
            },
            gaps=tuple(gaps),
        )
    ]  # fmt: skip


_TOLD = ("task", "architectureFamily", "modelArchitecture")


def _bom(path: Path) -> Mapping[str, Any]:
    try:
        if path.stat().st_size > BOM_BYTES_MAX:
            raise MalformedError(f"{path.name} is larger than the limit of {BOM_BYTES_MAX} bytes")
        value = parse_json(path.read_bytes())
    except FileNotFoundError:
        raise NotFoundError(f"{path} is missing") from None
    if not isinstance(value, dict) or value.get("bomFormat") != "CycloneDX":
        raise MalformedError(f"{path.name} is no CycloneDX BOM in JSON")
    if value.get("specVersion") not in VERSIONS:
        raise MalformedError(f"{path.name} is not of CycloneDX {', '.join(VERSIONS)}")
    return value


def _model(bom: Mapping[str, Any], name: str | None) -> Mapping[str, Any]:
    own = _object(_object(bom, "metadata"), "component")
    rows = [row for row in (own, *_rows(bom, "components")) if row.get("type") == MODEL]
    found = [row for row in rows if name is None or row.get("name") == name]
    if not found:
        raise MalformedError(f"the BOM has no component of type {MODEL} of that name")
    if len(found) > 1 and found[0] is not own:
        raise InvalidRequestError(f"the BOM has {len(found)} models; name one: --option name=NAME")
    return found[0]


def _check_bytes(component: Mapping[str, Any], hashed: HashedFolder) -> bool:
    """Compare what the BOM says of the bytes with the folder; say whether it says anything."""
    digests = {file.name: file.digest for file in hashed.files}
    told = _digest(component)
    alone = set(digests.values()) if len(digests) == 1 else set()
    if told is not None and told not in {hashed.digest} | alone:
        raise DigestMismatchError(f"the folder is not the model of this BOM, which has {told}")
    for row in _rows(component, "components"):
        named, own = digests.get(str(row.get("name"))), _digest(row)
        if named is not None and own is not None and named != own:
            raise DigestMismatchError(f"{row['name']} differs from what the BOM says of it")
    return told is not None


def _data(row: Mapping[str, Any], bom: Mapping[str, Any]) -> Bytes:
    """Return a data set, given inline or by reference to a component."""
    known = {str(one.get("bom-ref")): one for one in _rows(bom, "components")}
    found = known.get(str(row["ref"])) if "ref" in row else row
    if found is None:
        return Bytes(str(row["ref"])[:200], None)
    return Bytes(_text(found, "name"), _digest(found))


def _metrics(card: Mapping[str, Any]) -> dict[str, Any]:
    rows = _rows(_object(card, "quantitativeAnalysis"), "performanceMetrics")
    return {
        f"{row.get('type', '')} {row.get('slice', '')}".strip()[:200]: {"value": str(row["value"])[:50]}
        for row in rows
        if "value" in row
    }  # fmt: skip


def _digest(row: Mapping[str, Any]) -> str | None:
    for item in _rows(row, "hashes"):
        content = item.get("content")
        if item.get("alg") == "SHA-256" and isinstance(content, str):
            if not _SHA256.fullmatch(content.lower()):
                raise MalformedError("the BOM has a SHA-256 that is none")
            return f"sha256:{content.lower()}"
    return None


def _time(value: Any) -> str | None:
    try:
        parse_time(value)
    except MalformedError:
        return None
    return str(value)


def _text(value: Mapping[str, Any], key: str) -> str:
    found = value.get(key)
    if not isinstance(found, str) or not 0 < len(found) <= 500:
        raise MalformedError(f"a component of the BOM has no {key}")
    return found


def _object(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = value.get(key)
    if found is not None and not isinstance(found, dict):
        raise MalformedError(f"{key} of the BOM is an object")
    return found or {}


def _rows(value: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    found = value.get(key)
    rows = [] if found is None else found
    if not isinstance(rows, list) or len(rows) > COMPONENTS_MAX:
        raise MalformedError(f"{key} of the BOM is a list of at most {COMPONENTS_MAX} items")
    if not all(isinstance(row, dict) for row in rows):
        raise MalformedError(f"{key} of the BOM is a list of objects")
    return rows
