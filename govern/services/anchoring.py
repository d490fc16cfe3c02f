"""Anchor gate logs in the lineage log: each when it grew, and only if it extends what was anchored.

The other direction, a gate that puts the lineage log on record, is the gate's own
(``serving_gate.anchoring``). Those records alone are no news here; else the two logs
would answer each other for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from govern.domain import predicates
from govern.errors import GovernError, ProofError, RollbackError
from govern.services.recording import Recorder
from govern.transparency.checkpoint import Checkpoint
from govern.transparency.digest import digest_of
from govern.transparency.encoding import b64, format_time, unb64
from govern.transparency.merkle import verify_consistency
from govern.transparency.verify import VerifiedStatement


class GateLog(Protocol):
    """A gate's log and records, as far as anchoring needs them."""

    @property
    def origin(self) -> str:
        """The log's name."""

    def checkpoint_note(self) -> str:
        """Return the newest published checkpoint, as signed."""

    def consistency(self, old_size: int, new_size: int) -> Sequence[bytes]:
        """Return the consistency proof between two sizes."""

    def newest_anchor(self, below: int) -> int | None:
        """Return the newest record below ``below`` that holds the lineage log's checkpoint."""


@dataclass(frozen=True, slots=True)
class Anchored:
    """What became of one gate: its state now stands at ``entry``, or why not.

    Attributes:
        gate: its name.
        entry: index in the lineage log; None: nothing new, or ``problem`` says more.
        records: how many records the anchored state has.
        problem: why it was refused; its exit code is ``exit_code``.
    """

    gate: str
    entry: int | None = None
    records: int | None = None
    problem: str | None = None
    exit_code: int = 0


def anchor_all(
    recorder: Recorder, gates: Mapping[str, Callable[[], GateLog]], *, signer: str
) -> list[Anchored]:
    """Anchor each gate; one that is refused does not stop the others.

    Args:
        recorder: the lineage log's recorder.
        gates: by name, what opens the gate's log.
        signer: the service.
    """
    found = []
    for name, open_gate in gates.items():
        try:
            made = anchor_gate(recorder, open_gate(), signer=signer)
        except GovernError as error:
            found.append(Anchored(name, problem=str(error), exit_code=error.exit_code))
            continue
        size = None if made is None else int(made.statement.predicate["tree_size"])
        found.append(Anchored(name, None if made is None else made.log_index, size))
    return found


def anchor_gate(recorder: Recorder, gate: GateLog, *, signer: str) -> VerifiedStatement | None:
    """Record the state of a gate's log, if it grew by more than anchors.

    Args:
        recorder: the lineage log's recorder.
        gate: the gate.
        signer: the service.

    Returns:
        the statement, or None if there is nothing new.

    Raises:
        VerificationError: its checkpoint does not verify, or does not extend the state
            anchored last: it was rolled back, or rewritten.
    """
    note = gate.checkpoint_note()
    checkpoint = recorder.trust.open_checkpoint(note, gate.origin)[0]
    known = newest_anchored(recorder, gate.origin)
    if known is not None:
        _require_extends(gate, known, checkpoint)
    start = known.size if known is not None else 0
    newest = gate.newest_anchor(checkpoint.size)
    if checkpoint.size == start or (checkpoint.size == start + 1 and newest == start):
        return None
    return _record(recorder, checkpoint, signer, newest)


def _require_extends(gate: GateLog, known: Checkpoint, found: Checkpoint) -> None:
    if found.size < known.size:
        raise RollbackError(
            f"{gate.origin} had {known.size} records when it was anchored, and shows {found.size}"
        )
    try:
        verify_consistency(
            old_size=known.size,
            new_size=found.size,
            old_root=known.root,
            new_root=found.root,
            proof=gate.consistency(known.size, found.size),
        )
    except ProofError as error:
        raise ProofError(f"{gate.origin} was rewritten after it was anchored: {error}") from None


def newest_anchored(recorder: Recorder, origin: str) -> Checkpoint | None:
    """Return the largest state of a gate's log in the lineage log."""
    said = [item.statement.predicate for item in recorder.all(predicates.ANCHOR)]
    own = [row for row in said if row.get("origin") == origin]
    if not own:
        return None
    row = max(own, key=lambda row: int(row["tree_size"]))
    return Checkpoint(origin, int(row["tree_size"]), unb64(row["root"], "root"))


def anchor(
    recorder: Recorder,
    checkpoint_note: str,
    origin: str,
    *,
    signer: str,
    lineage_record: int | None = None,
) -> VerifiedStatement | None:
    """Record a gate log's checkpoint in the lineage log.

    Args:
        recorder: the lineage log's recorder.
        checkpoint_note: the gate log's signed checkpoint.
        origin: the gate log's name.
        signer: the service.
        lineage_record: index of the newest record below the checkpoint by which the gate
            put the lineage log's checkpoint on record; a dossier must show it then.

    Returns:
        the statement, or None if the gate's log has not grown.

    Raises:
        VerificationError: the checkpoint does not verify.
    """
    checkpoint = recorder.trust.open_checkpoint(checkpoint_note, origin)[0]
    known = newest_anchored(recorder, origin)
    if checkpoint.size <= (known.size if known is not None else 0):
        return None
    return _record(recorder, checkpoint, signer, lineage_record)


def _record(
    recorder: Recorder, checkpoint: Checkpoint, signer: str, lineage_record: int | None
) -> VerifiedStatement:
    predicate: dict[str, Any] = {
        "origin": checkpoint.origin,
        "tree_size": checkpoint.size,
        "root": b64(checkpoint.root),
        "anchored_at": format_time(recorder.clock()),
    }
    if lineage_record is not None:
        predicate["lineage_record"] = lineage_record
    subject = [(checkpoint.origin, digest_of(checkpoint.root))]
    return recorder.record(predicates.ANCHOR, subject, predicate, signer=signer)
