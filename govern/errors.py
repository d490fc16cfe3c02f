"""Every error that govern raises.

The tree::

    GovernError                     exit code 1
    ├── VerificationError           evidence or a log does not verify
    │   ├── MalformedError          10  cannot be read as what it claims to be
    │   ├── SignatureError          11  a signature does not verify
    │   ├── UntrustedSignerError    12  signer not trusted, or not valid at the proven time
    │   │   └── RevokedKeyError         a key was revoked as of a time before the signature
    │   ├── LogError                13  the log itself
    │   │   ├── ProofError              an inclusion or consistency proof fails
    │   │   ├── CheckpointError         a checkpoint is not what it should be
    │   │   └── RollbackError           something older than what is already known
    │   ├── EvidenceError           14  missing, swapped or quoting other digests
    │   ├── ExpiredError            15  expired, suspended or revoked at the time asked about
    │   ├── CompletenessError       16  a gap, a cut head or tail
    │   ├── DigestMismatchError     17  bytes differ from the digest the evidence names
    │   └── ReplayError             18  replaying the decision gives another result
    ├── PolicyError                 a policy cannot be read or evaluated (not: a deny)
    ├── RefusedError                the answer is no; carries every reason
    ├── ServiceError                another service gave no answer, or refused
    ├── NotFoundError, ConflictError, InvalidRequestError
    ├── CandidateError              a model under check failed, or gave an answer that is none
    ├── MissingPartError            a system part is absent; the sentence says how to get it
    └── StorageError                durability is not assured

A denial is a value (``PolicyDecision``); a failure to decide is an exception.
"""

from __future__ import annotations

from collections.abc import Sequence


class GovernError(Exception):
    """Base of all errors raised on purpose; its text is one sentence for a person."""

    exit_code = 1


class VerificationError(GovernError):
    """Evidence or a log does not verify."""

    exit_code = 14


class MalformedError(VerificationError):
    """Bytes cannot be read as what they claim to be."""

    exit_code = 10


class SignatureError(VerificationError):
    """A signature does not verify."""

    exit_code = 11


class UntrustedSignerError(VerificationError):
    """A signer is not trusted, or a key or certificate was not valid at the proven time."""

    exit_code = 12


class RevokedKeyError(UntrustedSignerError):
    """Something rests on a key that was revoked as of a time before it was signed."""


class LogError(VerificationError):
    """The transparency log is inconsistent."""

    exit_code = 13


class ProofError(LogError):
    """An inclusion or consistency proof does not verify."""


class CheckpointError(LogError):
    """A checkpoint is not what it should be."""


class RollbackError(LogError):
    """Something older than what is already known was offered."""


class EvidenceError(VerificationError):
    """Evidence is missing, swapped, or quotes other digests."""

    exit_code = 14


class ExpiredError(VerificationError):
    """Expired, suspended or revoked at the time asked about."""

    exit_code = 15


class CompletenessError(VerificationError):
    """A gap, a cut head or tail, or counts that do not add up."""

    exit_code = 16


class DigestMismatchError(VerificationError):
    """A file's bytes differ from the digest that the evidence names."""

    exit_code = 17


class ReplayError(VerificationError):
    """Replaying the policy decision gives another result."""

    exit_code = 18


class PolicyError(GovernError):
    """A policy cannot be read or evaluated; this is not a denial."""


class ServiceError(GovernError):
    """A service that was asked gave no answer, or refused."""


class RefusedError(GovernError):
    """The answer is no.

    Args:
        message: the sentence shown to the person.
        reasons: every reason, most important first.
    """

    def __init__(self, message: str, reasons: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.reasons = tuple(reasons)


class NotFoundError(GovernError):
    """The thing asked for does not exist."""


class ConflictError(GovernError):
    """The request contradicts the present state."""


class InvalidRequestError(GovernError):
    """The request cannot be understood or exceeds a limit."""

    exit_code = 2


class CandidateError(GovernError):
    """A model under check failed, took too long, or gave an answer that is none."""


class MissingPartError(GovernError):
    """A system part is absent; the sentence says how to get it."""


class StorageError(GovernError):
    """Durability is not assured."""
