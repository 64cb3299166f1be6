"""Choices that depend on the words given and on nothing else, so every machine invents the same."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """A small supply of choices (512 bits: about eighty picks out of a hundred)."""

    __slots__ = ("_bits",)

    def __init__(self, *words: object) -> None:
        text = "/".join(map(str, words))
        self._bits = int.from_bytes(blake2b(text.encode()).digest(), "big")

    def below(self, limit: int) -> int:
        """Return a number from 0 to `limit` - 1."""
        self._bits, chosen = divmod(self._bits, limit)
        return chosen

    def low(self, limit: int) -> int:
        """Return a number below `limit`, the low ones far more often, as customers are spread."""
        return self.below(limit) * self.below(limit) // limit

    def pick(self, options: Sequence[T]) -> T:
        """Return one of `options`."""
        return options[self.below(len(options))]

    def one_in(self, count: int) -> bool:
        """Return True once in `count` times."""
        return self.below(count) == 0


def identity(*words: object, legacy: bool = False) -> str:
    """Return an id made from `words`: a UUID, or a 24-digit ObjectId as old records have."""
    text = "/".join(map(str, words))
    digits = blake2b(text.encode(), digest_size=16).hexdigest()
    if legacy:
        return digits[:24]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def timed_identity(at_ms: int, *words: object) -> str:
    """Return a UUID of version 7: it begins with its time, so that later ones sort behind."""
    text = "/".join(map(str, words))
    digits = blake2b(text.encode(), digest_size=16).hexdigest()
    moment = f"{at_ms:012x}"
    return f"{moment[:8]}-{moment[8:]}-7{digits[:3]}-a{digits[3:6]}-{digits[6:18]}"
