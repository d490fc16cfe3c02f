"""A witness on disk: its own key, its own state, and the lock that makes an answer atomic.

``folder/key`` is the Ed25519 key, ``folder/state.json`` the largest checkpoint cosigned
for each log, with its signatures. The state is written durably before an answer leaves; a
witness whose state is gone refuses to start, for it could cosign a fork of what it saw.
A state restored from an old copy cannot be told from a current one: keep it off backups.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from govern.adapters.files import locked, write_durably
from govern.errors import ConflictError, MalformedError, StorageError
from govern.transparency.canonical import canonical_json, parse_json
from govern.transparency.checkpoint import Checkpoint, parse_checkpoint_text
from govern.transparency.cosignature import Cosigner, add_cosignatures, cosignatures
from govern.transparency.note import COSIGNATURE, NoteVerifier, note_text
from govern.transparency.trust import TrustRoot
from govern.transparency.witnessing import AddCheckpoint, Answer, judge, parse_request


@dataclass(frozen=True, slots=True)
class WitnessFiles:
    """One witness: answers ``add-checkpoint``, one question at a time."""

    folder: Path
    cosigner: Cosigner
    trust: TrustRoot | None
    clock: Callable[[], datetime]

    @classmethod
    def create(cls, folder: Path, name: str) -> NoteVerifier:
        """Create key and empty state, on purpose and once; return the public key.

        Raises:
            ConflictError: a witness is there already.
            MalformedError: the name cannot be a key's.
        """
        if (folder / "key").exists():
            raise ConflictError(f"{folder.name} holds a witness already")
        key = Ed25519PrivateKey.generate()
        verifier = Cosigner(name, key).verifier
        NoteVerifier.from_vkey(verifier.vkey, COSIGNATURE)  # refuses names with + and spaces
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_durably(folder / "state.json", canonical_json({"logs": {}}))
        write_durably(folder / "witness.json", canonical_json({"name": name}))
        write_durably(folder / "key", pem, mode=0o600)
        return verifier

    @classmethod
    def open(
        cls, folder: Path, trust: TrustRoot | None, clock: Callable[[], datetime]
    ) -> WitnessFiles:
        """Open a witness and check its state.

        Raises:
            StorageError: none is there, or its state is gone.
            MalformedError, SignatureError: the state is not what it wrote.
        """
        if not (folder / "key").exists():
            raise StorageError(f"{folder.name} holds no witness; create one with --create NAME")
        try:
            name = json.loads((folder / "witness.json").read_text("utf-8"))["name"]
            key = load_pem_private_key((folder / "key").read_bytes(), None)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StorageError(f"the witness in {folder.name} cannot be read: {error}") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise StorageError(f"the key in {folder.name} is not Ed25519")
        witness = cls(folder, Cosigner(name, key), trust, clock)
        witness.notes()
        return witness

    def notes(self) -> dict[str, str]:
        """Return the largest checkpoint cosigned for each origin, with its signatures."""
        try:
            value = parse_json((self.folder / "state.json").read_bytes())
        except FileNotFoundError:
            raise StorageError(
                "the witness's state is gone; it must not start anew under the same key"
            ) from None
        if not isinstance(value, dict) or not isinstance(value.get("logs"), dict):
            raise MalformedError("the witness's state is malformed")
        for origin, note in value["logs"].items():
            if _checkpoint(note).origin != origin or not cosignatures(
                note, [self.cosigner.verifier]
            ):
                raise MalformedError(f"the witness's state of {origin} is not its own")
        return dict(value["logs"])

    def add_checkpoint(self, body: bytes) -> Answer:
        """Answer one request; what it promises is durable before this returns."""
        try:
            request = parse_request(body)
            with locked(self.folder / ".lock"):
                return self._answer(request)
        except MalformedError as error:
            return Answer(400, f"{error}\n")

    def _answer(self, request: AddCheckpoint) -> Answer:
        notes, now = self.notes(), self.clock()
        answer = judge(
            request,
            logs=self._logs(now),
            latest={origin: _checkpoint(note) for origin, note in notes.items()},
        )
        if answer.accepted is None:
            return answer
        line = self.cosigner.cosign(request.note, now)
        notes[answer.accepted.origin] = add_cosignatures(request.note, line)
        write_durably(self.folder / "state.json", canonical_json({"logs": notes}))
        return Answer(200, line)

    def _logs(self, now: datetime) -> dict[str, list[NoteVerifier]]:
        if self.trust is None:
            return {}
        found: dict[str, list[NoteVerifier]] = {}
        for log in self.trust.logs:
            if log.valid.covers(now):
                found.setdefault(log.origin, []).append(log.verifier)
        return found


def _checkpoint(note: str) -> Checkpoint:
    return parse_checkpoint_text(note_text(note))
