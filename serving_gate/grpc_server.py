"""The gate's gRPC port: a server that knows no messages, and channels to upstreams.

Any method reaches it; those that are not on the allow-list are refused on record. Needs the
package grpcio (``govern[grpc]``); a gate without ``--grpc-port`` never imports this module.
"""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from grpc import aio

from govern.errors import InvalidRequestError, StorageError
from serving_gate import grpc_calls, grpc_streams, grpc_wire
from serving_gate.gate import Gate
from serving_gate.grpc_calls import Context, GrpcCall, RefusedError
from serving_gate.log_keys import read_file
from serving_gate.options import Upstream

METADATA_BYTES_MAX = 32 << 10
ROOM = 2  # messages over the gate's own limit are refused on record up to this many times it


@dataclass(slots=True)
class Channel:
    """The connection to one deployment's upstream."""

    name: str
    channel: aio.Channel
    sent: int = 0


class GrpcService(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Handles every method: passes what is allowed, refuses the rest."""

    def __init__(self, gate: Gate, channels: Mapping[str, Channel]) -> None:
        self._gate = gate
        self._channels = channels

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        """Return the handler of a method; without (de)serialisers messages are bytes."""
        method = str(details.method)
        if method in grpc_wire.UNARY:
            return grpc.unary_unary_rpc_method_handler(self._answering(method))
        if method == grpc_wire.STREAM:
            return grpc.stream_stream_rpc_method_handler(self._streaming(method))
        if method in (grpc_wire.LIVE, grpc_wire.READY):
            return grpc.unary_unary_rpc_method_handler(self._health(method))
        return grpc.stream_stream_rpc_method_handler(self._denying(method))

    def _call(self, method: str, context: Context) -> GrpcCall:
        return GrpcCall(self._gate, self._channels.get, method, context)

    def _answering(self, method: str) -> Callable[[bytes, Context], Any]:
        async def answer(message: bytes, context: Context) -> bytes:
            return await grpc_calls.unary(self._call(method, context), message)

        return answer

    def _streaming(self, method: str) -> Callable[[AsyncIterator[bytes], Context], Any]:
        async def answer(messages: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
            async for piece in grpc_streams.stream(self._call(method, context), messages):
                yield piece

        return answer

    def _denying(self, method: str) -> Callable[[AsyncIterator[bytes], Context], Any]:
        async def refuse(messages: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
            error = RefusedError("not-found", "this gate serves inference methods only")
            await grpc_calls.refuse(self._call(method, context), error)
            yield b""  # never reached: the call has ended

        return refuse

    def _health(self, method: str) -> Callable[[bytes, Context], Any]:
        async def answer(message: bytes, context: Context) -> bytes:
            live = method == grpc_wire.LIVE or not self._gate.problems()
            return grpc_wire.TRUE if live else grpc_wire.FALSE

        return answer


class Certificate:
    """The certificate to serve with, read again for new connections after ``renew``."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._renewed = False

    def renew(self) -> None:
        """Serve new connections with what the files hold then."""
        self._renewed = True

    def credentials(self) -> grpc.ServerCredentials:
        """Return the server's credentials.

        Raises:
            InvalidRequestError: a file cannot be read.
        """
        wanted = self._options.client_ca is not None
        return grpc.dynamic_ssl_server_credentials(self._read(), self._fetch, wanted)

    def _fetch(self) -> Any:
        """Return another certificate, or None where the one in use stays; asked at handshakes."""
        if not self._renewed:
            return None
        self._renewed = False
        try:
            return self._read()
        except InvalidRequestError:
            return None

    def _read(self) -> Any:
        options = self._options
        key = read_file(options.tls_key, "the key")
        chain = read_file(options.tls_cert, "the certificate")
        return grpc.ssl_server_certificate_configuration(
            [(key, chain)], root_certificates=_optional(options.client_ca)
        )


class GrpcPort:
    """The listening server and its channels."""

    def __init__(
        self,
        server: aio.Server,
        port: int,
        channels: Mapping[str, Channel],
        certificate: Certificate,
    ) -> None:
        self.port, self.channels, self.certificate = port, channels, certificate
        self._server = server

    async def close(self, grace_seconds: float) -> None:
        """Take no more calls, finish those begun, and hang up."""
        await self._server.stop(grace_seconds)
        for item in self.channels.values():
            await item.channel.close()


async def listen(
    gate: Gate, options: argparse.Namespace, upstreams: Mapping[str, Upstream]
) -> GrpcPort:
    """Serve gRPC.

    Args:
        gate: whose rules hold.
        options: host, port and TLS files; see ``options.py``.
        upstreams: where each deployment speaks gRPC.

    Raises:
        InvalidRequestError: a TLS file cannot be read.
        StorageError: the port cannot be had.
    """
    limit = gate.settings.request_body_bytes_max
    server = aio.server(
        options=(
            ("grpc.max_receive_message_length", limit * ROOM),
            ("grpc.max_send_message_length", -1),
            ("grpc.max_metadata_size", METADATA_BYTES_MAX),
            ("grpc.so_reuseport", int(options.only is not None)),
        ),
        maximum_concurrent_rpcs=gate.settings.client_connections_max,
    )
    channels = _channels(options, upstreams, gate.settings.response_body_bytes_max)
    server.add_generic_rpc_handlers((GrpcService(gate, channels),))
    address, certificate = f"{options.host}:{options.grpc_port}", Certificate(options)
    try:
        if options.tls_cert is None:
            port = server.add_insecure_port(address)
        else:
            port = server.add_secure_port(address, certificate.credentials())
    except RuntimeError:
        raise StorageError(f"cannot listen for gRPC on {address}; choose another port") from None
    await server.start()
    return GrpcPort(server, port, channels, certificate)


def _channels(
    options: argparse.Namespace, upstreams: Mapping[str, Upstream], answer_bytes_max: int
) -> dict[str, Channel]:
    settings = (
        ("grpc.max_receive_message_length", answer_bytes_max),
        ("grpc.max_send_message_length", -1),
        ("grpc.enable_retries", 0),
        ("grpc.enable_http_proxy", 0),
    )
    found = {}
    for name, upstream in upstreams.items():
        target = f"{upstream.host}:{upstream.port}"
        if upstream.tls:
            channel = aio.secure_channel(target, _channel_credentials(options), options=settings)
        else:
            channel = aio.insecure_channel(target, options=settings)
        found[name] = Channel(f"grpc{'s' if upstream.tls else ''}://{target}", channel)
    return found


def _channel_credentials(options: argparse.Namespace) -> grpc.ChannelCredentials:
    ca, key = _optional(options.upstream_ca), _optional(options.upstream_key)
    return grpc.ssl_channel_credentials(ca, key, _optional(options.upstream_cert))


def _optional(path: Path | None) -> bytes | None:
    return None if path is None else read_file(path, "a TLS file")
