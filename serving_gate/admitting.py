"""May this caller ask this deployment now? The same question for every protocol.

It does not read requests, record or answer: see ``exchange.py`` and ``grpc_calls.py``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from govern.domain.snapshot import Route
from serving_gate import protocols
from serving_gate.callers import Caller
from serving_gate.decide import Refusal
from serving_gate.gate import Gate
from serving_gate.heads import RequestHead


@dataclass(slots=True)
class Verdict:
    """What is known of a request so far; admitted where ``refusal`` is None.

    Args:
        caller: who asks, once that is known.
        route: the deployment's admission, once that is known.
        refusal: why not.
        wait_seconds: after how many whole seconds a refused caller may ask again.
    """

    caller: Caller | None = None
    route: Route | None = None
    refusal: Refusal | None = None
    wait_seconds: int = 0


def admit(
    gate: Gate,
    head: RequestHead,
    body: bytes,
    certificate_subject: str | None,
    deployment: str,
    now: float,
) -> Verdict:
    """Identify the caller, keep it to its rate and deployments, and ask for the admission.

    Args:
        gate: what it knows of callers and admissions.
        head: the request's head, or a gRPC call's metadata in that form.
        body: the request's body; signatures cover it.
        certificate_subject: of the client's verified certificate, if it has one.
        deployment: the name that the request asks for.
        now: monotonic seconds.
    """
    named = protocols.refused_header(head)
    if named is not None:
        why = f"the header {named.decode()} is not accepted"
        return Verdict(refusal=Refusal("refused-header", why))
    caller = gate.callers.identify(head, body, certificate_subject)
    if isinstance(caller, str):
        return Verdict(refusal=Refusal("unauthenticated", caller))
    if caller.rate is not None:
        wait = math.ceil(gate.buckets.wait_seconds(caller.name, caller.rate, now))
        if wait:
            why = f"{caller.name} asks too often; try again in {wait} s"
            return Verdict(caller, refusal=Refusal("rate-limited", why), wait_seconds=wait)
    decided = gate.decide(deployment)
    if isinstance(decided, Refusal):
        return Verdict(caller, decided.route, decided)
    if not caller.may_use(deployment):
        refusal = Refusal("caller-not-allowed", f"{caller.name} may not use it")
        return Verdict(caller, decided, refusal)
    return Verdict(caller, decided)
