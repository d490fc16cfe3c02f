"""C2SP tlog-proof: index, inclusion proof and checkpoint of one entry, as one text.

It is verified offline with the log's key, the witnesses' keys and the entry. ``extra``
carries what is needed to recompute the leaf; nobody signed it, so it counts only after
its leaf hash was found in the tree.
Source: c2sp.org/tlog-proof (magic line ``c2sp.org/tlog-proof@v1``).
"""

from __future__ import annotations

from dataclasses import dataclass

from govern.errors import MalformedError
from govern.transparency.checkpoint import Checkpoint
from govern.transparency.encoding import b64, is_decimal, unb64
from govern.transparency.merkle import leaf_hash, verify_inclusion
from govern.transparency.note import lines_and_note, note_text

MAGIC = "c2sp.org/tlog-proof@v1"
PROOF_BYTES_MAX = 1 << 20
HASHES_MAX = 63


@dataclass(frozen=True, slots=True)
class TlogProof:
    """One entry's place in a log; ``extra`` is None where the line is left out."""

    index: int
    hashes: tuple[bytes, ...]
    note: str
    extra: bytes | None = None

    @property
    def origin(self) -> str:
        """The origin that the checkpoint names; not verified."""
        return note_text(self.note).partition("\n")[0]

    def text(self) -> str:
        """Return the file's text."""
        lines = [MAGIC]
        if self.extra is not None:
            lines.append(f"extra {b64(self.extra)}")
        lines += [f"index {self.index}", *map(b64, self.hashes)]
        return "\n".join(lines) + "\n\n" + self.note

    def check(self, entry: bytes, checkpoint: Checkpoint) -> None:
        """Refuse an entry (leaf data) that does not stand at the index under the checkpoint.

        Raises:
            ProofError: it does not.
        """
        verify_inclusion(
            index=self.index,
            size=checkpoint.size,
            leaf=leaf_hash(entry),
            proof=self.hashes,
            root=checkpoint.root,
        )


def parse_tlog_proof(data: bytes) -> TlogProof:
    """Read a ``.tlog-proof`` file; nothing in it is verified yet.

    Raises:
        MalformedError: another form, or over a limit.
    """
    if len(data) > PROOF_BYTES_MAX:
        raise MalformedError(f"a tlog-proof is at most {PROOF_BYTES_MAX} bytes long")
    (magic, *lines), note = lines_and_note(data, "tlog-proof")
    if magic != MAGIC or note is None:
        raise MalformedError(f"not a tlog-proof: expected {MAGIC} and an empty line")
    extra = None
    if lines and lines[0].startswith("extra "):
        extra = unb64(lines.pop(0)[6:], "extra")
    if not lines:
        raise MalformedError("the tlog-proof has no index")
    index = _index(lines.pop(0))
    if len(lines) > HASHES_MAX:
        raise MalformedError(f"a tlog-proof has at most {HASHES_MAX} hashes")
    return TlogProof(index, tuple(unb64(line, "proof hash") for line in lines), note, extra)


def _index(line: str) -> int:
    number = line.removeprefix("index ")
    if number == line or not is_decimal(number):
        raise MalformedError("the tlog-proof's index is malformed")
    return int(number)
