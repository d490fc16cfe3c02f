"""What a verification established, and what it could not: sentences, and counts for machines."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Proved:
    """The outcome of a verification that found nothing wrong.

    Attributes:
        sentences: what was proved, in the order of the steps.
        unproved: what the input could not prove, and what would.
        counts: how many of what, by a stable name (docs/reference/verify.md).
    """

    sentences: list[str] = field(default_factory=list)
    unproved: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def say(self, sentence: str, **counts: int) -> None:
        """Add a sentence; counts of the same name add up."""
        self.sentences.append(sentence)
        for name, count in counts.items():
            self.counts[name] = self.counts.get(name, 0) + count

    def cannot(self, sentence: str) -> None:
        """Add something that stays unproved, once."""
        if sentence not in self.unproved:
            self.unproved.append(sentence)

    def join(self, other: Proved, *, sentences: bool = True) -> None:
        """Take over what ``other`` says; without its sentences, only what it could not prove."""
        if sentences:
            self.sentences += other.sentences
        for sentence in other.unproved:
            self.cannot(sentence)
