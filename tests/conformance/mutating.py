"""Small random changes of genuine bytes, the same ones for the same seed."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator

Change = Callable[[random.Random, bytearray], None]


def flip(dice: random.Random, data: bytearray) -> None:
    """Turn one bit."""
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def put(dice: random.Random, data: bytearray) -> None:
    """Replace one byte by any other."""
    at = dice.randrange(len(data))
    data[at] = (data[at] + dice.randrange(1, 256)) % 256


def delete(dice: random.Random, data: bytearray) -> None:
    """Take one byte out."""
    del data[dice.randrange(len(data))]


def insert(dice: random.Random, data: bytearray) -> None:
    """Put any byte anywhere, the ends included."""
    data.insert(dice.randrange(len(data) + 1), dice.randrange(256))


def swap(dice: random.Random, data: bytearray) -> None:
    """Exchange two bytes."""
    one, two = dice.randrange(len(data)), dice.randrange(len(data))
    data[one], data[two] = data[two], data[one]


CHANGES: tuple[Change, ...] = (flip, put, delete, insert, swap)


def mutants(data: bytes, seed: str, count: int) -> Iterator[tuple[str, bytes]]:
    """Yield ``count`` changed copies of ``data``, none equal to it, each with what was done."""
    dice = random.Random(seed)
    for turn in range(count):
        change = CHANGES[turn % len(CHANGES)]
        changed = bytearray(data)
        while changed == data:
            change(dice, changed)
        yield f"{change.__name__}, {seed}, turn {turn}", bytes(changed)


def kind_of(name: str) -> str:
    """Return what kind of a dossier's file a name is: digits and digests left out."""
    return re.sub(r"[0-9a-f]{64}", "DIGEST", re.sub(r"\b\d+\b", "N", name))


def one_of_each(names: Iterable[str], seed: str) -> dict[str, str]:
    """Return one name of each kind, chosen by the seed."""
    kinds: dict[str, list[str]] = {}
    for name in sorted(names):
        kinds.setdefault(kind_of(name), []).append(name)
    dice = random.Random(seed)
    return {kind: dice.choice(found) for kind, found in kinds.items()}
