"""Read the folder that ``govern.recorder`` left: ``run.json``, or ``run.dsse.json`` with its key.

A plain ``run.json`` is what somebody declares. The option ``key`` names the source's public key
(PEM); then ``run.dsse.json`` must verify under it, and the run counts as signed by its source.
The model's files are hashed again, and must be those that the run names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from govern.adapters.hashing import hash_folder
from govern.domain.source_run import PREDICATE, SourceRun, from_json
from govern.errors import DigestMismatchError, InvalidRequestError, MalformedError, NotFoundError
from govern.transparency.canonical import parse_json
from govern.transparency.envelope import verify_envelope
from govern.transparency.statement import parse_statement

RUN_BYTES_MAX = 16 << 20
KEY_BYTES_MAX = 64 << 10
MODEL = "model"


def read(place: str, options: Mapping[str, str]) -> Sequence[SourceRun]:
    """Return the one run in a folder.

    Raises:
        NotFoundError, MalformedError, SignatureError: there is none, or not one that holds.
        DigestMismatchError: the model's files are not those of the run.
    """
    unknown = set(options) - {"key"}
    if unknown:
        raise InvalidRequestError(f"the source recorder has the option key, not {sorted(unknown)}")
    folder = Path(place)
    if "key" in options:
        data = _bytes(folder / "run.dsse.json", RUN_BYTES_MAX)
        run = _signed(parse_json(data), _bytes(Path(options["key"]), KEY_BYTES_MAX))
    else:
        run = from_json(parse_json(_bytes(folder / "run.json", RUN_BYTES_MAX)), "declared")
    return [_with_model(run, folder / MODEL)]


def _signed(envelope: Any, pem: bytes) -> SourceRun:
    try:
        key = load_pem_public_key(pem)
    except ValueError:
        raise InvalidRequestError("the key is no public key in PEM") from None
    if not isinstance(key, Ed25519PublicKey | EllipticCurvePublicKey):
        raise InvalidRequestError("the key is neither P-256 nor Ed25519")
    statement = parse_statement(verify_envelope(envelope, key))
    if statement.predicate_type != PREDICATE:
        raise MalformedError(f"the source signed a {statement.predicate_type[:80]}, not a run")
    run = from_json(dict(statement.predicate), "signed")
    if run.model is None or run.model.digest != statement.subject:
        raise MalformedError("the source signed a statement about another model than its run's")
    return run


def _with_model(run: SourceRun, folder: Path) -> SourceRun:
    """Hash the model's files again: a run is about bytes that are there."""
    if run.model is None:
        return run
    if hash_folder(folder).digest != run.model.digest:
        raise DigestMismatchError(
            f"the files in {folder} are not the model of this run; they were changed since"
        )
    return replace(run, model=replace(run.model, path=str(folder)))


def _bytes(path: Path, limit: int) -> bytes:
    try:
        if path.stat().st_size > limit:
            raise MalformedError(f"{path.name} is larger than the limit of {limit} bytes")
        return path.read_bytes()
    except FileNotFoundError:
        raise NotFoundError(f"{path} is missing") from None
