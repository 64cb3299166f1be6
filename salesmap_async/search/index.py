"""The index beside the DB, `<stem>_search.db`: which records hold which two letters in a row.

SQLite's own trigrams find no word of two syllables, which most Korean words are; so the letters go
in by twos (FTS5, `detail=none`). What two letters in a row cannot tell is looked up in the DB. The
index is bound to one state of one snapshot: for another state it is made anew, beside and then put
in its place. It holds nothing that the DB does not, and may be deleted at any time.
"""

from __future__ import annotations

import os
import re
import sqlite3
from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from threading import get_ident

from salesmap_async.files import place
from salesmap_async.publish.manifest import read_one_row
from salesmap_async.search.texts import TABLES, Searched, text_of
from salesmap_async.sqlite_file import opened, quoted, remove_with_leftovers

_VERSION = 2
_HASH_BYTES = 32 * 2**20
_TABLE_SPAN = 2**40
"""A record's number in the index: its row, plus this much for each table before its own."""

_THREE_DIGITS = re.compile(r"[0-9]{3}")
_DIGITS = re.compile(r"(?=([0-9]{3}))")
_SPACE = array("I", [ord(" ")])
_SIGNS = "".join(chr(code) for code in range(0x21, 0x7F) if not chr(code).isalnum())
"""FTS5 would take these for gaps between words."""

_ESCAPED_SIGNS = _SIGNS.replace("'", "''")
_AS_IT_STANDS = '"' + f"ascii tokenchars '{_ESCAPED_SIGNS}'".replace('"', '""') + '"'
_CREATE = f"""
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA cache_size = -16000;
CREATE TABLE bound_to (state TEXT);
CREATE VIRTUAL TABLE pairs USING fts5(
  letters, content = '', detail = none, columnsize = 0, tokenize = {_AS_IT_STANDS});
INSERT INTO pairs(pairs, rank) VALUES ('hashsize', {_HASH_BYTES});
"""


def index_path(final_db: Path) -> Path:
    """Return where the index of a DB lies."""
    return final_db.with_name(f"{final_db.stem}_search.db")


def state_of(db: Path, connection: sqlite3.Connection, tables: Sequence[Searched]) -> str:
    """Return what the index of this DB, as it is now, is bound to."""
    stat = db.stat()
    tag = read_one_row(connection, "run_info").get("run_tag")
    return f"{_VERSION} {tag} {stat.st_size} {stat.st_mtime_ns} {tables!r}"


def is_bound(index: Path, state: str) -> bool:
    """Tell whether there is an index of that state."""
    if not index.is_file():
        return False
    try:
        with opened(index, "ro") as connection:
            return bool(connection.execute("SELECT state FROM bound_to").fetchone() == (state,))
    except sqlite3.Error:
        return False


def build_index(
    index: Path, connection: sqlite3.Connection, tables: Sequence[Searched], state: str
) -> None:
    """Make the index from an open DB. Raises OSError and sqlite3.Error; then none is left over."""
    making = index.with_name(f"{index.name}.{os.getpid()}.{get_ident()}.tmp")
    try:
        with opened(making, "rwc") as out:
            out.executescript(_CREATE)
            out.execute("BEGIN")
            for searched in tables:
                out.executemany(
                    "INSERT INTO pairs(rowid, letters) VALUES (?, ?)",
                    _numbered(connection, searched),
                )
            out.execute("INSERT INTO bound_to VALUES (?)", (state,))
            out.execute("COMMIT")
        place(making, index)
    except BaseException:
        with suppress(OSError):
            remove_with_leftovers(making)
        raise


def candidates(connection: sqlite3.Connection, table: str, needles: Sequence[str]) -> Iterator[int]:
    """Yield the rows of `table` that hold all pairs of letters of `needles`, the last one first."""
    first = TABLES.index(table) * _TABLE_SPAN
    wanted = {pair for needle in needles for pair in pairs_of(needle).split()}
    match = " AND ".join(quoted(pair) for pair in sorted(wanted))
    for (number,) in connection.execute(
        "SELECT rowid FROM pairs WHERE pairs MATCH ? AND rowid BETWEEN ? AND ? ORDER BY rowid DESC",
        (match, first, first + _TABLE_SPAN - 1),
    ):
        yield number - first


def pairs_of(text: str) -> str:
    """Return each two letters in a row, with a space after each: 가나다 -> `가나 나다 `.

    Of digits also each three: there are a hundred pairs only, which most numbers share.
    """
    numbers = f" {' '.join(_DIGITS.findall(text))}" if _THREE_DIGITS.search(text) else ""
    letters = array("I", text.encode("utf-32-le", "replace"))
    count = max(0, len(letters) - 1)
    pairs = _SPACE * (3 * count)
    pairs[0::3], pairs[1::3] = letters[:count], letters[1 : count + 1]
    return pairs.tobytes().decode("utf-32-le") + numbers


def _numbered(connection: sqlite3.Connection, searched: Searched) -> Iterator[tuple[int, str]]:
    first = TABLES.index(searched.table) * _TABLE_SPAN
    rows = connection.execute(f"SELECT rowid, {searched.columns} FROM {quoted(searched.table)}")
    for row, *values in rows:
        yield first + row, pairs_of(text_of(values))
