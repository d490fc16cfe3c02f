"""Turn a claim into a logged statement: sign, timestamp, sequence, integrate, publish, index.

The order, and what a stop leaves behind at each step:

1. build the payload and sign it with a key that lives for this one signature: nothing;
2. have the timestamp authority see the signature: nothing;
3. append to the lineage log, which sequences, integrates, keeps the verified bundle beside
   the entry, and publishes: from here on the statement stands. Its author, told otherwise,
   retries, and the log holds the claim twice, harmless;
4. index the bundle in the database: complete. A stop before it leaves a statement that the
   index lacks; ``govern.services.indexing`` adds it when the home is next opened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from cryptography import x509

from govern.domain.voiding import counts, named
from govern.errors import RevokedKeyError, StorageError, VerificationError
from govern.transparency.bundle import LogProof, entry_body, write_bundle
from govern.transparency.statement import make_statement
from govern.transparency.trust import TrustRoot
from govern.transparency.verify import VerifiedStatement, examine_bundle, verify_bundle

RENEWALS_MAX = 3


class _KeysChangedError(Exception):
    """The keys were changed between signing and publishing; sign again."""


class Signing(Protocol):
    """Signs for a person or service whose identity has been established."""

    def sign(
        self, payload: bytes, identity: str, now: datetime
    ) -> tuple[dict[str, Any], x509.Certificate, bytes]:
        """Return envelope, short-lived certificate and RFC 3161 timestamp."""


class Log(Protocol):
    """An append-only log; an entry is durable and published once ``append`` returns."""

    def append(
        self,
        entries: Sequence[bytes],
        keep: Callable[[Sequence[LogProof]], Sequence[bytes]] | None = None,
    ) -> list[LogProof]:
        """Append and return where each entry stands; ``keep`` makes the bundles beside them."""

    def checkpoint_note(self) -> str:
        """Return the published checkpoint, as signed."""


class StatementStore(Protocol):
    """Keeps bundles; a row is the exact bytes plus index columns."""

    def put_statement(self, statement: VerifiedStatement) -> None:
        """Store a bundle durably; storing the same one again changes nothing."""

    def bundles_by_subject(self, digest: str) -> list[bytes]:
        """Return the bundles that have ``digest`` among their subjects."""

    def bundle(self, digest: str) -> bytes | None:
        """Return the bundle of a statement digest."""

    def bundles(self, predicate_type: str | None = None) -> list[bytes]:
        """Return all bundles (of one predicate type), oldest first."""


class Recorder:
    """Records statements, and reads them back verified.

    Args:
        renew: takes up a newer trust file where one is in force, and says whether it did;
            it calls ``take_up``. What is recorded is verified under the file in force.
    """

    def __init__(
        self,
        *,
        signing: Signing,
        log: Log,
        store: StatementStore,
        trust: TrustRoot,
        clock: Callable[[], datetime],
        renew: Callable[[], bool] = lambda: False,
    ) -> None:
        self.trust = trust
        self.clock = clock
        self.renew = renew
        self._signing = signing
        self._log = log
        self._store = store
        self._verified: dict[bytes, VerifiedStatement] = {}

    def take_up(self, trust: TrustRoot) -> None:
        """Believe a newer trust file; what the older one verified is verified again."""
        self.trust, self._verified = trust, {}

    def record(
        self,
        predicate_type: str,
        subjects: Sequence[tuple[str, str]],
        predicate: Mapping[str, Any],
        *,
        signer: str,
        permit: Callable[[], None] = lambda: None,
    ) -> VerifiedStatement:
        """Record one claim by ``signer`` (an e-mail address) and return it verified.

        Args:
            permit: asked while the log is locked, before anything is published: between its
                answer and the entry nobody else can append. What it raises leaves the log as
                it was.

        Raises:
            VerificationError: what was signed does not verify under the trust file in force.
            StorageError: it cannot be made durable, or the keys keep changing.
        """
        payload = make_statement(predicate_type, subjects, predicate)
        for _ in range(RENEWALS_MAX):
            self.renew()
            try:
                return self._record(payload, signer, permit)
            except _KeysChangedError:
                continue
            except VerificationError:
                if not self.renew():
                    raise
        raise StorageError("the keys are being changed just now; try again")

    def _record(self, payload: bytes, signer: str, permit: Callable[[], None]) -> VerifiedStatement:
        trust = self.trust
        envelope, certificate, timestamp = self._signing.sign(payload, signer, self.clock())
        made: list[VerifiedStatement] = []

        def keep(proofs: Sequence[LogProof]) -> list[bytes]:
            """Run under the log's lock, which a change of keys takes too."""
            self.renew()
            if self.trust is not trust:
                raise _KeysChangedError
            permit()
            bundle = write_bundle(envelope, certificate, timestamp, proofs[0])
            made.append(verify_bundle(bundle, self.trust))
            return [bundle]

        self._log.append([entry_body(envelope, certificate)], keep)
        (verified,) = made
        self._store.put_statement(verified)
        self._verified[verified.bundle] = verified
        return verified

    def verified(self, bundle: bytes) -> VerifiedStatement:
        """Verify a stored bundle; bytes verified once in this process are not verified again.

        Raises:
            VerificationError: it does not verify; what is void verifies, and says so.
        """
        found = self._verified.get(bundle)
        if found is None:
            found = self._verified[bundle] = examine_bundle(bundle, self.trust)
        return found

    def about(self, *subjects: str) -> list[VerifiedStatement]:
        """Return every statement about these digests that counts."""
        return [item for item in self.every_about(*subjects) if counts(item)]

    def every_about(self, *subjects: str) -> list[VerifiedStatement]:
        """Return every statement about these digests, the void ones too."""
        return [
            self.verified(bundle)
            for subject in subjects
            for bundle in self._store.bundles_by_subject(subject)
        ]

    def all(self, predicate_type: str | None = None) -> list[VerifiedStatement]:
        """Return every statement that counts (of one predicate type)."""
        return [item for item in self.every(predicate_type) if counts(item)]

    def every(self, predicate_type: str | None = None) -> list[VerifiedStatement]:
        """Return every statement (of one predicate type), the void ones too.

        Raises:
            VerificationError: one does not verify under the trust file in force.
        """
        return [self.verified(bundle) for bundle in self._store.bundles(predicate_type)]

    def log_note(self) -> str:
        """Return the lineage log's published checkpoint, as signed."""
        return self._log.checkpoint_note()

    def void(self) -> list[VerifiedStatement]:
        """Return what a revoked key signed too late, in log order: named gaps."""
        found = [item for item in self.every() if item.void]
        return sorted(found, key=lambda item: item.log_index)

    def find(self, digest: str, *, void_too: bool = False) -> VerifiedStatement | None:
        """Return the statement with this digest, verified.

        Raises:
            RevokedKeyError: it is void, and not asked for as such.
        """
        bundle = self._store.bundle(digest)
        if bundle is None:
            return None
        found = self.verified(bundle)
        if not void_too and not counts(found):
            raise RevokedKeyError(f"{named(found)} is void: {found.void}")
        return found
