"""Which report is wanted: kinds and languages, and what their files are called. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from govern.errors import InvalidRequestError

REPORT_KINDS = {
    "model-audit": "report",
    "bias-audit": "bias-audit",
    "technical-documentation": "technical-documentation",
}
"""Each kind of report, and what its file is called."""
REPORT_LANGUAGES = ("en", "de")


@dataclass(frozen=True, slots=True)
class ReportForm:
    """Which report is wanted.

    Args:
        kind: a key of ``REPORT_KINDS``.
        language: one of ``REPORT_LANGUAGES``.

    Raises:
        InvalidRequestError: there is no such kind or language.
    """

    kind: str = "model-audit"
    language: str = "en"

    def __post_init__(self) -> None:
        for what, value, known in (
            ("report", self.kind, REPORT_KINDS),
            ("report language", self.language, REPORT_LANGUAGES),
        ):
            if value not in known:
                there = ", ".join(known)
                raise InvalidRequestError(f"no {what} {value!r:.40}; there are: {there}")

    @property
    def name(self) -> str:
        """What the file is called, without its ending."""
        name = REPORT_KINDS[self.kind]
        return name if self.language == "en" else f"{name}-{self.language}"
