"""What a word is found in: in the tables' order, the latest records first.

A record is found where one of its fields holds the word, or all words of several; spaces do not
count. One letter alone stands in too many records to be in the index: the tables are read for it,
as they are where no index can be made.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from salesmap_async.lenient import text_or_none
from salesmap_async.search.index import build_index, candidates, index_path, is_bound, state_of
from salesmap_async.search.texts import Searched, needle_of, searched_tables, text_of
from salesmap_async.sqlite_file import column_types, opened, quoted

logger = logging.getLogger(__name__)
_LINKS = ("organizationId", "peopleId", "dealId")
_AROUND = 40
"""Letters of a text before and after the word that are shown."""

_building = Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A record that was found. `name` is its first field, `text` the field with the word."""

    table: str
    id: str | None
    name: str | None
    text: str
    organization_id: str | None
    person_id: str | None
    deal_id: str | None


def search(
    db: Path,
    connection: sqlite3.Connection,
    term: str,
    *,
    tables: Collection[str] = (),
    limit: int,
    more_fields: Mapping[str, Collection[str]] | None = None,
) -> list[Found]:
    """Return at most `limit` records of each table (of `tables` alone, if given) that hold `term`.

    `connection` is to `db`, in one state. The index is made where there is none of that state; a
    failure is a warning, and the tables are read instead.
    """
    words = [needle for word in term.split() if (needle := needle_of(word))]
    if not words:
        return []
    all_searched = searched_tables(connection, more_fields or {})
    long_words = [word for word in words if len(word) > 1]
    index = _index(db, connection, all_searched) if long_words else None
    found: list[Found] = []
    for searched in all_searched:
        if not tables or searched.table in tables:
            rows = _rows_to_look_at(connection, index, searched, long_words)
            found += _look(connection, searched, rows, words, limit)
    return found


def _index(db: Path, connection: sqlite3.Connection, tables: Sequence[Searched]) -> Path | None:
    index = index_path(db)
    try:
        state = state_of(db, connection, tables)
        with _building:
            if not is_bound(index, state):
                build_index(index, connection, tables, state)
    except (OSError, sqlite3.Error) as error:
        logger.warning("no search index at %s, so searching takes longer: %s", index, error)
        return None
    return index


def _rows_to_look_at(
    connection: sqlite3.Connection, index: Path | None, searched: Searched, words: Sequence[str]
) -> Iterator[int]:
    """Yield the rows that may hold the words, the last one first."""
    if index is None:
        table = quoted(searched.table)
        yield from (
            row for (row,) in connection.execute(f"SELECT rowid FROM {table} ORDER BY rowid DESC")
        )
        return
    with opened(index, "ro") as opened_index:
        yield from candidates(opened_index, searched.table, words)


def _look(
    connection: sqlite3.Connection,
    searched: Searched,
    rows: Iterator[int],
    words: Sequence[str],
    limit: int,
) -> list[Found]:
    have = {name for name, _ in column_types(connection, searched.table)}
    links = [quoted(name) if name in have else "NULL" for name in _LINKS]
    read = (
        f"SELECT id, {', '.join(links)}, {searched.columns} FROM {quoted(searched.table)}"
        " WHERE rowid = ?"
    )
    found: list[Found] = []
    for row in rows:
        values: Sequence[Any]
        record_id, *linked_and_values = connection.execute(read, (row,)).fetchone()
        linked, values = linked_and_values[: len(_LINKS)], linked_and_values[len(_LINKS) :]
        if _holds(text_of(values), words):
            found.append(_found(searched.table, record_id, linked, values, words))
            if len(found) == limit:
                break
    return found


def _holds(text: str, words: Sequence[str]) -> bool:
    return "".join(words) in text or (len(words) > 1 and all(word in text for word in words))


def _found(
    table: str,
    record_id: str | None,
    linked: Sequence[Any],
    values: Sequence[Any],
    words: Sequence[str],
) -> Found:
    shown = next((v for v in values if isinstance(v, str) and words[0] in text_of([v])), "")
    return Found(
        table=table,
        id=record_id,
        name=None if table == "memo" else text_or_none(values[0]),
        text=_snippet(shown, words[0]),
        organization_id=linked[0] if table != "organization" else record_id,
        person_id=linked[1] if table != "people" else record_id,
        deal_id=linked[2] if table != "deal" else record_id,
    )


def _snippet(text: str, word: str) -> str:
    """Return a text in one line, cut around the word."""
    line = " ".join(text.split())
    begin = max(0, line.casefold().find(word) - _AROUND)
    end = begin + 2 * _AROUND + len(word)
    return ("…" if begin else "") + line[begin:end] + ("…" if end < len(line) else "")
