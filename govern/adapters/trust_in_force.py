"""Watch ``trust.json``: a newer file is taken up while a process runs, an older one never.

Looking costs one ``stat``. A file that does not follow the one in use
(``govern.transparency.succession``) is refused with a sentence at every look, so that a
service with it in force does nothing rather than go on under keys that were replaced.
"""

from __future__ import annotations

from pathlib import Path

from govern.errors import StorageError
from govern.transparency.succession import check_chain_of_files
from govern.transparency.trust import TrustRoot

_Mark = tuple[int, int, int]


class TrustInForce:
    """The trust file of a home, as last taken up.

    Args:
        path: ``trust.json``; earlier versions lie beside it in ``trust/N.json``.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mark = self._look()
        self.trust = TrustRoot.from_json(self._read(path))

    def newer(self) -> TrustRoot | None:
        """Return the file in force if it is newer than the one in use; then it is in use.

        Raises:
            StorageError: it is gone or cannot be read.
            VerificationError: it does not follow the one in use: rolled back, or another root.
        """
        mark = self._look()
        if mark == self._mark:
            return None
        found = TrustRoot.from_json(self._read(self._path))
        if found.raw == self.trust.raw:
            self._mark = mark
            return None
        check_chain_of_files([self.trust, *self._between(found), found])
        self._mark, self.trust = mark, found
        return found

    def _between(self, found: TrustRoot) -> list[TrustRoot]:
        """The versions passed over: needed where the root itself was rotated."""
        numbers = range(self.trust.version + 1, found.version)
        files = [self._path.parent / "trust" / f"{number}.json" for number in numbers]
        return [TrustRoot.from_json(self._read(file)) for file in files if file.exists()]

    def _look(self) -> _Mark:
        try:
            found = self._path.stat()
        except OSError as error:
            raise StorageError(f"the trust file cannot be read: {error.strerror}") from None
        return found.st_mtime_ns, found.st_size, found.st_ino

    @staticmethod
    def _read(path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise StorageError(f"the trust file cannot be read: {error.strerror}") from None
