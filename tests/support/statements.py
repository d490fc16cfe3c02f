"""Verified statements and a small world of candidates, made from the contract's shapes.

The certificate and log parts are left out: these feed storage and views, which trust the
recorder's verification; signing itself is tested elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from govern.domain import predicates
from govern.transparency.checkpoint import Checkpoint
from govern.transparency.encoding import b64
from govern.transparency.statement import PAYLOAD_TYPE, make_statement, parse_statement
from govern.transparency.verify import VerifiedStatement

START = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)


def digest(text: str) -> str:
    """Return a digest that is stable for a name."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


class Scribe:
    """Makes statements with growing log indexes, one minute apart."""

    def __init__(self) -> None:
        self.made: list[VerifiedStatement] = []

    def write(
        self,
        kind: str,
        subject: str,
        predicate: dict[str, Any],
        *,
        signer: str,
        name: str = "model",
    ) -> VerifiedStatement:
        """Return the next statement, about one subject."""
        payload = make_statement(kind, [(name, subject)], predicate)
        index = len(self.made)
        envelope = {
            "payload": b64(payload),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": b64(b"signature")}],
        }
        bundle = json.dumps({"dsseEnvelope": envelope, "at": index}, sort_keys=True).encode()
        item = VerifiedStatement(
            statement=parse_statement(payload),
            signer=signer,
            issuer="https://sso.bank.example",
            proven_at=START + timedelta(minutes=index),
            log_index=index,
            checkpoint=Checkpoint("bank.example/govern/lineage", index + 1, b"\0" * 32),
            bundle=bundle,
        )
        self.made.append(item)
        return item

    def candidate(self, name: str, **card: Any) -> VerifiedStatement:
        """Register a candidate with defaults for what is not given."""
        value = {
            "name": name,
            "version": "1",
            "owner": "lending@bank.example",
            "author": "ada@bank.example",
            "intended_use": "decide mortgage applications",
            "risk_tier": "high",
            "domain": "credit",
            "jurisdictions": ["US", "US-MA"],
            "use": "credit-decision",
            "format": "onnx",
            "protected_inputs": [],
            "randomised": False,
            "registered_at": "2026-11-24T02:00:00Z",
        } | card
        return self.write(
            predicates.CANDIDATE, digest(name), value, signer="ada@bank.example", name=name
        )
