"""The gate's own pages under ``/gate/``, and the health paths of the served protocols.

They carry no receipt: nothing was inferred. Receipts are C2SP tlog-proofs with the
48-byte leaf as ``extra``, so a proof can be checked with nothing but the log's key.
"""

from __future__ import annotations

import re

import orjson

from govern.errors import CompletenessError, GovernError
from govern.transparency.checkpoint import parse_checkpoint_text
from govern.transparency.tlog_proof import TlogProof
from serving_gate.gate import Gate
from serving_gate.log_files import LogFolder
from serving_gate.metrics import render

TEXT = b"text/plain; charset=utf-8"
JSON = b"application/json"
BINARY = b"application/octet-stream"
_RECEIPT = re.compile(rb"/gate/receipt/(0|[1-9][0-9]{0,14})")
_TILE = re.compile(
    rb"/gate/(tile/(?:entries|[0-9]{1,2})/(?:x[0-9]{3}/)*[0-9]{3}(?:\.p/[0-9]{1,3})?)"
)
_LOG = re.compile(
    rb"/gate/logs/([A-Za-z0-9._-]{1,64})/(checkpoint|receipt/(?:0|[1-9][0-9]{0,14})|tile/.+)"
)
PAGES = frozenset(
    (
        b"/gate/healthz",
        b"/gate/readyz",
        b"/gate/metrics",
        b"/gate/checkpoint",
        b"/v2",
        b"/v2/health/live",
        b"/v2/health/ready",
    )
)
Answer = tuple[int, bytes, bytes]


def is_page(target: bytes) -> bool:
    """Say whether the gate answers this path itself."""
    return target in PAGES or target.startswith(b"/gate/")


async def answer(gate: Gate, target: bytes) -> Answer:
    """Return status, content type and body of a page."""
    if target in (b"/gate/healthz", b"/v2/health/live"):
        return 200, JSON, b'{"live":true}'
    if target in (b"/gate/readyz", b"/v2/health/ready"):
        return _ready(gate)
    if target == b"/v2":
        body = {"name": "govern-gate", "version": "1", "extensions": []}
        return 200, JSON, orjson.dumps(body)
    if target == b"/gate/metrics":
        page = gate.family.metrics(render(gate))
        return 200, b"text/plain; version=0.0.4; charset=utf-8", page
    if target == b"/gate/checkpoint":
        return 200, TEXT, (gate.recorder.log.checkpoint() or "").encode()
    if match := _RECEIPT.fullmatch(target):
        return await _receipt(gate, int(match.group(1)))
    if match := _TILE.fullmatch(target):
        return _tile(gate.recorder.log, match.group(1).decode())
    if match := _LOG.fullmatch(target):
        return await _log_page(gate, match.group(1).decode(), b"/gate/" + match.group(2))
    return 404, TEXT, b"no such page\n"


async def _log_page(gate: Gate, name: str, target: bytes) -> Answer:
    """Answer for one of the processes that serve together, whichever was asked."""
    if name == gate.family.name:
        return await answer(gate, target)
    log = gate.family.log(name)
    if log is None:
        return 404, TEXT, b"no such log\n"
    if target == b"/gate/checkpoint":
        return 200, TEXT, (log.checkpoint() or "").encode()
    if match := _TILE.fullmatch(target):
        return _tile(log, match.group(1).decode())
    return _published_receipt(log, int(target.rpartition(b"/")[2]))


def _published_receipt(log: LogFolder, index: int) -> Answer:
    note = log.checkpoint()
    if note is None or index >= _size(note):
        return 404, TEXT, b"no such record, or none yet; a log is published about once a second\n"
    try:
        return 200, TEXT, proof_text(log, index, note).encode()
    except GovernError as error:
        return 503, TEXT, f"{error}\n".encode()


def _ready(gate: Gate) -> Answer:
    problems = gate.problems()
    body = {"ready": not problems, "problems": problems}
    return (503 if problems else 200), JSON, orjson.dumps(body)


async def _receipt(gate: Gate, index: int) -> Answer:
    recorder = gate.recorder
    if index >= recorder.size:
        return 404, TEXT, b"no such record\n"
    try:
        if index >= recorder.published_size:
            await recorder.publish()
        note = recorder.log.checkpoint()
        assert note is not None
        text = proof_text(recorder.log, index, note)
    except GovernError as error:
        return 503, TEXT, f"{error}\n".encode()
    return 200, TEXT, text.encode()


def _size(note: str) -> int:
    return parse_checkpoint_text(note.rpartition("\n\n")[0] + "\n").size


def proof_text(log: LogFolder, index: int, note: str) -> str:
    """Return a tlog-proof (c2sp.org/tlog-proof@v1) of one record's leaf."""
    size = _size(note)
    leaf = log.entry(index, size)
    hashes = tuple(log.inclusion(index, size))
    return TlogProof(index, hashes, note, extra=leaf).text()


def _tile(log: LogFolder, path: str) -> Answer:
    whole, _, width = path.partition(".p/")
    try:
        data = log.read(whole, int(width)) if width else log.read(whole)
    except CompletenessError:
        return 404, TEXT, b"no such tile\n"
    return 200, BINARY, data
