"""C2SP checkpoints: origin, tree size and root hash as a signed note.

Source: c2sp.org/tlog-checkpoint@v1.0.0. Extension lines are not recommended there and
are refused here.
"""

from __future__ import annotations

from dataclasses import dataclass

from govern.errors import CheckpointError, MalformedError
from govern.transparency.encoding import b64, unb64
from govern.transparency.note import NoteSigner, NoteVerifier, open_note


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a log: ``size`` leaves with ``root`` (32 bytes) under ``origin``."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Return the three lines that are signed."""
        return f"{self.origin}\n{self.size}\n{b64(self.root)}\n"


def parse_checkpoint_text(text: str) -> Checkpoint:
    """Read the three lines of a checkpoint.

    Raises:
        MalformedError: another number of lines, a size with leading zeros, a short root.
    """
    lines = text.split("\n")
    if len(lines) != 4 or lines[3]:
        raise MalformedError("a checkpoint has three lines: origin, size, root")
    origin, size, root = lines[0], lines[1], unb64(lines[2], "root hash")
    if not origin or not size.isascii() or not size.isdigit() or str(int(size[:20])) != size:
        raise MalformedError("checkpoint origin or size is malformed")
    if len(root) != 32:
        raise MalformedError(f"root hash has {len(root)} bytes instead of 32")
    return Checkpoint(origin, int(size), root)


def sign_checkpoint(checkpoint: Checkpoint, signer: NoteSigner) -> str:
    """Return the checkpoint as a note signed by the log's key."""
    return signer.sign(checkpoint.text())


def open_checkpoint(note: str, verifier: NoteVerifier) -> Checkpoint:
    """Verify a checkpoint under the log's key; cosignatures are ``cosignature.py``'s part.

    Raises:
        MalformedError, SignatureError: see ``open_note``.
        CheckpointError: the origin is another.
    """
    text, _ = open_note(note, [verifier])
    checkpoint = parse_checkpoint_text(text)
    if checkpoint.origin != verifier.name:
        raise CheckpointError(
            f"expected a checkpoint of {verifier.name}, got one of {checkpoint.origin}"
        )
    return checkpoint
