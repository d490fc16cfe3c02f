"""May this model be loaded now? Pure: the signed snapshot, the trust file and the clock decide.

It is the question that a gate asks on every request, asked once more when a model server
starts; all evidence is loaded through ``EvidenceSet`` on the way.
"""

from __future__ import annotations

from datetime import datetime

from govern.domain.snapshot import Route, open_snapshot
from govern.errors import ExpiredError, NotFoundError
from govern.transparency.trust import TrustRoot


def admitted_now(document: bytes, trust: TrustRoot, wanted: str, now: datetime) -> Route:
    """Return what is admitted under a deployment's name, or under a model's digest.

    Raises:
        NotFoundError: nothing is admitted so.
        ExpiredError: the admission is suspended or revoked, has not begun, or has ended.
        VerificationError: the snapshot or its evidence does not verify.
    """
    routes = open_snapshot(document, trust, now).routes
    found = [route for name, route in routes.items() if wanted in (name, route.candidate)]
    if not found:
        raise NotFoundError(f"{wanted} is not admitted")
    current = [route for route in found if route.status == "active"]
    if not current:
        raise ExpiredError(f"the admission of {found[0].deployment} is {found[0].status}")
    running = [route for route in current if route.not_before <= now < route.expires_at]
    if not running:
        raise ExpiredError(f"the admission of {found[0].deployment} has ended or not begun")
    return running[0]
