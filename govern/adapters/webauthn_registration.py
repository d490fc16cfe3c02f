"""Read what a browser sends when a passkey is made, by the webauthn library.

Source: W3C Web Authentication Level 3, section 7.1. ES256 alone; the user must have been
verified. What the authenticator says of itself is kept, and not held against vendors' lists.
"""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from webauthn import verify_registration_response
from webauthn.helpers import bytes_to_base64url, decode_credential_public_key
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.decode_credential_public_key import DecodedEC2PublicKey
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import CredentialDeviceType

from govern.errors import InvalidRequestError
from govern.services.ports import PasskeyRow
from govern.transparency.encoding import b64
from govern.transparency.signer import key_id, spki

ANSWER_CHARS_MAX = 64 << 10
CREDENTIAL_CHARS_MAX = 1024
NAME_CHARS_MAX = 200


def read_registration(
    answer: str, *, challenge: bytes, rp_id: str, origin: str, email: str, name: str, at: str
) -> PasskeyRow:
    """Return the passkey that a browser made.

    Args:
        answer: the browser's answer as JSON (RegistrationResponseJSON).
        challenge: what the page gave the browser.
        rp_id: the relying party's id.
        origin: the page's address.
        email: whose it is.
        name: what its owner calls it.
        at: when it was made.

    Raises:
        InvalidRequestError: the answer does not verify, is for another page, or the passkey
            is of a kind that cannot sign votes.
    """
    if len(answer) > ANSWER_CHARS_MAX:
        raise InvalidRequestError(f"a passkey's answer has at most {ANSWER_CHARS_MAX} characters")
    try:
        found = verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=rp_id,
            expected_origin=origin,
            require_user_verification=True,
            supported_pub_key_algs=[COSEAlgorithmIdentifier.ECDSA_SHA_256],
        )
        public = _public(decode_credential_public_key(found.credential_public_key))
    except (WebAuthnException, ValueError, KeyError, TypeError) as error:
        raise InvalidRequestError(f"this passkey cannot be taken: {error!s:.200}") from None
    credential = bytes_to_base64url(found.credential_id)
    if len(credential) > CREDENTIAL_CHARS_MAX:
        raise InvalidRequestError(
            f"a passkey's id has at most {CREDENTIAL_CHARS_MAX} characters of base64"
        )
    return PasskeyRow(
        key_id=key_id(public),
        email=email,
        name=name[:NAME_CHARS_MAX],
        credential=credential,
        public_key=b64(spki(public)),
        rp_id=rp_id,
        origin=origin,
        device_bound=found.credential_device_type is CredentialDeviceType.SINGLE_DEVICE,
        aaguid=str(found.aaguid),
        attestation=str(found.fmt)[:32],
        created_at=at,
    )


def _public(decoded: Any) -> ec.EllipticCurvePublicKey:
    if not isinstance(decoded, DecodedEC2PublicKey):
        raise InvalidRequestError("a passkey that signs votes is ECDSA on P-256 (ES256)")
    x, y = (int.from_bytes(part, "big") for part in (decoded.x, decoded.y))
    return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
