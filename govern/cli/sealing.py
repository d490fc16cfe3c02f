"""The demo's last acts: anchor the gate's log, seal the dossier, tamper, build the report."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from govern.adapters.gate_files import log_files, read_records
from govern.adapters.log_files import LogFiles
from govern.bootstrap import Application, gate_names
from govern.cli import demo_people as people
from govern.domain.dossier import unpack
from govern.domain.gate_archive import ArchivedRecord
from govern.domain.gate_record import GateRecord
from govern.errors import GovernError
from govern.services import anchoring, auditing
from govern.services.exporting import admitted_layouts
from govern.transparency.canonical import canonical_json, parse_json
from govern.transparency.checkpoint import Checkpoint, sign_checkpoint
from govern.transparency.merkle import leaf_hash
from govern.transparency.tiles import entries_path, entry_bundle, parse_entry_bundle, tiles_after
from govern.transparency.tree import Tree

SAMPLE_RECORDS = 24
PUBLISH_SECONDS_MAX = 15.0


@dataclass(frozen=True, slots=True)
class GateView:
    """A gate's published log, its records, and a count per kind and status.

    ``anchors`` are the records by which it put the lineage log's checkpoint on record.
    """

    checkpoint: Checkpoint
    export: auditing.GateExport
    statistics: dict[str, Any]
    anchors: Sequence[int]


def view_gate(opened: Application, expected: int, receipts: Sequence[str] = ()) -> GateView:
    """Wait until the gate has published ``expected`` requests, then read its folder.

    Args:
        receipts: what callers kept, to be shown in the dossier, in the log's order.

    Raises:
        GovernError: it does not get there in time.
    """
    name, origin = next(row for row in gate_names(opened) if row[0] == people.GATE)
    folder = opened.home / "gates" / name
    deadline = time.monotonic() + PUBLISH_SECONDS_MAX
    while True:
        log = log_files(folder / "log")
        checkpoint = opened.trust.open_checkpoint(log["checkpoint"].decode(), origin)[0]
        records = _published(folder, checkpoint.size)
        parsed = [GateRecord.from_json(parse_json(item.record)) for item in records.values()]
        requests = [record for record in parsed if record.kind not in ("anchor", "probe")]
        still = (folder / "log" / "checkpoint").read_bytes() == log["checkpoint"]
        if still and len(requests) >= expected:
            break
        if time.monotonic() > deadline:
            raise GovernError(f"the gate published {len(requests)} of {expected} requests")
        time.sleep(0.1)
    anchors = [record.seq for record in parsed if record.kind == "anchor"]
    shown = sorted({*_sample(checkpoint.size), *anchors})
    export = auditing.GateExport(
        name, origin, log, {at: records[at].to_export() for at in shown}, receipts
    )
    return GateView(checkpoint, export, _statistics(requests, len(parsed)), anchors)


def _published(folder: Path, size: int) -> dict[int, ArchivedRecord]:
    found = enumerate(islice(read_records(folder), size))
    return {at: item for at, item in found if item is not None}


def _sample(size: int) -> set[int]:
    return {*range(0, size, max(1, size // SAMPLE_RECORDS)), size - 1}


def _statistics(records: list[GateRecord], all_records: int) -> dict[str, Any]:
    kinds: dict[str, int] = {}
    reasons: dict[str, int] = {}
    for record in records:
        kinds[record.kind] = kinds.get(record.kind, 0) + 1
        if record.reason:
            reasons[record.reason] = reasons.get(record.reason, 0) + 1
    times = sorted(record.latency_us for record in records if record.kind == "inference")
    return {
        "records": all_records,
        "by_kind": kinds,
        "refusals": reasons,
        "first_at": records[0].at if records else None,
        "last_at": records[-1].at if records else None,
        "latency_p50_us": times[len(times) // 2] if times else None,
        "latency_p99_us": times[int(len(times) * 0.99)] if times else None,
    }


def seal_dossier(
    opened: Application, gate: GateView, extra: Mapping[str, bytes], title: str
) -> bytes:
    """Anchor the gate's log and return the sealed dossier."""
    recorder = opened.operations.recorder
    anchoring.anchor(
        recorder,
        gate.export.log["checkpoint"].decode(),
        gate.export.origin,
        signer=people.SERVICE,
        lineage_record=max(gate.anchors, default=None),
    )
    files = auditing.gather(
        recorder,
        lineage_log=lineage_files(opened.log),
        blobs=opened.blobs,
        packs={pack.digest: pack.source for pack in opened.operations.packs()},
        gates=[gate.export],
        extra={**admitted_layouts(recorder, opened.keys.sign_layout), **extra},
        release=opened.keys.sign_release,
    )
    return auditing.seal(
        recorder, files, [(gate.export, gate.checkpoint)], title=title, signer=people.SERVICE
    )


def lineage_files(log: LogFiles) -> dict[str, bytes]:
    """Return the lineage log's files as they stand, without superseded partial tiles."""
    size = log.checkpoint().size
    found = log_files(log.folder)
    partial = re.compile(r"(.*)\.p/(\d+)")
    keep = {}
    for name, data in found.items():
        match = partial.fullmatch(name)
        if match is None or _newest_partial(name, size):
            keep[name] = data
    return keep


def _newest_partial(name: str, size: int) -> bool:
    tree_levels = ("entries", *map(str, range(8)))
    for level in tree_levels:
        width = (size >> (0 if level == "entries" else 8 * int(level))) % 256
        if name.startswith(f"tile/{level}/") and name.endswith(f".p/{width}"):
            return True
    return False


def tamper(opened: Application, dossier: bytes, gate: GateView) -> dict[str, dict[str, bytes]]:
    """Return three forged copies of a dossier's files, by what was done.

    The third forger is an insider who holds the gate's key and signs a shorter log.
    """
    genuine = unpack(dossier)
    chosen = sorted(gate.export.records)[len(gate.export.records) // 2]
    path = f"gates/{people.GATE}/records/{chosen:09d}.json"
    changed = parse_json(genuine[path])
    changed["record"]["status"] = 201
    return {
        f"record {chosen} is changed": {**genuine, path: canonical_json(changed)},
        f"record {chosen} is deleted": {k: v for k, v in genuine.items() if k != path},
        "the newest record is cut off": {**genuine, **_shortened(opened, genuine, gate)},
    }


def _shortened(
    opened: Application, genuine: Mapping[str, bytes], gate: GateView
) -> dict[str, bytes]:
    folder, size = f"gates/{people.GATE}", gate.checkpoint.size
    entries: list[bytes] = []
    for index in range(-(-size // 256)):
        width = min(256, size - 256 * index)
        entries += parse_entry_bundle(genuine[f"{folder}/{entries_path(index, width)}"])
    tree = Tree()
    tree.append([leaf_hash(entry) for entry in entries[:-1]])
    signer = opened.keys.note_signer(f"gate-{people.GATE}", gate.export.origin)
    note = sign_checkpoint(Checkpoint(gate.export.origin, tree.size, tree.root()), signer)
    last = (tree.size - 1) // 256
    part = entries[256 * last : tree.size]
    files = {f"{folder}/{path}": data for path, data in tiles_after(tree, 0)}
    files[f"{folder}/{entries_path(last, len(part))}"] = entry_bundle(part)
    return {**files, f"{folder}/checkpoint": note.encode()}


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Unpack files into a folder."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
