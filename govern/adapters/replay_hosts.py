"""Archived models as a replay asks them: opened from the blobs that the candidate names."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, Protocol

import numpy as np

from govern.adapters.candidates.asked import read_exchange
from govern.adapters.candidates.card import Card
from govern.adapters.candidates.formats import CARD
from govern.adapters.candidates.opening import Candidate, open_candidate
from govern.checks.replaying import Exchange


class Blobs(Protocol):
    """Bytes by digest."""

    def get(self, digest: str) -> bytes:
        """Return them; NotFoundError where there are none."""


class ArchivedModel:
    """One candidate in its sandbox, with the card that says how it is asked.

    Args:
        files: its folder, by file name.
        model: its running process.
    """

    def __init__(self, files: Mapping[str, bytes], model: Candidate) -> None:
        self.device: Mapping[str, Any] = model.device
        self.columns, self.protected, self.task = model.columns, model.protected, model.task
        self._card, self._model = Card.read(files[CARD]), model

    def read(self, path: str, request: bytes, response: bytes) -> Exchange:
        """Read an exchange; see ``read_exchange``."""
        return read_exchange(path, self._card, request, response)

    def predict(
        self, rows: np.ndarray, protected: Mapping[str, Any]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Answer rows; see ``SandboxedModel.predict``."""
        return self._model.predict(rows, protected)


def open_archived(
    stack: ExitStack, blobs: Blobs, listed: Mapping[str, str], device: str
) -> ArchivedModel:
    """Open a candidate; its process ends with ``stack``.

    Args:
        stack: closes it.
        blobs: the archive.
        listed: name and digest of each of its files.
        device: ``cpu``, ``cuda``, or empty for what its card asks for.

    Raises:
        NotFoundError: a file is not archived.
        InvalidRequestError, CandidateError: it cannot be opened.
    """
    files = {name: blobs.get(digest) for name, digest in listed.items()}
    model = open_candidate(files, device=device)
    stack.callback(model.close)
    return ArchivedModel(files, model)
