"""What a log's order says about times and about the keys that signed its checkpoints.

A checkpoint carries no time. What is proven: it is no older than the newest entry it
covers, and no younger than an anchor that quotes its state. So a key that has ended may
have signed no checkpoint over an entry made after its end; and because the entries of a
gate are dated by the gate alone, what a gate's ended key signed counts as far as an
anchor from inside the key's window reaches. Pure.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import replace
from datetime import timedelta

from govern.domain.gate_record import leaf_time, parse_leaf
from govern.errors import ProofError, UntrustedSignerError
from govern.transparency.encoding import format_time
from govern.transparency.trust_parts import TrustedLog
from govern.transparency.verify import VerifiedStatement

DISORDER = timedelta(minutes=10)


def in_order(
    statements: Sequence[VerifiedStatement], revoked: Container[str]
) -> list[VerifiedStatement]:
    """Return statements in log order; refuse a time well before that of an entry below it.

    Statements enter the log within seconds of their timestamp, in nearly its order; ten
    minutes, an identity certificate's life, is allowed. Whoever holds a stolen timestamp
    key can date a statement back, but cannot put it into the log's past. Where that key
    is revoked, what it dated back is void.

    Args:
        statements: of one log.
        revoked: ids of revoked keys.

    Raises:
        ProofError: a time runs backwards.
    """
    latest: VerifiedStatement | None = None
    found = []
    for item in sorted(statements, key=lambda one: one.log_index):
        if latest is not None and item.proven_at < latest.proven_at - DISORDER:
            said = (
                f"entry {item.log_index} is dated {format_time(item.proven_at)}, entry "
                f"{latest.log_index} below it {format_time(latest.proven_at)}: it was dated back"
            )
            if item.keys["tsa"] not in revoked:
                raise ProofError(said)
            found.append(item if item.void else replace(item, void=f"{said} with a revoked key"))
            continue
        if latest is None or item.proven_at > latest.proven_at:
            latest = item
        found.append(item)
    return found


def check_gate_key(
    log: TrustedLog, size: int, newest: bytes | None, anchors: Sequence[VerifiedStatement]
) -> None:
    """Check that a gate's checkpoint was signed inside its key's window.

    Args:
        log: the key that signed it.
        size: how many leaves it covers.
        newest: the last of them; None where there is none.
        anchors: this gate's anchors, from the lineage log.

    Raises:
        UntrustedSignerError: the newest leaf is dated after the key's end, or the key has
            ended and no anchor from inside the window reaches the newest leaf.
    """
    if newest is not None:
        log.require_not_ended(leaf_time(parse_leaf(newest)[1]))
    if log.valid.end is None:
        return
    sizes = [
        anchor.statement.predicate["tree_size"]
        for anchor in anchors
        if log.valid.covers(anchor.proven_at)
    ]
    reached = max(sizes, default=0)
    if reached < size:
        raise UntrustedSignerError(
            f"the key of log {log.origin!r} ended at {format_time(log.valid.end)}, and of the "
            f"{size} entries it signed only {reached} were anchored by then"
        )
