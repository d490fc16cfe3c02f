"""Is the trust file in hand the newest that the log knows of?

Each newer trust file is put on record as a key event. A verifier that was handed an older
one would believe keys that have ended since, so it refuses as soon as it sees that; where
nothing names a newer one it says that nothing did, which is all it can know.
"""

from __future__ import annotations

from collections.abc import Sequence

from govern.domain import predicates
from govern.errors import MalformedError, RollbackError
from govern.transparency.encoding import format_time
from govern.transparency.trust import TrustRoot
from govern.transparency.verify import VerifiedStatement
from govern.verifier.proved import Proved


def verify_version(
    statements: Sequence[VerifiedStatement], trust: TrustRoot, proved: Proved
) -> None:
    """Refuse an older trust file than the log names, and another one of the same version.

    Args:
        statements: all that the log holds; void ones count, for they only speak against.
        trust: the trust file in hand.
        proved: where to say it.

    Raises:
        RollbackError: the log names a newer trust file, or another under this version.
        MalformedError: a key event names no version.
    """
    events = [item for item in statements if item.kind == predicates.KEY_EVENT]
    for version, digest in sorted(_named(item) for item in events):
        if version > trust.version:
            raise RollbackError(
                f"the trust file is version {trust.version} of {format_time(trust.issued_at)}, "
                f"and the log names version {version} ({digest[:19]}…): ask for it, check with "
                "`govern key trust` that it follows yours, and verify with it"
            )
        if version == trust.version and digest != trust.digest:
            raise RollbackError(
                f"two trust files are version {version}: the log names {digest[:19]}…, this one "
                f"is {trust.digest[:19]}…; ask in person which one is genuine"
            )
    proved.say(
        f"The trust file is version {trust.version} of {format_time(trust.issued_at)}; the log "
        "names no newer one."
    )


def _named(event: VerifiedStatement) -> tuple[int, str]:
    version = event.statement.predicate.get("version")
    if type(version) is not int:
        raise MalformedError(f"the key event in entry {event.log_index} names no version")
    return version, event.statement.subject
