"""Which language the screens of this process speak. Logs, history and JSON are in English."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Literal, get_args

import click

if TYPE_CHECKING:
    from salesmap_async.cli.catalogue import Catalogue

Language = Literal["en", "ko"]

_VARIABLE = "SALESMAP_LANG"
_WINDOWS_KOREAN = 0x12
"""Of the primary language identifiers of Windows."""

_language: Language = "en"


def local(text: str) -> str:
    """Return a text of this program in the language of the screens."""
    return text if _language == "en" else _korean().say(text)


def current_language() -> Language:
    """Return the language that the screens speak."""
    return _language


def speak(language: Language) -> None:
    """Let the screens of this process speak `language`."""
    global _language
    _language = language


def usual_language(environment: Mapping[str, str]) -> Language:
    """Return the language of the variable, else of the locale: Korean, or English."""
    named = environment.get(_VARIABLE)
    if named is not None:
        return "ko" if named == "ko" else "en"
    locale = next(
        (value for name in ("LC_ALL", "LC_MESSAGES", "LANG") if (value := environment.get(name))),
        None,
    )
    if locale is not None:
        return "ko" if locale.lower().startswith("ko") else "en"
    return "ko" if _is_windows_korean() else "en"


def typed_language(arguments: Sequence[str]) -> Language | None:
    """Return the language that is typed, before the command line is understood; None for none."""
    for at, word in enumerate(arguments):
        flag, _, value = word.partition("=")
        if flag == "--lang":
            value = value or "".join(arguments[at + 1 : at + 2])
            return "ko" if value == "ko" else "en"
    return None


def language_option() -> click.Option:
    """Return the option that every command has."""
    return click.Option(
        ["--lang"],
        type=click.Choice(get_args(Language)),
        envvar=_VARIABLE,
        show_envvar=True,
        is_eager=True,
        expose_value=False,
        callback=_choose,
        help="Language of the screens; default: that of the system. Logs and JSON are in English.",
    )


def _choose(_context: click.Context, _option: click.Parameter, value: Language | None) -> None:
    if value is not None:
        speak(value)


@cache
def _korean() -> Catalogue:
    from salesmap_async.cli.catalogue import Catalogue
    from salesmap_async.cli.korean import SENTENCES, WORDS

    return Catalogue(SENTENCES, WORDS)


def _is_windows_korean() -> bool:
    if sys.platform != "win32":
        return False
    import ctypes

    return bool(ctypes.windll.kernel32.GetUserDefaultUILanguage() & 0x3FF == _WINDOWS_KOREAN)
