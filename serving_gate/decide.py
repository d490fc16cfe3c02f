"""Is this call admitted now? Pure: the clock, the snapshot and the caller are arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from govern.domain.snapshot import Route, Snapshot


@dataclass(frozen=True, slots=True)
class View:
    """A verified snapshot with its times as seconds, ready to be asked often."""

    version: int
    expires: float
    routes: Mapping[str, tuple[Route, float, float]]

    @classmethod
    def of(cls, snapshot: Snapshot) -> View:
        """Prepare a snapshot."""
        routes = {
            name: (route, route.not_before.timestamp(), route.expires_at.timestamp())
            for name, route in snapshot.routes.items()
        }
        return cls(snapshot.version, snapshot.expires_at.timestamp(), routes)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not; ``reason`` is one of ``problem.REASONS``."""

    reason: str
    detail: str
    route: Route | None = None


def decide(deployment: str, view: View | None, fresh_until: float, now: float) -> Route | Refusal:
    """Return the route of an admitted deployment, or the refusal.

    Args:
        deployment: the name that the request asks for.
        view: the snapshot in use, None before the first.
        fresh_until: until when the snapshot may be relied upon, seconds since 1970.
        now: seconds since 1970.
    """
    if view is None:
        return Refusal("not-ready", "no snapshot of admissions has been verified yet")
    if now >= fresh_until or now >= view.expires:
        return Refusal("stale-snapshot", "the snapshot of admissions is too old")
    found = view.routes.get(deployment)
    if found is None:
        return Refusal("not-admitted", f"no admission for deployment {deployment}")
    route, not_before, expires = found
    if route.status != "active":
        return Refusal(route.status, f"the admission of {deployment} is {route.status}", route)
    if now < not_before:
        return Refusal("not-admitted", f"the admission of {deployment} has not begun", route)
    if now >= expires:
        return Refusal("expired", f"the admission of {deployment} has expired", route)
    return route
