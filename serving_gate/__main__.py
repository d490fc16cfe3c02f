"""``python -m serving_gate``: run one gate process until SIGTERM.

Prints one line of JSON with the address once it is ready to take connections.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import signal
import sys
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from govern.domain.snapshot import open_snapshot
from govern.errors import GovernError, InvalidRequestError, StorageError
from govern.transparency.note import NoteSigner
from govern.transparency.trust import TrustRoot
from serving_gate.anchoring import Anchors
from serving_gate.callers import Callers
from serving_gate.gate import Gate
from serving_gate.recorder import Recorder
from serving_gate.server import ClientConnection
from serving_gate.settings import Settings
from serving_gate.snapshot import SnapshotKeeper, fetch

SWITCH_SECONDS = 0.0005
COLLECT_OBJECTS = 50_000


def main(arguments: list[str] | None = None) -> int:
    """Run; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return uvloop.run(run(options))
    except GovernError as error:
        print(f"gate: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"gate: {_explain(error, options)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="serving_gate", description="Run a govern gate.")
    parser.add_argument("--home", type=Path, required=True, help="GOVERN_HOME")
    parser.add_argument("--name", required=True, help="the gate's name, such as demo")
    parser.add_argument("--control-plane", help="base URL of the control plane")
    parser.add_argument("--snapshot-file", type=Path, help="read snapshots from a file instead")
    parser.add_argument("--trust", type=Path, help="trust.json (default HOME/trust.json)")
    parser.add_argument("--key", type=Path, help="log key (default HOME/keys/gate-NAME.key)")
    parser.add_argument("--callers", type=Path, help="callers file (default in the gate's folder)")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8181, help="0 picks a free one")
    parser.add_argument(
        "--upstream",
        action="append",
        default=[],
        metavar="DEPLOYMENT=URL",
        help="where a deployment is served; may be given several times",
    )
    return parser


async def run(options: argparse.Namespace) -> int:
    """Serve until a signal comes, then drain."""
    loop = asyncio.get_running_loop()
    gate = build(options, loop)
    _tune()
    try:
        server = await loop.create_server(
            lambda: ClientConnection(gate), options.host, options.port, backlog=1024
        )
    except OSError as error:
        gate.recorder.close()
        raise StorageError(_explain(error, options)) from error
    gate.recorder.start(loop)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await gate.snapshot.poll_once()
    await asyncio.to_thread(gate.callers.refresh)
    settings = gate.settings
    anchors = Anchors(gate.recorder, gate.snapshot.lineage)
    tasks = [
        loop.create_task(anchors.write_every(settings.snapshot_poll_seconds)),
        loop.create_task(gate.snapshot.poll(settings.snapshot_poll_seconds)),
        loop.create_task(gate.recorder.publish_every(settings.publish_seconds)),
        loop.create_task(gate.refresh_callers()),
    ]
    sweeping = loop.create_task(gate.sweep())
    port = server.sockets[0].getsockname()[1]
    ready = {
        "ready": True,
        "host": options.host,
        "port": port,
        "pid": os.getpid(),
        "origin": gate.recorder.origin,
        "records": gate.recorder.size,
    }
    print(orjson.dumps(ready).decode(), flush=True)
    await stop.wait()
    server.close()
    for task in tasks:
        task.cancel()
    durable = await gate.drain()
    sweeping.cancel()
    return 0 if durable else _give_up()


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
    folder = home / "gates" / options.name
    trust = TrustRoot.from_json(_read(options.trust or home / "trust.json", "the trust file"))
    signer = log_signer(options.key or home / "keys" / f"gate-{options.name}.key", trust)
    folder.mkdir(parents=True, exist_ok=True)
    keeper = SnapshotKeeper(
        folder / "snapshot.json",
        lambda document, now: open_snapshot(document, trust, now),
        stale_seconds=settings.snapshot_stale_seconds,
        fetcher=_fetcher(options),
    )
    keeper.load()
    return Gate(
        settings=settings,
        recorder=Recorder(folder, signer, segment_bytes_max=settings.segment_bytes_max),
        snapshot=keeper,
        callers=Callers.load(options.callers or folder / "callers.json"),
        upstreams=dict(parse_upstream(text) for text in options.upstream),
        loop=loop,
    )


def _fetcher(options: argparse.Namespace):  # type: ignore[no-untyped-def]
    if options.snapshot_file is not None:
        return options.snapshot_file.read_bytes
    if options.control_plane is None:
        return None
    url = options.control_plane.rstrip("/") + "/api/v1/snapshot"
    return lambda: fetch(url)


def log_signer(path: Path, trust: TrustRoot) -> NoteSigner:
    """Return the gate's log key under the origin that the trust file gives it.

    Raises:
        InvalidRequestError: the key is not Ed25519, or no log in the trust file has it.
    """
    try:
        key = load_pem_private_key(_read(path, "the gate's log key"), None)
    except ValueError:
        raise InvalidRequestError(f"{path.name} is not a private key") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise InvalidRequestError(f"{path.name} is not an Ed25519 key")
    public = key.public_key().public_bytes_raw()
    for log in trust.logs:
        if log.kind == "gate" and log.verifier.public_key == public:
            return NoteSigner(log.origin, key)
    raise InvalidRequestError("the trust file names no gate log with this key")


def parse_upstream(text: str) -> tuple[str, tuple[str, int]]:
    """Read ``DEPLOYMENT=http://HOST:PORT``.

    Raises:
        InvalidRequestError: another form.
    """
    name, _, url = text.partition("=")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InvalidRequestError(f"not an upstream: {text[:100]!r}") from None
    if not name or parts.scheme != "http" or not parts.hostname or parts.path not in ("", "/"):
        raise InvalidRequestError(f"an upstream is DEPLOYMENT=http://HOST:PORT, got {text[:100]!r}")
    return name, (parts.hostname, port or 80)


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidRequestError(f"{what} cannot be read: {path}: {error.strerror}") from None


def _explain(error: OSError, options: argparse.Namespace) -> str:
    if error.errno == 98 or "address already in use" in str(error):
        return f"port {options.port} on {options.host} is in use; choose another with --port"
    return f"cannot listen on {options.host}:{options.port}: {error.strerror or error}"


if __name__ == "__main__":
    sys.exit(main())
