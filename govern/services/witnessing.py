"""Have witnesses cosign a log's checkpoint, online or by file, and trust a new witness.

The log's side of C2SP tlog-witness. What comes back is verified under the witness keys of
the trust file before it is kept; lines of others are dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from govern.errors import (
    CheckpointError,
    ConflictError,
    InvalidRequestError,
    ProofError,
    UntrustedSignerError,
)
from govern.transparency.checkpoint import open_checkpoint
from govern.transparency.cosignature import Cosignature, add_cosignatures, cosignatures
from govern.transparency.note import COSIGNATURE, NoteVerifier
from govern.transparency.signer import Signer
from govern.transparency.tree import Provable
from govern.transparency.trust import TrustRoot
from govern.transparency.trust_file import next_version, sign_trust
from govern.transparency.trust_parts import Window
from govern.transparency.witnessing import AddCheckpoint, Answer, parse_size

TRIES_MAX = 3


class WitnessedLog(Protocol):
    """A published log that keeps its cosigned checkpoint."""

    verifier: NoteVerifier

    def checkpoint_note(self) -> str:
        """Return the published checkpoint."""

    def cosigned_note(self) -> str | None:
        """Return the newest cosigned checkpoint."""

    def keep_cosigned(self, note: str) -> None:
        """Keep a cosigned checkpoint durably."""

    def tree(self, size: int | None = None) -> Provable:
        """Return the tree of the first ``size`` entries."""


def make_request(log: WitnessedLog, old_size: int | None = None) -> AddCheckpoint:
    """Return what to ask a witness about the published checkpoint.

    Args:
        log: the log.
        old_size: the size that the witness saw last; None: that of the newest cosigned
            checkpoint, or 0.

    Raises:
        InvalidRequestError: the log is shorter than ``old_size``.
    """
    note = log.checkpoint_note()
    size = open_checkpoint(note, log.verifier).size
    if old_size is None:
        known = log.cosigned_note()
        old_size = 0 if known is None else open_checkpoint(known, log.verifier).size
    if old_size > size:
        raise InvalidRequestError(f"the log has {size} entries; a witness cannot know {old_size}")
    return AddCheckpoint(old_size, tuple(log.tree(size).consistency(old_size, size)), note)


def accept_answer(
    log: WitnessedLog, request: AddCheckpoint, lines: str, trust: TrustRoot
) -> list[Cosignature]:
    """Verify a witness's signature lines over the checkpoint asked about, and keep them.

    Raises:
        SignatureError: a known witness's line does not verify.
        UntrustedSignerError: no witness of the trust file signed.
    """
    known = [witness.verifier for witness in trust.witnesses]
    found: list[Cosignature] = []
    kept = request.note
    for line in lines.splitlines():
        alone = add_cosignatures(request.note, f"{line}\n")
        seen = [item for item in cosignatures(alone, known) if line not in request.note]
        if seen:
            found += seen
            kept = add_cosignatures(kept, f"{line}\n")
    if not found:
        raise UntrustedSignerError(
            "no witness of the trust file signed the answer; add it with `govern log trust`"
        )
    log.keep_cosigned(kept)
    return found


def cosign_online(
    log: WitnessedLog, trust: TrustRoot, ask: Callable[[str], Answer]
) -> list[Cosignature]:
    """Ask a witness, from the size it knows, and keep its cosignature.

    Args:
        log: the log.
        trust: whose witnesses count.
        ask: sends an ``add-checkpoint`` body and returns the answer.

    Raises:
        ConflictError: the witness knows a longer log than is published here.
        ProofError: the witness saw another history: the log forked.
        CheckpointError: the witness refused for another reason.
    """
    old_size: int | None = None
    for _ in range(TRIES_MAX):
        request = make_request(log, old_size)
        answer = ask(request.text())
        if answer.status == 409:
            old_size = parse_size(answer.body)
            _require_not_behind(log, old_size)
            continue
        require_accepted(answer)
        return accept_answer(log, request, answer.body, trust)
    raise ConflictError("the witness's state kept moving; is another process cosigning? Try again")


def _require_not_behind(log: WitnessedLog, seen: int) -> None:
    size = open_checkpoint(log.checkpoint_note(), log.verifier).size
    if seen > size:
        raise ConflictError(
            f"the witness saw {seen} entries and {size} are published here: the log was rolled back"
        )


def require_accepted(answer: Answer) -> None:
    """Refuse an answer that is not a cosignature, in words for the log's operator.

    Raises:
        ConflictError: the witness knows another size.
        ProofError: the witness saw another history.
        CheckpointError: any other refusal.
    """
    if answer.status == 200:
        return
    if answer.status == 409:
        size = parse_size(answer.body)
        raise ConflictError(f"the witness knows size {size}; export again with --old-size {size}")
    said = " ".join(answer.body.split())[:200]
    if answer.status == 422:
        raise ProofError(f"the witness saw another history of this log: {said}")
    raise CheckpointError(f"the witness refused the checkpoint ({answer.status}): {said}")


def answer_text(answer: Answer) -> str:
    """Return an answer as a file for exchange: ``status N``, an empty line, the body."""
    return f"status {answer.status}\n\n{answer.body}"


def parse_answer(data: bytes) -> Answer:
    """Read an answer file.

    Raises:
        InvalidRequestError: another form.
    """
    head, separator, body = data.decode("utf-8", "replace").partition("\n\n")
    status = head.removeprefix("status ")
    if not separator or head != f"status {status}" or len(status) != 3 or not status.isdecimal():
        raise InvalidRequestError("not a witness's answer: expected `status N` and an empty line")
    return Answer(int(status), body)


def trust_witness(
    data: bytes, vkey: str, now: datetime, threshold: int | None, *, roots: Sequence[Signer]
) -> bytes:
    """Return the next trust file, with a witness added, valid from ``now`` on.

    Args:
        data: ``trust.json``.
        vkey: the witness's public key, a C2SP verifier key of type 0x04.
        now: start of its validity.
        threshold: how many witnesses verifiers shall ask for; None leaves it.
        roots: sign it, as many as must.

    Raises:
        MalformedError: not such a key.
        ConflictError: the key is there already.
        InvalidRequestError: more are asked for than there are.
    """
    verifier = NoteVerifier.from_vkey(vkey, COSIGNATURE)
    trust = TrustRoot.from_json(data)
    if any(item.verifier == verifier for item in trust.witnesses):
        raise ConflictError(f"the trust file names {verifier.name} with this key already")
    names = {item.verifier.name for item in trust.witnesses} | {verifier.name}
    wanted = trust.witness_threshold if threshold is None else threshold
    if not 0 <= wanted <= len(names):
        raise InvalidRequestError(f"{wanted} of {len(names)} witnesses cannot be asked for")
    value = next_version(data, now=now, reason=f"added witness {verifier.name}")
    valid = Window(now.replace(microsecond=0)).to_json()
    row = {"name": verifier.name, "vkey": vkey, "validFor": valid}
    value["witnesses"] = [*value.get("witnesses", []), row]
    value["thresholds"] = {**value["thresholds"], "witness": wanted}
    return sign_trust(value, roots)
