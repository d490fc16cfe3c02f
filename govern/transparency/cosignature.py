"""Cosignatures: a witness says that it saw a checkpoint, and when.

A witness signs ``cosignature/v1``, the time, and the checkpoint's text with its own
Ed25519 key; the line joins the note's other signatures. What it proves: as of that time
this was the largest tree of the log that the witness had seen, and it extends every
smaller one it saw. What it does not: anything about the entries.
Source: c2sp.org/tlog-cosignature@v1.0.1 (type 0x04, Ed25519).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from govern.errors import CheckpointError, MalformedError, SignatureError, UntrustedSignerError
from govern.transparency.note import (
    COSIGNATURE,
    NoteVerifier,
    note_text,
    signature_line,
    signature_lines,
)
from govern.transparency.trust_parts import TrustedWitness

_SECONDS_MAX = 253_402_300_799  # the end of the year 9999, the last that dates can name
_SIGNATURE_BYTES = 8 + 64


@dataclass(frozen=True, slots=True)
class Cosignature:
    """One witness saw the checkpoint at ``seen_at``."""

    witness: str
    key_id: bytes
    seen_at: datetime


class Cosigner:
    """A witness's private key under its name."""

    def __init__(self, name: str, private_key: Ed25519PrivateKey) -> None:
        public = private_key.public_key().public_bytes_raw()
        self.verifier = NoteVerifier(name, public, COSIGNATURE)
        self._key = private_key

    def cosign(self, note: str, now: datetime) -> str:
        """Return one signature line over a signed checkpoint, ending in a newline.

        Args:
            note: the checkpoint with its signature lines.
            now: when the witness saw it; whole seconds count.
        """
        seconds = int(now.timestamp())
        signature = self._key.sign(_message(note_text(note), seconds))
        return signature_line(self.verifier, struct.pack(">Q", seconds) + signature)


def _message(text: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def add_cosignatures(note: str, lines: str) -> str:
    """Return the note with a witness's answer appended; a line it has already is not repeated.

    Raises:
        MalformedError: the answer is not made of signature lines.
    """
    present = set(note.splitlines())
    new = [line for line in lines.splitlines() if line not in present]
    joined = note + "".join(f"{line}\n" for line in new)
    signature_lines(joined)
    return joined


def cosignatures(note: str, witnesses: Sequence[NoteVerifier]) -> list[Cosignature]:
    """Return which of the known witnesses cosigned a checkpoint; other lines are ignored.

    Raises:
        MalformedError: not a note.
        SignatureError: a known witness's line does not verify.
    """
    text = note_text(note)
    known = {(witness.name, witness.key_id): witness for witness in witnesses}
    found: list[Cosignature] = []
    for name, key_id, data in signature_lines(note):
        witness = known.get((name, key_id))
        if witness is not None:
            found.append(Cosignature(name, key_id, _verify(witness, text, data)))
    return found


def _verify(witness: NoteVerifier, text: str, data: bytes) -> datetime:
    if len(data) != _SIGNATURE_BYTES:
        raise MalformedError(f"a cosignature has {_SIGNATURE_BYTES} bytes, got {len(data)}")
    (seconds,) = struct.unpack(">Q", data[:8])
    if not 0 < seconds <= _SECONDS_MAX:
        raise MalformedError(f"a cosignature names no such time: {seconds}")
    if not witness.accepts(_message(text, seconds), data[8:]):
        raise SignatureError(f"the cosignature of {witness.name} does not verify")
    return datetime.fromtimestamp(seconds, UTC)


def require_witnesses(
    note: str, witnesses: Sequence[TrustedWitness], threshold: int
) -> list[Cosignature]:
    """Refuse a checkpoint that too few trusted witnesses saw.

    Args:
        note: the checkpoint with its signature lines.
        witnesses: those the trust file names; each counts once, whatever number of keys
            it has had.
        threshold: how many must have cosigned it; 0 asks for none.

    Returns:
        one cosignature per witness that counts, in the note's order.

    Raises:
        MalformedError, SignatureError: see ``cosignatures``.
        UntrustedSignerError: the threshold is missed because a witness's key was not
            valid when it cosigned.
        CheckpointError: the threshold is missed.
    """
    seen = cosignatures(note, [item.verifier for item in witnesses])
    counted: dict[str, Cosignature] = {}
    windows = {(own.verifier.name, own.verifier.key_id): own.valid for own in witnesses}
    for item in seen:
        if windows[item.witness, item.key_id].covers(item.seen_at):
            counted.setdefault(item.witness, item)
    if len(counted) >= threshold:
        return list(counted.values())
    outside = [item.witness for item in seen if item.witness not in counted]
    if outside:
        raise UntrustedSignerError(
            f"the key of witness {outside[0]} was not valid when it cosigned"
        )
    raise CheckpointError(
        f"{len(counted)} witnesses cosigned the checkpoint, {threshold} are required"
    )


def describe(found: Sequence[Cosignature]) -> str:
    """Return who cosigned, as part of a sentence; empty if nobody did."""
    return ", ".join(f"{item.witness} at {item.seen_at:%Y-%m-%dT%H:%M:%SZ}" for item in found)
