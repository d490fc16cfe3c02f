"""The gate's command line: names, files, addresses. Numbers that steer it are in ``settings.py``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from govern.errors import InvalidRequestError

NAMES_MAX = 64


def parser() -> argparse.ArgumentParser:
    """Return the parser of ``python -m serving_gate``."""
    made = argparse.ArgumentParser(
        prog="serving_gate",
        description="Run a govern gate; several names run one process each on one port.",
        epilog="example: python -m serving_gate --home demo --name demo --port 8181 "
        "--control-plane http://127.0.0.1:8080 --upstream iris=http://127.0.0.1:9000",
    )
    made.add_argument("--home", type=Path, required=True, help="GOVERN_HOME")
    made.add_argument(
        "--name",
        action="append",
        required=True,
        dest="names",
        help="a gate's name, such as demo; each further one is a process of its own, with its log",
    )
    made.add_argument("--control-plane", help="base URL of the control plane")
    made.add_argument(
        "--control-plane-token", type=Path, help="file with a token to suspend admissions with"
    )
    made.add_argument("--snapshot-file", type=Path, help="read snapshots from a file instead")
    made.add_argument("--trust", type=Path, help="trust.json (default HOME/trust.json)")
    made.add_argument("--key", type=Path, help="log key (default HOME/keys/gate-NAME.key)")
    made.add_argument(
        "--callers", type=Path, help="callers file (default in the first gate's folder)"
    )
    made.add_argument("--host", default="127.0.0.1")
    made.add_argument("--port", type=int, default=8181, help="0 picks a free one")
    made.add_argument(
        "--upstream",
        action="append",
        default=[],
        metavar="DEPLOYMENT=URL",
        help="where a deployment is served; may be given several times",
    )
    made.add_argument("--grpc-port", type=int, help="serve gRPC too; 0 picks a free port")
    made.add_argument(
        "--grpc-upstream",
        action="append",
        default=[],
        metavar="DEPLOYMENT=URL",
        help="where a deployment is served over gRPC: http://HOST:PORT, or https:// with TLS",
    )
    _add_tls(made)
    made.add_argument("--only", help=argparse.SUPPRESS)  # a supervisor's child: one of the names
    return made


def _add_tls(made: argparse.ArgumentParser) -> None:
    group = made.add_argument_group("TLS", "files in PEM; a hang-up signal reads them again")
    group.add_argument("--tls-cert", type=Path, help="certificate chain to serve with")
    group.add_argument("--tls-key", type=Path, help="its key")
    group.add_argument("--client-ca", type=Path, help="who must have signed clients' certificates")
    group.add_argument("--upstream-ca", type=Path, help="who signed upstreams' (default: system's)")
    group.add_argument("--upstream-cert", type=Path, help="certificate to show to upstreams")
    group.add_argument("--upstream-key", type=Path, help="its key")


def read(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line; a combination without meaning ends with exit code 2."""
    made = parser()
    options = made.parse_args(arguments)
    if len(set(options.names)) != len(options.names) or len(options.names) > NAMES_MAX:
        made.error(f"--name is given at most {NAMES_MAX} times, each with another name")
    if options.key is not None and len(options.names) > 1:
        made.error("--key goes with one --name; several names have their keys in HOME/keys")
    if options.control_plane_token is not None and options.control_plane is None:
        made.error("--control-plane-token needs --control-plane")
    if options.grpc_upstream and options.grpc_port is None:
        made.error("--grpc-upstream needs --grpc-port")
    if options.grpc_port == 0 and len(options.names) > 1:
        made.error("several processes share a port: give --grpc-port a number")
    if options.only is not None and options.only not in options.names:
        made.error("--only is one of the names")
    if (options.tls_cert is None) != (options.tls_key is None):
        made.error("--tls-cert and --tls-key go together")
    if options.client_ca is not None and options.tls_cert is None:
        made.error("--client-ca needs --tls-cert and --tls-key")
    if (options.upstream_cert is None) != (options.upstream_key is None):
        made.error("--upstream-cert and --upstream-key go together")
    return options


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where a deployment is served."""

    host: str
    port: int
    tls: bool

    @property
    def url(self) -> str:
        """Its address."""
        return f"http{'s' if self.tls else ''}://{self.host}:{self.port}"


def parse_upstream(text: str) -> tuple[str, Upstream]:
    """Read ``DEPLOYMENT=http[s]://HOST[:PORT]``.

    Raises:
        InvalidRequestError: another form.
    """
    name, _, url = text.partition("=")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InvalidRequestError(f"not an upstream: {text[:100]!r}") from None
    known = parts.scheme in ("http", "https") and parts.hostname and parts.path in ("", "/")
    if not name or not known or parts.query or parts.username:
        raise InvalidRequestError(f"an upstream is DEPLOYMENT=http://HOST:PORT, got {text[:100]!r}")
    tls = parts.scheme == "https"
    return name, Upstream(str(parts.hostname), port or (443 if tls else 80), tls)
