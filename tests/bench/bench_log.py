"""The log's core: leaves a second on one core, proofs in a log of ten million, a million receipts."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from govern.domain.gate_record import make_leaf, receipt_header
from govern.transparency.merkle import leaf_hashes, verify_inclusion
from govern.transparency.tiles import TILE_WIDTH, tile_path
from govern.transparency.tree import Tree
from serving_gate.log_files import LogFolder

ROOT = Path(__file__).resolve().parents[2]
LEAVES, BATCH, ROUNDS = 500_000, 4096, 4
PROOF_LEAVES, PROOFS = 10_000_000, 300
RECEIPTS, FEW_RECEIPTS = 1_000_000, 100_000
VERIFY = """
import json, re, sys, time
from pathlib import Path
from govern.verifier.__main__ import main
started = time.process_time()
code = main([sys.argv[1], "--trust", sys.argv[2], "--json"])
spent = time.process_time() - started
peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024
used = [spent, peak]
print(json.dumps(used), file=sys.stderr)
sys.exit(code)
"""


def _grow() -> float:
    leaves = [os.urandom(48) for _ in range(LEAVES)]
    started, tree = time.process_time(), Tree()
    for low in range(0, LEAVES, BATCH):
        tree.append(leaf_hashes(leaves[low : low + BATCH]))
    return LEAVES / (time.process_time() - started)


def bench_leaves() -> dict[str, Any]:
    rounds = [_grow() for _ in range(ROUNDS)]
    return {
        "name": "log.leaves_per_s", "value": max(rounds), "unit": "1/s", "goal": ">=500000",
        "against": "leaf hash and all tree levels, CPU time of one core", "rounds": rounds,
    }


def _write_hash_tiles(tree: Tree, folder: Path) -> None:
    """Write the tiles that a proof reads; the leaves' own bytes are not among them."""
    level = 0
    while count := tree.size >> (8 * level):
        hashes = b"".join(tree.hash_at(8 * level, at) for at in range(count))
        for index in range(0, count, TILE_WIDTH):
            width = min(TILE_WIDTH, count - index)
            path = folder / tile_path(level, index // TILE_WIDTH, width)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(hashes[index * 32 : (index + width) * 32])
        level += 1


def bench_inclusion_proof() -> dict[str, Any]:
    hashes, tree = os.urandom(32 * PROOF_LEAVES), Tree()
    tree.append([hashes[at : at + 32] for at in range(0, len(hashes), 32)])
    root, rounds = tree.root(), []
    with tempfile.TemporaryDirectory() as name:
        _write_hash_tiles(tree, Path(name))
        folder = LogFolder(Path(name))
        for turn in range(ROUNDS):
            dice, spent = random.Random(turn), 0.0
            for index in (dice.randrange(PROOF_LEAVES) for _ in range(PROOFS)):
                started = time.process_time()
                proof = folder.inclusion(index, PROOF_LEAVES)
                spent += time.process_time() - started
                leaf = hashes[32 * index : 32 * index + 32]
                verify_inclusion(index=index, size=PROOF_LEAVES, leaf=leaf, proof=proof, root=root)
            rounds.append(spent / PROOFS * 1000)
    return {
        "name": "log.inclusion_proof_ms", "value": min(rounds), "unit": "ms", "goal": "<=1",
        "against": "random entries of a log of 10,000,000, from tiles on disk; CPU time of one core",
        "rounds": rounds,
    }


def _dossier(folder: Path, count: int) -> tuple[Path, Path]:
    """Write a dossier with so many receipts in one gate's log; return it and the trust file."""
    sys.path.insert(0, str(ROOT / "tests" / "conformance"))
    from dossier_workshop import Workshop, prepare

    from govern.domain.dossier import pack

    shop = Workshop(folder / "home")
    item, gate = prepare(shop), shop.gates["demo"]
    assert item.admission is not None
    first_us, admission = int(shop.now.timestamp() * 1e6), item.admission.digest
    gate.leaves = [make_leaf(at, first_us + at, os.urandom(32)) for at in range(count)]
    shop.anchor(gate)
    rows = [receipt_header(gate.signer.name, at, leaf, admission) for at, leaf in enumerate(gate.leaves)]
    files = shop.dossier([item], receipts={"demo": rows})
    (folder / "dossier.zip").write_bytes(pack(files))
    (folder / "trust.json").write_bytes(shop.trust_bytes)
    return folder / "dossier.zip", folder / "trust.json"


def _verify(dossier: Path, trust: Path) -> tuple[float, float]:
    """Return CPU seconds and peak memory in MiB of one verification in its own process."""
    words = [sys.executable, "-c", VERIFY, str(dossier), str(trust)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    seconds, peak = json.loads(done.stderr)
    assert json.loads(done.stdout)["counts"]["receipts"] >= FEW_RECEIPTS
    return seconds, peak


def bench_receipts() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as few, tempfile.TemporaryDirectory() as many:
        small = _verify(*_dossier(Path(few), FEW_RECEIPTS))[1]
        runs = [_verify(*_dossier(Path(many), RECEIPTS))]
        paths = Path(many) / "dossier.zip", Path(many) / "trust.json"
        runs += [_verify(*paths) for _ in range(ROUNDS - 1)]
    rates = [RECEIPTS / seconds for seconds, _ in runs]
    peaks = [peak / small for _, peak in runs]
    return [
        {"name": "log.verify_receipts_per_s", "value": max(rates), "unit": "1/s",
         "goal": ">=200000", "against": "govern verify of a dossier with 1,000,000 receipts, "
         "everything in it included, CPU time of one core", "rounds": rates},
        {"name": "log.verify_receipts_memory", "value": min(peaks), "unit": "ratio",
         "goal": "<=1.25", "against": f"peak memory with 100,000 receipts ({small:.0f} MiB)",
         "rounds": peaks},
    ]
