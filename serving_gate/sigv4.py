"""AWS Signature Version 4 with keys that the gate issued, for SageMaker clients. Pure.

No secret is stored for a caller: it is derived from the gate's master secret and the access
key id. Signatures are good for five minutes around their time; ``host`` and every
``x-amz-…`` header must be signed, and the digest of the body is computed here, never believed.

Spec: AWS, "Create a signed AWS API request" (Signature Version 4).
It does not speak of S3, chunked uploads or presigned addresses.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from posixpath import normpath
from urllib.parse import quote

from serving_gate.heads import Headers, RequestHead

PREFIX = b"AWS4-HMAC-SHA256 "
SERVICE = "sagemaker"
SKEW_SECONDS = 300
_AUTHORIZATION = re.compile(
    rb"AWS4-HMAC-SHA256 +Credential=([A-Z0-9]{16,64})/([0-9]{8})/([a-z0-9-]{1,32})/([a-z0-9-]{1,32})"
    rb"/aws4_request, *SignedHeaders=([a-z0-9;_-]{1,2048}), *Signature=([0-9a-f]{64})"
)
_TIME = re.compile(rb"[0-9]{8}T[0-9]{6}Z")


@dataclass(frozen=True, slots=True)
class Signed:
    """What an ``Authorization`` header of this scheme says."""

    access_key: str
    date: str
    region: str
    service: str
    headers: tuple[bytes, ...]
    signature: str

    @property
    def scope(self) -> str:
        """What the signing key is good for."""
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


def parse(value: bytes) -> Signed | None:
    """Read an ``Authorization`` header, or return None where it has another form."""
    match = _AUTHORIZATION.fullmatch(value)
    if match is None:
        return None
    access_key, date, region, service, headers, signature = (
        item.decode() for item in match.groups()
    )
    names = tuple(headers.encode().split(b";"))
    return Signed(access_key, date, region, service, names, signature)


def derive_secret(master: bytes, access_key: str) -> str:
    """Return the secret access key of an access key id: 40 characters, 240 bits."""
    digest = hmac.digest(master, b"govern gate sigv4 " + access_key.encode(), hashlib.sha256)
    return b64encode(digest[:30]).decode()


def why_refused(
    head: RequestHead, body: bytes, signed: Signed, secret: str, now: float
) -> str | None:
    """Return why a signature is refused, or None where it is good.

    Args:
        head: the request's head as it was read.
        body: the request's body as it was received.
        signed: its ``Authorization`` header.
        secret: the secret access key that the access key id stands for.
        now: seconds since 1970.
    """
    at = head.fields.get(b"x-amz-date", b"")
    if not _TIME.fullmatch(at) or at[:8].decode() != signed.date:
        return "x-amz-date is missing, malformed or of another day than the credential"
    if abs(_seconds(at) - now) > SKEW_SECONDS:
        return f"the signature is more than {SKEW_SECONDS} seconds old or early"
    if signed.service != SERVICE:
        return f"the signature is for another service than {SERVICE}"
    unsigned = [name for name in head.fields if _must_sign(name) and name not in signed.headers]
    if unsigned:
        return f"the header {unsigned[0].decode()} is not signed"
    text = string_to_sign(signed, at.decode(), canonical_request(head, signed.headers, body))
    if not hmac.compare_digest(sign(secret, signed, text), signed.signature):
        return "the signature does not verify"
    return None


def _must_sign(name: bytes) -> bool:
    return name == b"host" or name.startswith(b"x-amz-")


def _seconds(at: bytes) -> float:
    try:
        return datetime.strptime(at.decode(), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return 0.0


def canonical_request(head: RequestHead, signed: Sequence[bytes], body: bytes) -> bytes:
    """Return the canonical request of the specification."""
    path, _, query = head.target.partition(b"?")
    pairs = sorted(query.split(b"&"), key=_name_and_value)
    lines = (
        head.method,
        _canonical_path(path),
        b"&".join(pairs),
        b"".join(_canonical_header(name, head.headers) for name in signed),
        b";".join(signed),
        hashlib.sha256(body).hexdigest().encode(),
    )
    return b"\n".join(lines)


def _name_and_value(pair: bytes) -> tuple[bytes, bytes]:
    name, _, value = pair.partition(b"=")
    return name, value


def _canonical_path(path: bytes) -> bytes:
    plain = normpath(path.decode("latin-1")).replace("//", "/")
    if path.endswith(b"/") and plain != "/":
        plain += "/"
    return quote(plain.encode("latin-1"), safe="/~").encode()


def _canonical_header(name: bytes, headers: Headers) -> bytes:
    values = [b" ".join(value.split()) for own, value in headers if own == name]
    return name + b":" + b",".join(values) + b"\n"


def string_to_sign(signed: Signed, at: str, canonical: bytes) -> str:
    """Return the string to sign of the specification."""
    digest = hashlib.sha256(canonical).hexdigest()
    return f"AWS4-HMAC-SHA256\n{at}\n{signed.scope}\n{digest}"


def sign(secret: str, signed: Signed, text: str) -> str:
    """Return the signature of a string to sign, in hexadecimal digits."""
    key = b"AWS4" + secret.encode()
    for part in (signed.date, signed.region, signed.service, "aws4_request"):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    return hmac.digest(key, text.encode(), hashlib.sha256).hex()
