"""Does an upstream answer as the admitted model did? Asked with the probes that were signed.

Where an admission has probes, a connection to its upstream answers one of them before it
carries its first request, so that a restarted or exchanged server is noticed before it
serves; all of them are asked at start, on a schedule, and after another admission has come.
One wrong answer closes the route: refused as ``digest-mismatch``, on record as ``probe``, and
the control plane is asked to suspend the admission. The route opens again when every probe is
answered as signed.
"""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import orjson

from govern.domain.probes import Probe, Probes, infer_path, probes_of
from govern.domain.snapshot import Route
from govern.errors import InvalidRequestError, MalformedError
from serving_gate import protocols
from serving_gate.forwarding import probe_request
from serving_gate.gate import Gate
from serving_gate.heads import ResponseHead
from serving_gate.pending import Pending
from serving_gate.pools import Pool, Proof, WrongModelError
from serving_gate.upstream import Connection

TELL_SECONDS = 5.0
Tell = Callable[[str, str], Awaitable[bool]]


class Reply:
    """Waits for the answer to one probe."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.answer: asyncio.Future[tuple[ResponseHead, bytes]] = loop.create_future()

    def upstream_answered(self, head: ResponseHead, body: bytes) -> None:
        """The answer has come."""
        if not self.answer.done():
            self.answer.set_result((head, body))

    def upstream_opened(self, head: ResponseHead) -> None:
        """An answer in pieces is not what was signed."""
        self.upstream_failed("digest-mismatch", "the answer to a probe comes in pieces")

    def upstream_piece(self, data: bytes) -> None:
        """More of it."""

    def upstream_ended(self) -> None:
        """The end of it."""

    def upstream_failed(self, reason: str, detail: str) -> None:
        """No answer came."""
        if not self.answer.done():
            wrong = reason == "digest-mismatch"
            self.answer.set_exception(WrongModelError(detail) if wrong else OSError(detail))


class RouteProof:
    """The probes of one admission, and how to ask them."""

    def __init__(self, route: Route, probes: Probes) -> None:
        self.admission = route.admission
        self._route, self._probes = route, probes
        self._next = 0
        self.failed: tuple[Probe, int, bytes] | None = None

    async def prove(self, pool: Pool, connection: Connection) -> None:
        """Ask the next probe on a connection that serves nobody yet.

        Raises:
            WrongModelError: another answer than the signed one.
            OSError: no answer.
        """
        self._next = (self._next + 1) % len(self._probes.items)
        await self._ask(pool, connection, self._probes.items[self._next])

    async def prove_all(self, pool: Pool, connection: Connection) -> None:
        """Ask every probe, one after the other; raises as ``prove``."""
        for probe in self._probes.items:
            await self._ask(pool, connection, probe)

    async def _ask(self, pool: Pool, connection: Connection, probe: Probe) -> None:
        reply = Reply(asyncio.get_running_loop())
        pool.ask(connection, probe_request(_path(self._route), probe.body, pool.authority), reply)
        head, body = await reply.answer
        why = protocols.other_model(self._route, head)
        if why is None and head.status != 200:
            why = f"a probe was answered {head.status}"
        if why is None:
            why = probe.difference(body, self._probes.tolerance)
        if why is not None:
            self.failed = probe, head.status, body
            raise WrongModelError(why)


class Prober:
    """Asks probes again and again, and closes routes whose upstream answers otherwise."""

    def __init__(self, gate: Gate, tell: Tell | None) -> None:
        self._gate, self._tell = gate, tell
        self._proofs: dict[str, RouteProof | None] = {}
        self._routes: dict[str, Route] = {}
        self._untold: dict[str, str] = {}
        self._tell_at = 0.0
        self._opened: set[str] = set()

    def proof_for(self, route: Route) -> Proof | None:
        """Return what a connection must prove before it serves this admission.

        Raises:
            MalformedError: the admission's probes cannot be read.
        """
        if "probes" not in route.upstream:
            return None
        if route.admission not in self._proofs:
            self._proofs[route.admission] = _made(route)
            self._routes[route.admission] = route
        return self._proofs[route.admission]

    def wrong(self, proof: Proof, why: str) -> None:
        """Close the route: a connection gave another answer than the signed one."""
        route = self._routes[proof.admission]
        if proof.admission in self._gate.closed:
            return
        self._gate.closed[proof.admission] = why
        self._opened.discard(proof.admission)
        self._untold[proof.admission] = f"probe: {why}"
        failed = self._proofs[proof.admission]
        self._record(route, "digest-mismatch", failed.failed if failed is not None else None)

    def _right(self, route: Route) -> None:
        """Open the route: every probe was answered as signed."""
        self._gate.closed.pop(route.admission, None)
        self._untold.pop(route.admission, None)
        if route.admission not in self._opened:
            self._opened.add(route.admission)
            self._record(route, None, None)

    def _record(
        self, route: Route, reason: str | None, failed: tuple[Probe, int, bytes] | None
    ) -> None:
        probe, status, answer = failed if failed is not None else (None, 200, None)
        self._gate.count("probe", reason)
        self._gate.recorder.submit(
            Pending(
                kind="probe",
                method="POST",
                path=_path(route).decode(),
                status=status,
                done=_nothing,
                failed=_no_one,
                deployment=route.deployment,
                admission=route.admission,
                candidate=route.candidate,
                request_body=None if probe is None else probe.body,
                response_body=answer,
                keep_bodies=self._gate.settings.keep_bodies,
                reason=reason,
                upstream=self._gate.pools[route.deployment].name,
            )
        )

    async def run(self) -> None:
        """Ask at start, on a schedule, and when another admission has come; until cancelled."""
        due: dict[str, float] = {}
        loop, seconds = self._gate.loop, self._gate.settings.probe_seconds
        while True:
            now = loop.time()
            wanted = [route for route in self._active() if now >= due.get(route.admission, 0)]
            due = {route.admission: due.get(route.admission, 0) for route in self._active()}
            due |= dict.fromkeys([route.admission for route in wanted], now + seconds)
            await asyncio.gather(*(self.check(route) for route in wanted))
            await self._tell_all()
            await asyncio.sleep(min(1.0, seconds))

    def _active(self) -> list[Route]:
        view, pools = self._gate.snapshot.view, self._gate.pools
        routes = [found[0] for found in view.routes.values()] if view is not None else []
        return [
            route for route in routes
            if route.status == "active" and route.deployment in pools and "probes" in route.upstream
        ]  # fmt: skip

    async def check(self, route: Route) -> None:
        """Ask every probe of an admission on a connection of its own."""
        try:
            proof = self.proof_for(route)
        except MalformedError as error:
            self._gate.closed[route.admission] = f"its probes cannot be read: {error}"
            return
        assert proof is not None
        try:
            await self._gate.pools[route.deployment].prove_now(proof)
        except WrongModelError as error:
            self.wrong(proof, str(error))
        except OSError:
            pass  # no answer is no other answer; requests are told that the upstream failed
        else:
            self._right(route)

    async def _tell_all(self) -> None:
        if not self._untold or self._gate.loop.time() < self._tell_at:
            return
        self._tell_at = self._gate.loop.time() + TELL_SECONDS
        for admission, why in list(self._untold.items()):
            if self._tell is None or await self._tell(admission, why):
                self._untold.pop(admission, None)


def _path(route: Route) -> bytes:
    return infer_path(protocols.kind_of(route.upstream), route.deployment).encode()


def _nothing(index: int, leaf: bytes) -> None:
    """Nobody waits for the record of a probe."""


def _no_one() -> None:
    """Nobody is told that it failed; it is counted."""


def _made(route: Route) -> RouteProof | None:
    probes = probes_of(route.upstream)
    return None if probes is None else RouteProof(route, probes)


def teller(control_plane: str, token: str) -> Tell:
    """Return how to ask the control plane to suspend an admission; redirects are not followed.

    Args:
        control_plane: its base URL.
        token: an API token of a person with the role platform or compliance.

    Raises:
        InvalidRequestError: not an address.
    """
    parts = urlsplit(control_plane)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidRequestError("--control-plane is http://HOST or https://HOST")
    secure = parts.scheme == "https"
    connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection

    def post(admission: str, why: str) -> bool:
        connection = connect(str(parts.hostname), parts.port, timeout=TELL_SECONDS)
        try:
            connection.request(
                "POST",
                f"{parts.path.rstrip('/')}/api/v1/admissions/{admission}/suspend",
                orjson.dumps({"reason": why}),
                {"content-type": "application/json", "authorization": f"Bearer {token}"},
            )
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return status in (200, 404, 409)  # done, unknown there, or no longer active

    async def tell(admission: str, why: str) -> bool:
        return await asyncio.to_thread(post, admission, why)

    return tell
