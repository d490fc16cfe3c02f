"""C2SP signed notes with Ed25519 keys.

A note is text ending in a newline, an empty line, and signature lines
``— <name> <base64(4-byte key id || signature)>``.
Source: c2sp.org/signed-note@v1.0.0 (algorithm 0x01 is Ed25519); a key of algorithm 0x04
signs cosignatures, which ``cosignature.py`` reads (c2sp.org/tlog-cosignature@v1.0.1).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from govern.errors import MalformedError, SignatureError
from govern.transparency.encoding import b64, unb64
from govern.transparency.signer import Signer, ed25519_public

NOTE_BYTES_MAX = 1 << 20
SIGNATURES_MAX = 16
ED25519 = b"\x01"
COSIGNATURE = b"\x04"
_DASH = "\u2014 "


def full_key_id(name: str, public_key: bytes, algorithm: bytes = ED25519) -> bytes:
    """Return the untruncated key id, SHA-256(name || LF || algorithm || public key)."""
    return hashlib.sha256(name.encode() + b"\n" + algorithm + public_key).digest()


@dataclass(frozen=True, slots=True)
class NoteVerifier:
    """A public key (32 bytes) that signs notes, or cosignatures, under a name."""

    name: str
    public_key: bytes
    algorithm: bytes = ED25519

    @classmethod
    def from_vkey(cls, text: str, algorithm: bytes = ED25519) -> NoteVerifier:
        """Read ``<name>+<8 hex>+<base64(algorithm || key)>``.

        Raises:
            MalformedError: another form, another algorithm, or a key id that does not match.
        """
        parts = text.split("+", 2)
        if len(parts) != 3 or not _is_name(parts[0]):
            raise MalformedError("a note verifier key has the form name+id+base64")
        data = unb64(parts[2], "note verifier key")
        if len(data) != 33 or data[:1] != algorithm:
            raise MalformedError(f"note verifier key is not Ed25519 of type 0x{algorithm.hex()}")
        verifier = cls(parts[0], data[1:], algorithm)
        if verifier.key_id.hex() != parts[1]:
            raise MalformedError("note verifier key id does not match its key")
        return verifier

    @property
    def key_id(self) -> bytes:
        """First four bytes of the full key id."""
        return full_key_id(self.name, self.public_key, self.algorithm)[:4]

    @property
    def vkey(self) -> str:
        """The key as text."""
        return f"{self.name}+{self.key_id.hex()}+{b64(self.algorithm + self.public_key)}"

    def accepts(self, text: bytes, signature: bytes) -> bool:
        """Say whether ``signature`` (64 bytes) signs ``text``."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, text)
        except (InvalidSignature, ValueError):
            return False
        return True


class NoteSigner:
    """An Ed25519 key that signs notes under a name."""

    def __init__(self, name: str, key: Signer) -> None:
        self.name = name
        self._key = key
        self.verifier = NoteVerifier(name, ed25519_public(key))

    @property
    def vkey(self) -> str:
        """The public half as text."""
        return self.verifier.vkey

    def sign(self, text: str) -> str:
        """Return the signed note.

        Raises:
            MalformedError: the text does not end in a newline.
        """
        if not text.endswith("\n"):
            raise MalformedError("a note's text ends with a newline")
        return f"{text}\n{signature_line(self.verifier, self._key.sign(text.encode()))}"


def signature_line(verifier: NoteVerifier, signature: bytes) -> str:
    """Return the note line of a signature, ending in a newline."""
    return f"{_DASH}{verifier.name} {b64(verifier.key_id + signature)}\n"


def note_text(note: str) -> str:
    """Return what a note's signatures cover, unverified.

    Raises:
        MalformedError: not a note.
    """
    return _split(note)[0]


def lines_and_note(data: bytes, what: str) -> tuple[list[str], str | None]:
    """Split what C2SP puts before a note: lines, an empty line, the note; nothing is verified.

    Returns:
        the lines, and the note, or None where there is no empty line.

    Raises:
        MalformedError: ``what`` is not text.
    """
    try:
        head, separator, note = data.decode("utf-8").partition("\n\n")
    except UnicodeDecodeError:
        raise MalformedError(f"the {what} is not text") from None
    return head.split("\n"), note if separator else None


def signature_lines(note: str) -> list[tuple[str, bytes, bytes]]:
    """Return name, key id (4 bytes) and signature of each line, unverified.

    Raises:
        MalformedError: not a note.
    """
    return [_parse_line(line) for line in _split(note)[1]]


def open_note(note: str, verifiers: Sequence[NoteVerifier]) -> tuple[str, list[str]]:
    """Verify a note.

    Args:
        note: the note as text.
        verifiers: keys to accept; lines by other keys are ignored, as the format asks.

    Returns:
        the signed text and the names of the keys that signed it, in order.

    Raises:
        MalformedError: not a note.
        SignatureError: a known key's line does not verify, or no known key signed.
    """
    text = note_text(note)
    known = {(verifier.name, verifier.key_id): verifier for verifier in verifiers}
    names: list[str] = []
    for name, key_id, signature in signature_lines(note):
        verifier = known.get((name, key_id))
        if verifier is None:
            continue
        if not verifier.accepts(text.encode(), signature):
            raise SignatureError(f"the signature of {name} on the note does not verify")
        if name not in names:
            names.append(name)
    if not names:
        raise SignatureError("no known key signed the note")
    return text, names


def _split(note: str) -> tuple[str, list[str]]:
    if len(note) > NOTE_BYTES_MAX:
        raise MalformedError(f"note is longer than {NOTE_BYTES_MAX} characters")
    head, separator, tail = note.rpartition("\n\n")
    if not separator or not tail.endswith("\n"):
        raise MalformedError("not a signed note: no empty line before the signatures")
    if any(ord(char) < 0x20 and char != "\n" for char in note):
        raise MalformedError("a note holds no control characters")
    lines = tail[:-1].split("\n")
    if len(lines) > SIGNATURES_MAX:
        raise MalformedError(f"note has more than {SIGNATURES_MAX} signatures")
    return head + "\n", lines


def _parse_line(line: str) -> tuple[str, bytes, bytes]:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space or not _is_name(name):
        raise MalformedError("not a note signature line")
    data = unb64(encoded, "note signature")
    if len(data) < 5:
        raise MalformedError("note signature is too short")
    return name, data[:4], data[4:]


def _is_name(name: str) -> bool:
    """Key names are not empty and hold neither spaces nor plus signs."""
    return bool(name) and "+" not in name and not any(char.isspace() for char in name)
