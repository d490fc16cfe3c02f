"""Open a candidate for checks: read its card, refuse what is unsafe, start its process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from govern.adapters.candidates.card import Card
from govern.adapters.candidates.formats import CARD, refuse_unsafe, require_files
from govern.adapters.candidates.mlflow_folders import unfolded
from govern.adapters.candidates.process import Limits, SandboxedModel, watch_nothing
from govern.adapters.candidates.remote import RemoteModel
from govern.checks.tasks import BINARY, Task
from govern.errors import CandidateError, InvalidRequestError

Candidate = SandboxedModel | RemoteModel


def open_candidate(
    files: Mapping[str, bytes],
    *,
    limits: Limits | None = None,
    device: str = "",
    precision: str = "",
) -> Candidate:
    """Start a candidate's process, or connect to its server.

    Args:
        files: the candidate folder, by file name.
        limits: what it may use.
        device: ``cpu`` or ``cuda``; what the card asks for, else CUDA where it is.
        precision: ``float32`` or ``bfloat16``; what the card asks for where it is empty.

    Raises:
        InvalidRequestError: the folder is not a candidate, with what to do instead.
        CandidateError: it does not load.
    """
    refuse_unsafe(files)
    if CARD not in files:
        raise InvalidRequestError(f"a candidate folder has a card, {CARD}")
    card = Card.read(files[CARD])
    require_files(card.format, files)
    if card.format == "remote":
        return RemoteModel(card)
    if card.format == "mlflow":
        card, files = unfolded(card, files)
    return SandboxedModel(card, files, limits=limits, device=device, precision=precision)


class FailedModel:
    """A candidate that does not load: every batch gives the sentence why.

    Args:
        why: the sentence.
        task: what its card declares.
    """

    def __init__(self, why: CandidateError, task: Task = BINARY) -> None:
        self.columns: list[str] = []
        self.protected: list[str] = []
        self.task = task
        self.device: dict[str, object] = {"kind": "none", "reason": str(why)}
        self.watch: Callable[[int], None] = watch_nothing
        self._why = why

    def stop(self) -> None:
        """Stop nothing."""

    def predict(
        self, rows: np.ndarray, protected: Mapping[str, Any] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Raise why.

        Raises:
            CandidateError: always.
        """
        raise self._why


class WarmCandidates:
    """The candidate checked last, kept warm, so that libraries are imported once.

    Args:
        limits: what a candidate may use.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits
        self._digest: str | None = None
        self._model: Candidate | None = None

    def open(
        self, digest: str, files: Callable[[], Mapping[str, bytes]]
    ) -> Candidate | FailedModel:
        """Return the process of a candidate: the warm one, or a new one.

        Args:
            digest: the candidate's digest.
            files: returns its folder, by file name; not called for the warm one.

        Raises:
            InvalidRequestError: the folder is not a candidate.
        """
        if self._model is not None and self._digest == digest and self._model.alive:
            return self._model
        self.close()
        folder = files()
        try:
            self._model, self._digest = open_candidate(folder, limits=self._limits), digest
        except CandidateError as why:
            return FailedModel(why, Card.read(folder[CARD]).task)
        return self._model

    def close(self) -> None:
        """End the warm process, if there is one."""
        if self._model is not None:
            self._model.close()
        self._model = self._digest = None
