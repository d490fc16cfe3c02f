"""Put erasures on record: which leaves lost their payload, why, and that the log stays whole.

The statement names leaves by their hashes and no person whose data it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from govern.domain import predicates
from govern.errors import LogError
from govern.services.recording import Recorder
from govern.transparency.checkpoint import Checkpoint
from govern.transparency.encoding import format_time
from govern.transparency.merkle import leaf_hash, verify_inclusion

INDEXES_MAX = 1000
Progress = Callable[[int, int], None]


class ProvingLog(Protocol):
    """A published log that proves its entries."""

    @property
    def origin(self) -> str:
        """The log's name."""

    def checkpoint(self) -> Checkpoint:
        """Return the newest checkpoint, verified."""

    def tree(self, size: int) -> Any:
        """Return the tree of ``size`` leaves, for proofs."""


def record_erasure(
    recorder: Recorder,
    origin: str,
    gone: Sequence[tuple[int, bytes]],
    *,
    reason: str,
    by: str,
    signer: str,
) -> list[str]:
    """Record that payloads were erased; return the statements' digests.

    Args:
        recorder: records statements.
        origin: the log that holds the leaves.
        gone: index and leaf of each record.
        reason: the ground, such as a request under Art. 17 GDPR.
        by: who decided it.
        signer: the service's identity.
    """
    made = []
    for low in range(0, len(gone), INDEXES_MAX):
        part = gone[low : low + INDEXES_MAX]
        predicate = {
            "origin": origin,
            "indexes": [index for index, _ in part],
            "reason": reason,
            "by": by,
            "erased_at": format_time(recorder.clock()),
        }
        subjects = [("record", f"sha256:{leaf_hash(leaf).hex()}") for _, leaf in part]
        made.append(recorder.record(predicates.ERASURE, subjects, predicate, signer=signer).digest)
    return made


def prove_still_there(
    log: ProvingLog, gone: Sequence[tuple[int, bytes]], progress: Progress
) -> Checkpoint:
    """Prove every erased record's leaf to be in the log; return the checkpoint it rests on.

    Raises:
        LogError: a leaf is not where it was.
    """
    checkpoint = log.checkpoint()
    tree = log.tree(checkpoint.size)
    for done, (index, leaf) in enumerate(gone, 1):
        if index >= checkpoint.size:
            continue  # durable, and not yet published
        verify_inclusion(
            index=index,
            size=checkpoint.size,
            leaf=leaf_hash(leaf),
            proof=tree.inclusion(index),
            root=checkpoint.root,
        )
        progress(done, len(gone))
    if checkpoint.size == 0 and gone:
        raise LogError("the gate's log has no checkpoint yet; try again in a second")
    return checkpoint
