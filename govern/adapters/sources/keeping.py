"""Keep a data set's bytes for dossiers, if they are still the bytes that the source named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from govern.adapters.blobs_files import BlobFiles
from govern.domain.source_run import Bytes
from govern.errors import DigestMismatchError, StorageError


def keep_in(blobs: BlobFiles) -> Callable[[Bytes], str | None]:
    """Return what keeps a data set's files in a home; it returns why it could not, or None."""

    def keep(item: Bytes) -> str | None:
        if item.path is None:
            return "the source does not say where it lies"
        base = Path(item.path)
        try:
            for name, digest in item.files:
                blobs.put_file(base if base.is_file() else base / name, digest)
        except DigestMismatchError:
            return "its bytes are no longer those that the run read"
        except (OSError, StorageError):
            return "its files cannot be read any more"
        return None

    return keep
