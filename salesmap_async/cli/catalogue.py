"""Says an English text of this program in another language, by a catalogue of whole sentences.

The layers below know one language: their errors and events go to logs, history and JSON as they
are. A screen looks up what it is about to show: the sentence that fits, whose values are put into
the other language's sentence, translated in their turn where they are sentences. What was written
down earlier, like the error of a run in the history, can so be shown too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_NUMBER = r"(?:[-+]?[\d,.:]+|-)"
_KINDS = {
    "option": r"--[\w-]+",
    "run": r"[\w.-]+",
    "span": r"\d+ (?:d|h|min|s)(?: \d+ (?:h|min|s))?",
}
"""Placeholders of these names stand for such texts only; others for anything."""
_JOINS = ("; ", ": ")
"""Where texts that were said one after the other can be taken apart again."""


class Catalogue:
    """`sentences` and `words`: English -> the other language. Placeholders are `{name}`; one whose
    name is a single letter stands for a number, see `_KINDS` for others. A word counts only where
    it is all that is shown.
    """

    def __init__(self, sentences: Mapping[str, str], words: Mapping[str, str]) -> None:
        self._words = words
        self._fixed = {text.rstrip(): said for text, said in sentences.items() if "{" not in text}
        self._patterns = sorted(
            (_Pattern(text.rstrip(), said) for text, said in sentences.items() if "{" in text),
            key=lambda pattern: pattern.weight,
            reverse=True,
        )

    def say(self, text: str) -> str:
        """Return `text` in the other language; what the catalogue does not know stays English."""
        if "\n" in text:
            return "\n".join(map(self.say, text.split("\n")))
        indent = text[: len(text) - len(text.lstrip(" "))]
        body = text[len(indent) :]
        return self._words[body] if body in self._words else self._sentence(text)

    def _sentence(self, text: str) -> str:
        body = text.rstrip()
        for known in dict.fromkeys((body, _uncapitalised(body))):
            bare = known.removesuffix(".")  # before: a value may be the last thing in a sentence
            said = self._fixed.get(known) or self._known(bare) or self._known(known)
            if said is not None:
                ends = "." if body.endswith(".") and not said.endswith((".", "!", "?")) else ""
                return said + ends + text[len(body) :]
        for join in _JOINS:
            first, found, rest = text.partition(join)
            if found:
                parts = (self._sentence(first), self._sentence(rest))
                if parts != (first, rest):
                    return join.join(parts)
        return text

    def _known(self, text: str) -> str | None:
        """Return what the catalogue has for exactly this text; None for nothing."""
        if text in self._fixed:
            return self._fixed[text]
        for pattern in self._patterns:
            values = pattern.values_in(text)
            if values is not None:
                return pattern.said.format_map({k: self._value(v) for k, v in values.items()})
        return None

    def _value(self, value: str) -> str:
        """Say a value that is a sentence itself; a single word is a name."""
        return self._sentence(value) if " " in value.strip() else value


def _uncapitalised(text: str) -> str:
    """Return a text as it stands within a sentence: an error begins small, a paragraph does not."""
    return text[:1].lower() + text[1:]


class _Pattern:
    """One sentence with placeholders."""

    def __init__(self, text: str, said: str) -> None:
        self.said = said
        self._parts = _PLACEHOLDER.split(text)
        literals = self._parts[::2]
        self.weight = sum(map(len, literals))
        self._first, self._last = literals[0], literals[-1]
        self._longest = max(literals, key=len)

    def values_in(self, text: str) -> dict[str, str] | None:
        """Return the values by name where the text is this sentence, else None."""
        if (
            self._longest not in text
            or not text.startswith(self._first)
            or not text.endswith(self._last)
        ):
            return None
        found = _compiled(tuple(self._parts)).fullmatch(text)
        return None if found is None else found.groupdict()


@cache
def _compiled(parts: tuple[str, ...]) -> re.Pattern[str]:
    seen: set[str] = set()
    pattern = ""
    for at, part in enumerate(parts):
        if at % 2 == 0:
            pattern += re.escape(part)
        elif part in seen:
            pattern += f"(?P={part})"
        else:
            seen.add(part)
            kind = _NUMBER if len(part) == 1 else _KINDS.get(part, ".*?")
            pattern += f"(?P<{part}>{kind})"
    return re.compile(pattern)
