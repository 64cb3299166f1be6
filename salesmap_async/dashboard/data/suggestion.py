"""A block for `dashboard.toml` that names the fields which the snapshot calls otherwise.

The best guess is a column of the same name, apart from spaces, case and Unicode's forms; else one
whose name resembles it and whose values are of the kind that the meaning wants. Nothing is guessed
twice; a field for which nothing fits stands in the block as a comment.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from difflib import SequenceMatcher

from typing_extensions import TypedDict

from salesmap_async import exact_json
from salesmap_async.dashboard.data.database import Snapshot
from salesmap_async.dashboard.data.shapes import exact
from salesmap_async.lenient import parsed
from salesmap_async.money import krw
from salesmap_async.seoul import seoul_time
from salesmap_async.sqlite_file import quoted

_SAMPLE = 20
_RESEMBLING = 0.5
"""How alike two names must be, from 0 to 1, where only resemblance speaks for a guess."""

_DATES = frozenset({"contract_date", "expected_close_date", "lost_at", "start_date", "end_date",
                    "created_at", "updated_at"})  # fmt: skip
_AMOUNTS = frozenset({"amount", "expected_amount", "net_percent"})
_RELATED = frozenset({"owner", "webforms"})


@exact
class MissingField(TypedDict):
    """A mapped field that the snapshot does not have. `guess`: the column it may be."""

    column: str
    key: str
    guess: str | None


def missing_fields(snapshot: Snapshot) -> list[MissingField]:
    """Return every mapped field that is not there, each with the best guess."""
    return snapshot.remembered("missing fields", _missing_fields)


def toml_block(missing: Iterable[MissingField]) -> str:
    """Return lines to paste into `dashboard.toml`; '' where nothing is missing."""
    tables: dict[str, list[str]] = {}
    for each in missing:
        _, table, meaning = each["key"].split(".")
        if each["guess"] is None:
            line = f'# {meaning} = ""  # {each["column"]}: no column resembles it'
        else:
            line = f"{meaning} = {exact_json.dumps(each['guess'])}  # {each['column']}"
        tables.setdefault(table, []).append(line)
    blocks = (f"[columns.{table}]\n" + "\n".join(lines) for table, lines in tables.items())
    return "\n\n".join(blocks)


def plain(name: str) -> str:
    """Return a name without what people do not mean: spaces, case, the form of its letters."""
    return re.sub(r"[\s_\-./]+", "", unicodedata.normalize("NFKC", name)).casefold()


def _missing_fields(snapshot: Snapshot) -> list[MissingField]:
    columns, taken = snapshot.columns, set[tuple[str, str]]()
    found: list[MissingField] = []
    for table, meaning in columns.absent():
        if not columns.has_table(table):
            continue
        free = [name for name in columns.unmapped(table) if (table, name) not in taken]
        field = columns.full_name(table, meaning).partition(".")[2]
        guess = _guess(snapshot, table, meaning, field, free)
        if guess is not None:
            taken.add((table, guess))
        found.append(
            {
                "column": f"{table}.{field}",
                "key": columns.key_of(table, meaning),
                "guess": guess,
            }
        )
    return found


def _guess(snapshot: Snapshot, table: str, meaning: str, field: str, free: list[str]) -> str | None:
    same = next((name for name in free if plain(name) == plain(field)), None)
    if same is not None:
        return same
    alike = ((_resemblance(plain(field), plain(name)), name) for name in free)
    ranked = sorted((each for each in alike if each[0] >= _RESEMBLING), reverse=True)
    fits = _kind_of(meaning)
    return next((name for _, name in ranked if _all_fit(snapshot, table, name, fits)), None)


def _resemblance(one: str, other: str) -> float:
    if len(one) > 1 and len(other) > 1 and (one in other or other in one):
        return 1.0
    return SequenceMatcher(None, one, other).ratio()


def _kind_of(meaning: str) -> Callable[[object], bool]:
    if meaning in _DATES:
        return lambda value: seoul_time(value) is not None
    if meaning in _AMOUNTS:
        return lambda value: krw(value) is not None
    if meaning in _RELATED:
        return lambda value: not isinstance(value, int | float)
    return lambda value: not isinstance(parsed(value), int | float) and seoul_time(value) is None


def _all_fit(snapshot: Snapshot, table: str, column: str, fits: Callable[[object], bool]) -> bool:
    name = quoted(column)
    rows = snapshot.connection.execute(
        f"SELECT {name} FROM {quoted(table)} WHERE {name} IS NOT NULL LIMIT {_SAMPLE}"
    ).fetchall()
    return bool(rows) and all(fits(value) for (value,) in rows)
