"""Which texts of a snapshot are searched, and how text and word are compared.

Compared are letters without their spaces, in one case and one form of Unicode. A phone number is
found with and without its hyphens. Fields of a record stay apart: no word spans two of them.
"""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from salesmap_async.sqlite_file import column_types, quoted

TABLES = ("organization", "people", "deal", "lead", "memo")
"""In the order in which results are told."""

_APART = "\uf8ff"
_FIELDS: Mapping[str, re.Pattern[str]] = {
    "organization": re.compile(r"이름|name"),
    "people": re.compile(
        r"이름|name|(.* )?(이메일|e-?mail|전화|휴대폰|phone)( .*)?", re.IGNORECASE
    ),
    "deal": re.compile(r"이름|name"),
    "lead": re.compile(r"이름|name"),
    "memo": re.compile(r"text"),
}
_PHONE = re.compile(r"[\d+() .-]{7,}")


@dataclass(frozen=True, slots=True)
class Searched:
    """One table that is searched. `fields` are its columns, the one that names a record first."""

    table: str
    fields: tuple[str, ...]

    @property
    def columns(self) -> str:
        """The SQL of the fields."""
        return ", ".join(map(quoted, self.fields))


def searched_tables(
    connection: sqlite3.Connection, more: Mapping[str, Collection[str]]
) -> tuple[Searched, ...]:
    """Return what this snapshot has of it. `more`: fields of tables that another workspace has."""
    found = []
    for table in TABLES:
        names = [name for name, _ in column_types(connection, table)]
        chosen = [name for name in names if name in more.get(table, ())]
        chosen += [n for n in names if _FIELDS[table].fullmatch(n) and n not in chosen]
        if chosen:
            found.append(Searched(table, tuple(chosen)))
    return tuple(found)


def text_of(values: Sequence[object]) -> str:
    """Return the fields of a record as they are compared."""
    if len(values) == 1 and isinstance(values[0], str):
        return needle_of(values[0])
    return _APART.join(_compared(values))


def needle_of(word: str) -> str:
    """Return a word as it is compared."""
    if not word.isascii() and not unicodedata.is_normalized("NFC", word):
        word = unicodedata.normalize("NFC", word)
    return "".join(word.split()).casefold()


def _compared(values: Sequence[object]) -> Iterator[str]:
    for value in values:
        if isinstance(value, str) and value:
            yield needle_of(value)
            if len(value) < 40 and _PHONE.fullmatch(value):
                yield re.sub(r"\D", "", value)
