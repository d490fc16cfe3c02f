"""The gate keeps what it saw of the lineage log, and refuses one that went back."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from govern.adapters.gate_files import read_records
from govern.domain import predicates
from govern.errors import NotFoundError
from govern.transparency.checkpoint import Checkpoint, sign_checkpoint
from govern.transparency.tree import Tree
from tests.support.gate_lab import INFER, GateLab, Running, ScriptedUpstream, ask, infer_body

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
FAST = {"GOVERN_GATE_SNAPSHOT_POLL_SECONDS": "0.1"}


@pytest.fixture
def lab(tmp_path: Path) -> GateLab:
    lab = GateLab(tmp_path / "home")
    lab.offer(lineage=lab.workshop.log.checkpoint_note())
    return lab


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    server = ScriptedUpstream(lambda connection, request: connection.sendall(ANSWER))
    yield server
    server.close()


def anchors(lab: GateLab) -> list[dict[str, Any]]:
    try:
        records = [json.loads(item.record) for item in read_records(lab.gate_home) if item]
    except NotFoundError:
        return []  # nothing is on record yet
    return [record for record in records if record["kind"] == "anchor"]


def wait_for_anchors(lab: GateLab, count: int) -> list[dict[str, Any]]:
    end = time.monotonic() + 10
    while len(found := anchors(lab)) < count:
        assert time.monotonic() < end, f"{len(found)} of {count} anchors"
        time.sleep(0.05)
    return found


def rejected(gate: Running) -> float:
    metrics = ask(gate.port, "GET", "/gate/metrics").body.decode()
    (line,) = [x for x in metrics.splitlines() if x.startswith("govern_gate_snapshots_rejected")]
    return float(line.split()[-1])


def test_each_growth_of_the_lineage_log_is_on_record_once(
    lab: GateLab, upstream: ScriptedUpstream
) -> None:
    shop = lab.workshop
    with lab.gate(upstream.port, environment=FAST) as gate:
        (first,) = wait_for_anchors(lab, 1)
        assert first["request"]["checkpoint"] == shop.log.checkpoint_note()
        assert (first["admission"], first["caller"], first["status"]) == (None, None, 0)
        lab.offer(lineage=shop.log.checkpoint_note())  # a fresh snapshot, nothing new in the log
        assert ask(gate.port, "POST", INFER, infer_body()).status == 200
        time.sleep(0.4)
        assert len(anchors(lab)) == 1
        shop.end(lab.candidate, predicates.SUSPENSION)
        lab.offer("suspended", lineage=shop.log.checkpoint_note())
        assert wait_for_anchors(lab, 2)[1]["request"]["checkpoint"] == shop.log.checkpoint_note()


def test_a_shrunken_or_forked_lineage_log_is_refused(
    lab: GateLab, upstream: ScriptedUpstream
) -> None:
    log = lab.workshop.log
    signer = lab.workshop.keys.note_signer("lineage-log", log.origin)
    size = log.checkpoint().size
    with lab.gate(upstream.port, environment=FAST) as gate:
        wait_for_anchors(lab, 1)
        for entries in (size - 1, size, None):
            tree, before = Tree(), rejected(gate)
            tree.append([bytes(32)] * (entries or 0))
            forged = sign_checkpoint(Checkpoint(log.origin, tree.size, tree.root()), signer)
            lab.offer("revoked", lineage=forged if entries else None)
            time.sleep(0.4)
            assert rejected(gate) > before
            assert ask(gate.port, "POST", INFER, infer_body()).status == 200
        assert len(anchors(lab)) == 1


def test_a_checkpoint_by_another_key_is_refused(lab: GateLab, upstream: ScriptedUpstream) -> None:
    origin = lab.workshop.log.origin
    signer = lab.workshop.keys.note_signer("gate-demo", origin)
    note = sign_checkpoint(Checkpoint(origin, 999, bytes(32)), signer)
    with lab.gate(upstream.port, environment=FAST) as gate:
        wait_for_anchors(lab, 1)
        lab.offer("revoked", lineage=note)
        time.sleep(0.4)
        assert rejected(gate) > 0
        assert ask(gate.port, "POST", INFER, infer_body()).status == 200
