"""A candidate's server asked by gRPC: the Open Inference Protocol's ``ModelInfer``.

A request is asked again a few times where the server was busy or away, never where it said no.
"""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import SplitResult

from govern.adapters.candidates.infer_messages import METHOD, message_class
from govern.errors import CandidateError, MissingPartError

WORDS_CHARS_MAX = 160
_AGAIN = ("UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED", "ABORTED")


class GrpcClient:
    """Calls ``ModelInfer`` on one server, over one channel.

    Args:
        url: ``grpc://HOST:PORT`` or, with TLS, ``grpcs://HOST:PORT``.
        seconds: for one request.
        attempts_max: how often a busy server is asked.
        wait_seconds: before the second attempt; it doubles.
        answer_bytes_max: longest answer that is taken.
    """

    def __init__(
        self,
        url: SplitResult,
        seconds: float,
        *,
        attempts_max: int,
        wait_seconds: float,
        answer_bytes_max: int,
    ) -> None:
        try:
            import grpc
        except ModuleNotFoundError:
            raise MissingPartError(
                "grpc is not installed here; install govern[grpc] on the worker"
            ) from None
        self._grpc, self._seconds, self._wait = grpc, seconds, wait_seconds
        self._attempts_max = attempts_max
        where = f"{url.hostname}:{url.port or 8001}"
        options = [
            ("grpc.max_receive_message_length", answer_bytes_max),
            ("grpc.max_send_message_length", -1),
            ("grpc.enable_retries", 0),
        ]
        self._channel = (
            grpc.secure_channel(where, grpc.ssl_channel_credentials(), options)
            if url.scheme == "grpcs"
            else grpc.insecure_channel(where, options)
        )
        response = message_class("ModelInferResponse")
        self._call = self._channel.unary_unary(
            METHOD,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=response.FromString,
        )
        self.requests = self.retries = 0
        self.software = ""

    def post(self, path: str, body: Any) -> Any:
        """Return the ``ModelInferResponse`` to a request; ``path`` is not used.

        Raises:
            CandidateError: no answer in time, a refusal, too long, or no such message.
        """
        why = ""
        for attempt in range(self._attempts_max):
            if attempt:
                self.retries += 1
                time.sleep(self._wait * 2**attempt)
            self.requests += 1
            try:
                return self._call(body, timeout=self._seconds)
            except self._grpc.RpcError as error:
                code = error.code().name
                why = f"{code}: {error.details() or ''}"[:WORDS_CHARS_MAX]
                if code not in _AGAIN or "larger than max" in why:
                    raise CandidateError(f"the candidate's server refused: {why}") from None
        raise CandidateError(
            f"the candidate's server did not answer in {self._attempts_max} attempts: {why}"
        )

    def counted(self) -> dict[str, Any]:
        """Return what was asked so far; a gRPC server does not say what it is."""
        return {"requests": self.requests, "retries": self.retries, "server": self.software}

    def close(self) -> None:
        """End the channel."""
        self._channel.close()
