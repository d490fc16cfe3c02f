"""A witness's decision about a checkpoint, and what a log asks it. Pure.

The question is C2SP tlog-witness's ``add-checkpoint`` body: ``old <size>``, the consistency
proof from that size, an empty line, the checkpoint. The answer is a status of HTTP with
the body that the specification gives it. Keeping the state, signing and serving are
``govern.adapters.witness_files``'s part.
Source: c2sp.org/tlog-witness@v1.0.0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from govern.errors import LogError, MalformedError, SignatureError
from govern.transparency.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint_text
from govern.transparency.encoding import b64, is_decimal, unb64
from govern.transparency.merkle import EMPTY_ROOT, verify_consistency
from govern.transparency.note import NoteVerifier, lines_and_note, note_text

REQUEST_BYTES_MAX = 64 << 10
PROOF_LINES_MAX = 63
SIZE_TYPE = "text/x.tlog.size"


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """What a log asks: does ``note`` extend the tree of ``old_size`` that you saw?"""

    old_size: int
    proof: tuple[bytes, ...]
    note: str

    def text(self) -> str:
        """Return the body of the request."""
        return f"old {self.old_size}\n{''.join(b64(item) + chr(10) for item in self.proof)}\n{self.note}"


@dataclass(frozen=True, slots=True)
class Answer:
    """A status of HTTP and its body; ``accepted`` is set where the witness is to cosign."""

    status: int
    body: str
    content_type: str = "text/plain; charset=utf-8"
    accepted: Checkpoint | None = None


def parse_request(data: bytes) -> AddCheckpoint:
    """Read an ``add-checkpoint`` body.

    Raises:
        MalformedError: another form, or over a limit.
    """
    if len(data) > REQUEST_BYTES_MAX:
        raise MalformedError(f"the request is over {REQUEST_BYTES_MAX} bytes")
    (first, *proof), note = lines_and_note(data, "request")
    size = first.removeprefix("old ")
    if note is None or not first.startswith("old ") or not is_decimal(size):
        raise MalformedError("expected a line `old SIZE`, proof lines, an empty line, a checkpoint")
    if len(proof) > PROOF_LINES_MAX:
        raise MalformedError(f"a consistency proof has at most {PROOF_LINES_MAX} lines")
    hashes = tuple(unb64(line, "proof line") for line in proof)
    if any(len(item) != 32 for item in hashes):
        raise MalformedError("a proof line holds 32 bytes")
    return AddCheckpoint(int(size), hashes, note)


def judge(
    request: AddCheckpoint,
    *,
    logs: Mapping[str, Sequence[NoteVerifier]],
    latest: Mapping[str, Checkpoint],
) -> Answer:
    """Decide about a checkpoint, in the specification's order.

    Args:
        request: what the log asks.
        logs: origin to the keys trusted for it.
        latest: origin to the largest checkpoint that this witness cosigned.

    Returns:
        200 with ``accepted``; 404 for an unknown log; 403 without a good signature; 400 for
        an old size beyond the checkpoint; 409 with the size known; 422 for a fork or a
        wrong proof.

    Raises:
        MalformedError: the checkpoint is none.
    """
    claimed = parse_checkpoint_text(note_text(request.note))
    if claimed.origin not in logs:
        return Answer(404, "this witness does not know the log\n")
    checkpoint = _signed(request.note, logs[claimed.origin])
    if checkpoint is None:
        return Answer(403, "no trusted key of the log signed the checkpoint\n")
    if request.old_size > checkpoint.size:
        return Answer(400, "the old size is larger than the checkpoint\n")
    known = latest.get(checkpoint.origin, Checkpoint(checkpoint.origin, 0, EMPTY_ROOT))
    if request.old_size != known.size:
        return Answer(409, f"{known.size}\n", SIZE_TYPE)
    try:
        _check_extends(known, checkpoint, request.proof)
    except LogError as error:
        return Answer(422, f"{error}\n")
    return Answer(200, "", accepted=checkpoint)


def _signed(note: str, verifiers: Sequence[NoteVerifier]) -> Checkpoint | None:
    for verifier in verifiers:
        try:
            return open_checkpoint(note, verifier)
        except (SignatureError, LogError):
            continue
    return None


def _check_extends(known: Checkpoint, new: Checkpoint, proof: Sequence[bytes]) -> None:
    if new.size == 0:
        verify_consistency(
            old_size=0, new_size=0, old_root=EMPTY_ROOT, new_root=new.root, proof=proof
        )
    verify_consistency(
        old_size=known.size, new_size=new.size, old_root=known.root, new_root=new.root, proof=proof
    )


def parse_size(body: str) -> int:
    """Read the body of a 409: the size that the witness knows.

    Raises:
        MalformedError: no decimal number and a newline.
    """
    text = body.removesuffix("\n")
    if not is_decimal(text):
        raise MalformedError(f"a witness answered 409 without a size: {body[:40]!r}")
    return int(text)
