"""``python -m serving_gate``: run a gate until SIGTERM, in one process or one for each name.

Prints one line of JSON with the address once it is ready to take connections.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import signal
import ssl
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import uvloop

from govern.domain.snapshot import open_snapshot
from govern.errors import GovernError, InvalidRequestError, StorageError
from govern.transparency.note import NoteSigner
from govern.transparency.trust import TrustRoot
from serving_gate import events, metrics, tls
from serving_gate.anchoring import Anchors
from serving_gate.callers import Callers
from serving_gate.family import Family
from serving_gate.gate import Gate
from serving_gate.log_keys import key_files, log_signer, read_file
from serving_gate.options import Upstream, parse_upstream, read
from serving_gate.pools import Pool
from serving_gate.probing import Prober, Tell, teller
from serving_gate.recorder import Recorder
from serving_gate.server import ClientConnection
from serving_gate.settings import Settings
from serving_gate.snapshot import SnapshotKeeper, fetch
from serving_gate.supervisor import Supervisor
from serving_gate.trusting import TrustKeeper

if TYPE_CHECKING:
    from serving_gate.grpc_server import GrpcPort

SWITCH_SECONDS = 0.0005
COLLECT_OBJECTS = 50_000
HANDSHAKE_SECONDS = 10.0


def main(arguments: list[str] | None = None) -> int:
    """Run; return the exit code."""
    options = read(arguments)
    try:
        if len(options.names) > 1 and options.only is None:
            given = sys.argv[1:] if arguments is None else arguments
            return Supervisor(given, options).run()
        return uvloop.run(run(options))
    except GovernError as error:
        print(f"gate: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"gate: {_explain(error, options)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


async def run(options: argparse.Namespace) -> int:
    """Serve until a signal comes, then drain."""
    loop = asyncio.get_running_loop()
    gate = build(options, loop)
    _tune()
    server = await _listen(options, gate)
    gate.recorder.start(loop)
    port = await _listen_grpc(options, gate)
    stop = _stop_event(options, loop)
    await gate.snapshot.poll_once()
    await asyncio.to_thread(gate.callers.refresh)
    prober = Prober(gate, _teller(options))
    gate.proof_for = prober.proof_for
    for pool in gate.pools.values():
        pool.on_wrong = prober.wrong
    anchors = Anchors(gate.recorder, gate.snapshot.lineage)
    anchoring = anchors.write_every(gate.settings.snapshot_poll_seconds)
    told = events.Teller(gate)
    work = (*gate.periodic(), anchoring, metrics.leave(gate), prober.run(), told.run())
    tasks = [loop.create_task(item) for item in work]
    sweeping = loop.create_task(gate.sweep())
    grpc_port = None if port is None else port.port
    _tell_ready(gate, options.host, server.sockets[0].getsockname()[1], grpc_port)
    await stop.wait()
    told.say("draining", connections=len(gate.connections))
    server.close()
    if port is not None:
        await port.close(gate.settings.drain_seconds)
    for task in tasks:
        task.cancel()
    durable = await gate.drain()
    sweeping.cancel()
    events.say(gate.family.name, {"event": "ended", "records": gate.recorder.size})
    return 0 if durable else _give_up()


async def _listen(options: argparse.Namespace, gate: Gate) -> asyncio.Server:
    """Listen; several processes may share the port.

    Raises:
        StorageError: the port cannot be had.
    """
    loop, context = gate.loop, None
    try:
        if options.tls_cert is not None:
            context = tls.server_context(options.tls_cert, options.tls_key, options.client_ca)
            reload = partial(_reload, gate, context, options.tls_cert, options.tls_key)
            loop.add_signal_handler(signal.SIGHUP, reload)
        return await loop.create_server(
            lambda: ClientConnection(gate),
            options.host,
            options.port,
            backlog=1024,
            ssl=context,
            ssl_handshake_timeout=None if context is None else HANDSHAKE_SECONDS,
            reuse_port=options.only is not None or None,
        )
    except OSError as error:
        gate.recorder.close()
        raise StorageError(_explain(error, options)) from error
    except GovernError:
        gate.recorder.close()
        raise


async def _listen_grpc(options: argparse.Namespace, gate: Gate) -> GrpcPort | None:
    """Serve gRPC as well, where that is asked for.

    Raises:
        InvalidRequestError: the package for it is not installed.
        StorageError: the port cannot be had.
    """
    if options.grpc_port is None:
        return None
    try:
        from serving_gate import grpc_server
    except ImportError:
        raise InvalidRequestError("--grpc-port needs grpcio: install govern[grpc]") from None
    upstreams = dict(parse_upstream(text) for text in options.grpc_upstream)
    port = await grpc_server.listen(gate, options, upstreams)
    gate.grpc_channels = port.channels
    gate.renewals.append(port.certificate.renew)
    return port


def _reload(gate: Gate, context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Serve new connections with the certificate that the files hold now."""
    try:
        tls.load_pair(context, certificate, key)
    except InvalidRequestError as error:
        events.say(gate.family.name, {"event": "certificate stays", "why": str(error)})
        return
    for renew in gate.renewals:
        renew()


def _stop_event(options: argparse.Namespace, loop: asyncio.AbstractEventLoop) -> asyncio.Event:
    """Return what a signal sets; in a supervisor's child, also the supervisor's end."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if options.only is not None:
        loop.add_reader(0, stop.set)  # a pipe on which nothing comes but its end
    return stop


def _tell_ready(gate: Gate, host: str, port: int, grpc_port: int | None) -> None:
    ready = {
        "ready": True,
        "host": host,
        "port": port,
        "pid": os.getpid(),
        "origin": gate.recorder.origin,
        "records": gate.recorder.size,
    }
    if grpc_port is not None:
        ready["grpc_port"] = grpc_port
    print(orjson.dumps(ready).decode(), flush=True)


def _give_up() -> int:
    """End at once: threads that wait for the disk would keep the process for ever."""
    print("gate: the disk does not answer; the last records may be missing", file=sys.stderr)
    sys.stderr.flush()
    os._exit(1)


def _tune() -> None:
    """Hand the interpreter over quickly to the disk's thread, and collect garbage seldom.

    A request leaves no cycles behind; what lives now lives as long as the process.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_OBJECTS, 20, 20)


def build(options: argparse.Namespace, loop: asyncio.AbstractEventLoop) -> Gate:
    """Put a gate together from its options and the environment.

    Raises:
        GovernError: something needed is missing or malformed.
    """
    settings = Settings.from_environment(os.environ)
    home: Path = options.home
    name = options.only or options.names[0]
    folder = home / "gates" / name
    trust_path = options.trust or home / "trust.json"
    trust = TrustRoot.from_json(read_file(trust_path, "the trust file"))

    def current_signer(trust: TrustRoot) -> NoteSigner:
        return log_signer([options.key] if options.key else key_files(home / "keys", name), trust)

    signer = current_signer(trust)
    folder.mkdir(parents=True, exist_ok=True)
    keeper = SnapshotKeeper(
        folder / "snapshot.json",
        lambda document, now: open_snapshot(document, trusting.trust, now),
        stale_seconds=settings.snapshot_stale_seconds,
        fetcher=_fetcher(options),
    )
    recorder = Recorder(
        folder,
        signer,
        segment_bytes_max=settings.segment_bytes_max,
        earlier=[log.verifier for log in trust.log_keys(signer.name)],
    )

    def take_up(newer: TrustRoot) -> None:
        recorder.take_up(current_signer(newer))

    trusting = TrustKeeper(trust, trust_path.read_bytes, take_up, keeper.verify_again)
    keeper.load()
    upstreams = dict(parse_upstream(text) for text in options.upstream)
    return Gate(
        settings=settings,
        trust=trusting,
        recorder=recorder,
        snapshot=keeper,
        callers=Callers.load(options.callers or home / "gates" / options.names[0] / "callers.json"),
        pools=_pools(options, upstreams, settings, loop),
        family=Family(name, {other: home / "gates" / other for other in options.names}),
        loop=loop,
    )


def _pools(
    options: argparse.Namespace,
    upstreams: Mapping[str, Upstream],
    settings: Settings,
    loop: asyncio.AbstractEventLoop,
) -> dict[str, Pool]:
    """Return the connections to all upstreams; those with ``https`` share one context."""
    context = None
    if any(upstream.tls for upstream in upstreams.values()):
        context = tls.upstream_context(
            options.upstream_ca, options.upstream_cert, options.upstream_key
        )
    return {
        name: Pool(upstream, settings, loop, context if upstream.tls else None)
        for name, upstream in upstreams.items()
    }


def _teller(options: argparse.Namespace) -> Tell | None:
    if options.control_plane_token is None:
        return None
    token = read_file(options.control_plane_token, "the control plane's token")
    return teller(options.control_plane, token.decode("ascii", "replace").strip())


def _fetcher(options: argparse.Namespace):  # type: ignore[no-untyped-def]
    if options.snapshot_file is not None:
        return options.snapshot_file.read_bytes
    if options.control_plane is None:
        return None
    url = options.control_plane.rstrip("/") + "/api/v1/snapshot"
    return lambda: fetch(url)


def _explain(error: OSError, options: argparse.Namespace) -> str:
    if error.errno == 98 or "address already in use" in str(error):
        return f"port {options.port} on {options.host} is in use; choose another with --port"
    return f"cannot listen on {options.host}:{options.port}: {error.strerror or error}"


if __name__ == "__main__":
    sys.exit(main())
