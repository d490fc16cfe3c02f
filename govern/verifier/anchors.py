"""Step (6), the other way round: states of the lineage log that gates put on record.

A record of kind ``anchor`` holds the lineage log's signed checkpoint as the gate saw it.
Gate and lineage log have keys of their own, so whoever rewrites one of the two
contradicts the other (docs/specs/log.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from govern.domain.gate_record import ANCHORED, GateRecord
from govern.errors import CompletenessError, MalformedError, RollbackError, SignatureError
from govern.transparency.checkpoint import Checkpoint
from govern.transparency.trust import TrustRoot
from govern.verifier.logs import KnownState, open_trusted, walk_log


class LineageSeen:
    """What one gate put on record of the lineage log, in the order of its records."""

    def __init__(self, trust: TrustRoot, origin: str, folder: str) -> None:
        self.states: dict[int, KnownState] = {}
        self._trust, self._origin, self._folder = trust, origin, folder
        self._newest = 0

    def add(self, record: GateRecord) -> None:
        """Take an anchor whose record fits its leaf.

        Raises:
            MalformedError: it holds no checkpoint.
            UntrustedSignerError, SignatureError: no checkpoint of the lineage log.
            RollbackError: the gate saw a longer lineage log before.
        """
        what = f"record {record.seq} of {self._folder}"
        note = record.request.get(ANCHORED)
        if not isinstance(note, str) or record.admission is not None:
            raise MalformedError(f"{what} is no anchor: it holds no checkpoint alone")
        checkpoint, log = open_trusted(note, self._trust)
        if log.origin != self._origin:
            raise SignatureError(f"{what} holds a checkpoint of {log.origin}, not {self._origin}")
        if checkpoint.size < self._newest:
            raise RollbackError(
                f"{what}: the gate saw {checkpoint.size} lineage entries after {self._newest}"
            )
        self._newest = checkpoint.size
        seen = f"the lineage log as {what} saw it"
        self.states[record.seq] = KnownState(checkpoint.size, checkpoint.root, seen)

    def require(self, record: int) -> None:
        """Refuse a dossier that hides an anchor which the lineage log names.

        Raises:
            CompletenessError: it is not shown.
        """
        if record not in self.states:
            raise CompletenessError(
                f"record {record} of {self._folder}, by which the gate put the lineage log on "
                "record, is not shown"
            )


def verify_extends(
    files: Mapping[str, bytes], checkpoint: Checkpoint, states: Sequence[KnownState]
) -> None:
    """Refuse a lineage log that does not extend what gates saw of it.

    Args:
        files: the dossier's files; the log lies in ``log/``.
        checkpoint: the lineage log's verified checkpoint.
        states: what gates put on record.

    Raises:
        ProofError: it was rewritten.
        CompletenessError: its newest entries were cut off.
    """
    if states:
        walk_log(files, "log", checkpoint, states, lambda _first, _entries: None)
