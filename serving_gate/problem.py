"""Refusals as RFC 9457 problem documents with a stable ``reason``. Pure.

``error`` repeats the sentence: clients of the Open Inference Protocol and of KServe V1
look for it there. Clients of SageMaker's runtime look for a header and ``message``
(docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html, "Errors";
smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html, "Operation error serialization").
Clients of OpenAI's API look for an object ``error``
(platform.openai.com/docs/guides/error-codes). gRPC statuses are in ``grpc_wire.py``.
"""

from __future__ import annotations

import orjson

CONTENT_TYPE = b"application/problem+json"
REASONS: dict[str, tuple[int, str]] = {
    "malformed-request": (400, "The request has no single meaning"),
    "refused-header": (400, "A header could select another model"),
    "refused-body": (400, "The body points at data that would not be on record"),
    "unauthenticated": (401, "A gate key is needed"),
    "caller-not-allowed": (403, "This caller may not use this deployment"),
    "not-admitted": (403, "The deployment is not admitted"),
    "suspended": (403, "The admission is suspended"),
    "revoked": (403, "The admission was revoked"),
    "expired": (403, "The admission has expired"),
    "digest-mismatch": (403, "The upstream serves another model than the admitted one"),
    "not-found": (404, "Nothing is served at this path"),
    "request-timeout": (408, "The request did not arrive in time"),
    "too-large": (413, "The request body is too large"),
    "rate-limited": (429, "Too many requests"),
    "upstream-failed": (502, "The upstream did not answer properly"),
    "upstream-timeout": (504, "The upstream did not answer in time"),
    "cannot-record": (503, "The answer cannot be recorded, so it is not given"),
    "stale-snapshot": (503, "What is admitted is not known freshly enough"),
    "not-ready": (503, "The gate is not ready"),
}

_SAGEMAKER = {
    400: "ValidationError",
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ValidationError",
    408: "ValidationError",
    413: "ValidationError",
    429: "ThrottlingException",
    502: "ModelError",
    503: "ServiceUnavailable",
    504: "ModelError",
}


def problem(
    reason: str, detail: str, status: int | None = None, kind: str | None = None
) -> tuple[int, bytes]:
    """Return status and body of a refusal.

    Args:
        reason: one of ``REASONS``.
        detail: a sentence about this case.
        status: another status than the reason's own.
        kind: the protocol that the caller speaks, one of ``protocols.KINDS``.
    """
    own, title = REASONS[reason]
    status = status or own
    body: dict[str, object] = {
        "type": f"urn:govern:gate:{reason}",
        "title": title,
        "status": status,
        "detail": detail,
        "reason": reason,
        "error": f"{reason}: {detail}",
        "message": f"{reason}: {detail}",
    }
    if kind == "openai":
        told = {"message": f"{reason}: {detail}", "type": "invalid_request_error"}
        body["error"] = {**told, "param": None, "code": reason}
    return status, orjson.dumps(body)


def dialect_lines(kind: str | None, status: int) -> bytes:
    """Return the header lines in which clients of a protocol look for what went wrong.

    Args:
        kind: one of ``protocols.KINDS``, or None where the path tells of none.
        status: the refusal's HTTP status.
    """
    if kind != "invocations":
        return b""
    return b"x-amzn-errortype: %s\r\n" % _SAGEMAKER.get(status, "InternalFailure").encode()


def answer_bytes(code: int, body: bytes, lines: bytes = b"", *, close: bool = False) -> bytes:
    """Return a whole answer that refuses.

    Args:
        code: the status.
        body: the problem document.
        lines: further header lines, each with its end.
        close: whether the connection ends with it.
    """
    if code == 401:
        lines += b"www-authenticate: Bearer\r\n"
    if close:
        lines += b"connection: close\r\n"
    head = b"HTTP/1.1 %d Refused\r\ncontent-type: %s\r\ncontent-length: %d\r\n%s\r\n"
    return head % (code, CONTENT_TYPE, len(body), lines) + body
