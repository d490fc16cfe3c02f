"""Counters and gauges in Prometheus' text format."""

from __future__ import annotations

import asyncio
import time

from serving_gate.gate import Gate


def render(gate: Gate) -> bytes:
    """Return all metrics of a gate."""
    lines = [
        "# HELP govern_gate_outcomes_total Requests by how they ended.",
        "# TYPE govern_gate_outcomes_total counter",
    ]
    for (kind, reason), count in sorted(gate.counts.items(), key=str):
        label = f'kind="{kind}",reason="{reason or ""}"'
        lines.append(f"govern_gate_outcomes_total{{{label}}} {count}")
    lines += [
        "# HELP govern_gate_upstream_sent_total Requests sent to upstreams.",
        "# TYPE govern_gate_upstream_sent_total counter",
    ]
    for name, pool in sorted(gate.pools.items()):
        lines.append(f'govern_gate_upstream_sent_total{{deployment="{name}"}} {pool.sent}')
    for name, channel in sorted(gate.grpc_channels.items()):
        label = f'deployment="{name}",protocol="grpc"'
        lines.append(f"govern_gate_upstream_sent_total{{{label}}} {channel.sent}")
    lines += gate.recorder.commits.lines(
        "govern_gate_commit_seconds", "From a batch's making until it is durable."
    )
    for name, kind, text, value in _gauges(gate):
        full = f"govern_gate_{name}"
        lines += [f"# HELP {full} {text}", f"# TYPE {full} {kind}", f"{full} {value}"]
    return ("\n".join(lines) + "\n").encode()


async def leave(gate: Gate) -> None:
    """Leave the metrics where the other processes of this gate find them, until cancelled."""
    while gate.family.siblings:
        gate.family.leave(render(gate))
        await asyncio.sleep(gate.settings.publish_seconds)


def _gauges(gate: Gate) -> list[tuple[str, str, str, float]]:
    recorder, keeper = gate.recorder, gate.snapshot
    version = keeper.view.version if keeper.view else 0
    return [
        ("records_total", "counter", "Durable records.", recorder.size),
        ("records_at_start", "gauge", "Records when the gate started.", recorder.size_at_start),
        ("records_published", "gauge", "Records under the checkpoint.", recorder.published_size),
        ("records_waiting", "gauge", "Records that are not durable yet.", recorder.waiting),
        (
            "records_failed_total",
            "counter",
            "Records that could not be made durable.",
            recorder.failures,
        ),
        ("commits_total", "counter", "Batches handed to the disk.", recorder.batches),
        ("spool_bytes", "gauge", "Bytes of payload segments.", recorder.spool_bytes),
        ("connections", "gauge", "Client connections.", len(gate.connections)),
        ("snapshot_version", "gauge", "Version of the snapshot in use.", version),
        ("snapshots_rejected_total", "counter", "Snapshots refused.", keeper.rejected),
        ("uptime_seconds", "gauge", "Since start.", round(time.time() - gate.started_at, 3)),
    ]
