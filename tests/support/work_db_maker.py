"""Write a work DB by plain SQL, as `store/work_db.py` describes it."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from salesmap_async import exact_json
from salesmap_async.store.kinds import Kinds
from salesmap_async.store.laying import EVERY_NULL
from salesmap_async.store.missing import MISSING_SCHEMA
from salesmap_async.store.work_db import SCHEMA


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainSpec:
    """One finished list. `name` defaults to the table.

    `dense`: its records are laid out over all keys of the list, else each over its own.
    """

    table: str
    records: Sequence[Mapping[str, Any]]
    name: str = ""
    added: Mapping[str, str] = field(default_factory=dict)
    page_size: int = 50
    state: str = "done"
    id_key: str = "id"
    dense: bool = False

    @property
    def chain(self) -> str:
        return self.name or self.table


def make_work_db(
    path: Path,
    chains: Iterable[ChainSpec],
    *,
    allowed: Iterable[str] = (),
    forms: Mapping[str, str] | None = None,
    shuffle_seed: int | None = None,
) -> Path:
    """Write a work DB; with `shuffle_seed` its records are inserted in a random order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows: list[tuple[Any, ...]] = []
    shapes: dict[str, int] = {}
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(SCHEMA + MISSING_SCHEMA)
        for chain in chains:
            pages = -(-len(chain.records) // chain.page_size)
            connection.execute(
                'INSERT INTO chain (name, "table", path, added, state, pages, rows, kinds)'
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    chain.chain,
                    chain.table,
                    "/" + chain.chain,
                    json.dumps(dict(chain.added), ensure_ascii=False),
                    chain.state,
                    pages,
                    len(chain.records),
                    _kinds(chain),
                ),
            )
            rows += _rows(chain, shapes)
            if chain.dense:
                connection.executemany(
                    "INSERT INTO key VALUES (?, ?, ?)",
                    [
                        (chain.chain, place, exact_json.dumps(key))
                        for place, key in enumerate(_keys(chain))
                    ],
                )
        if shuffle_seed is not None:
            random.Random(shuffle_seed).shuffle(rows)
        connection.executemany("INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        connection.executemany("INSERT INTO shape (keys, id) VALUES (?, ?)", shapes.items())
        connection.executemany(
            "INSERT INTO allowed_person VALUES (?)", [(person,) for person in allowed]
        )
        connection.executemany("INSERT INTO form VALUES (?, ?)", (forms or {}).items())
        connection.commit()
    return path


def _kinds(chain: ChainSpec) -> str:
    kinds = Kinds()
    for record in chain.records:
        kinds.add(record)
    return kinds.as_json()


def _keys(chain: ChainSpec) -> list[str]:
    return list(dict.fromkeys(key for record in chain.records for key in record))


def _rows(chain: ChainSpec, shapes: dict[str, int]) -> Iterable[tuple[Any, ...]]:
    for number, record in enumerate(chain.records):
        page, position = divmod(number, chain.page_size)
        record_id = _id_text(record.get(chain.id_key))
        shape, nulls, values = None, None, list(record.values())
        if chain.dense:
            keys = _keys(chain)
            values = [record.get(key) for key in keys]
            came = [keys.index(key) for key, value in record.items() if value is None]
            nulls = exact_json.dumps(came) if came else None
        else:
            shape = shapes.setdefault(exact_json.dumps(list(record)), len(shapes))
            nulls = EVERY_NULL
        body = exact_json.dumps(values)
        yield (chain.table, chain.chain, page, position, record_id, shape, nulls, body)


def _id_text(value: Any) -> str | None:
    if value is None or not str(value).strip():
        return None
    return str(value)
