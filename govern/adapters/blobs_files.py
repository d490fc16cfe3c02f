"""Artifacts by digest, as files: ``sha256/ab/<hex>``."""

from __future__ import annotations

from pathlib import Path

from govern.adapters.files import copy_durably, write_durably
from govern.errors import DigestMismatchError, NotFoundError
from govern.transparency.digest import digest_of, hex_of


class BlobFiles:
    """A folder of immutable blobs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, data: bytes) -> str:
        """Store bytes and return their digest."""
        digest = digest_of(data)
        path = self._path(digest)
        if not path.exists():
            write_durably(path, data)
        return digest

    def put_file(self, source: Path, digest: str) -> None:
        """Store a file of this digest by copying it, a block at a time.

        Raises:
            DigestMismatchError: the file has changed meanwhile.
            StorageError: the file system refused.
        """
        path = self._path(digest)
        if not path.exists() and copy_durably(source, path) != digest:
            path.unlink()
            raise DigestMismatchError(f"{source.name} changed while it was stored")

    def get(self, digest: str) -> bytes:
        """Return the bytes of a digest.

        Raises:
            NotFoundError: it is not stored.
            DigestMismatchError: the stored bytes have changed.
        """
        try:
            data = self._path(digest).read_bytes()
        except FileNotFoundError:
            raise NotFoundError(f"no blob {digest}") from None
        if digest_of(data) != digest:
            raise DigestMismatchError(f"the stored bytes of {digest} have changed")
        return data

    def _path(self, digest: str) -> Path:
        name = hex_of(digest)
        return self.folder / "sha256" / name[:2] / name
