"""The records of the work DB that a snapshot publishes, one at a time, in the published order.

- Records of skipped chains are left out.
- Of several versions of one id the one later in chain order (chain, page, position) counts. Where
  several lists fill a table, each with what it adds, an id belongs to its list.
- First the records with an id, in the order of its bytes and of their lists; then those without, in
  the order of their text and chain. Of these, equal ones of one list count once: a page that was
  read twice.
- What the collector adds (a submission's form) is part of the record; where the record says
  otherwise the added value counts, and the repair is counted.
- A lone surrogate, in any value or nested key, becomes U+FFFD and is counted. Top-level keys stay
  as they are: `schema` names their columns.
- A submission is published when its person is known and allowed.

Each pass reads the database anew, so memory does not grow with the workspace (I7).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from sys import intern
from typing import Any

from salesmap_async import exact_json
from salesmap_async.api.endpoints import SUBMISSION_TABLE
from salesmap_async.errors import StoreError
from salesmap_async.publish.repair import repair
from salesmap_async.store.kinds import Kind, from_json
from salesmap_async.store.laying import EVERY_NULL, MOST_SHAPES, Keys, came
from salesmap_async.store.missing import IDS_IN_ORDER
from salesmap_async.store.work_db import ChainRow, read_chains

_PUBLISHED = """
FROM record WHERE "table" = ? AND chain NOT IN (SELECT name FROM chain WHERE state = 'skipped')
"""
_WITH_ID = f"""
SELECT id, chain, shape, nulls, CAST(body AS BLOB) {_PUBLISHED} AND id IS NOT NULL
ORDER BY id, chain, page, position
"""
_WITHOUT_ID = f"""
SELECT NULL, chain, shape, nulls, CAST(body AS BLOB) {_PUBLISHED} AND id IS NULL
ORDER BY as_object(shape, CAST(body AS BLOB)), chain
"""
_HAS_VERSIONS = f"""
SELECT EXISTS (SELECT 1 {_PUBLISHED} AND id IS NOT NULL GROUP BY id HAVING count(*) > 1)
"""
_PERSON_KEYS = ("peopleId", "personId", "person")
_NOTED_KINDS = """SELECT kinds FROM chain WHERE "table" = ? AND state <> 'skipped'"""


@dataclass(frozen=True, slots=True)
class Record:
    """One published record. `id` is None where it has none; `keys` are those of its `values`.

    Of the values that are None, `nulls` tells which came; see `store.laying`.
    """

    id: str | None
    keys: Keys
    values: list[Any]
    nulls: str | None = EVERY_NULL

    def by_key(self) -> dict[str, Any]:
        """Return the record as a JSON object."""
        return came(self.keys, self.values, self.nulls)


_Version = tuple[str | None, str, int | None, str | None, bytes]


@dataclass(slots=True)
class FormTally:
    """What became of one form's submissions."""

    kept: int = 0
    dropped_missing: int = 0
    dropped_not_allowed: int = 0


@dataclass(slots=True)
class Tally:
    """What was counted while one table was read. `forms` is by chain, submissions only."""

    duplicates: int = 0
    repaired: int = 0
    without_id: int = 0
    forms: dict[str, FormTally] = field(default_factory=dict)


@contextmanager
def reading_the_work_db() -> Iterator[None]:
    """Turn SQLite's errors into a StoreError."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(
            f"the work DB cannot be read: {error}",
            cure="check the disk, then resume the run; if it is damaged, start a new run",
        ) from error


def index_work_db(work: sqlite3.Connection) -> None:
    """Make the published order cheap to read; repeatable."""
    with reading_the_work_db():
        work.execute(IDS_IN_ORDER)


class TableSource:
    """One table's records in the work DB; can be read as often as needed."""

    def __init__(self, work: sqlite3.Connection, table: str) -> None:
        self._work = work
        self._table = table
        self._shape = lru_cache(MOST_SHAPES)(self._read_shape)
        self._first_keys = lru_cache(MOST_SHAPES)(self._read_first_keys)
        work.create_function("as_object", 2, self._as_object)
        with reading_the_work_db():
            self.chains: tuple[ChainRow, ...] = tuple(
                chain for chain in read_chains(work) if chain.table == table
            )

    def records(self, tally: Tally) -> Iterator[Record]:
        """Yield each published record; count what is noticed on the way."""
        added = {chain.name: chain.added for chain in self.chains}
        is_submission = self._table == SUBMISSION_TABLE
        for record_id, chain, shape, nulls, body in self._versions(tally):
            values = _values(body)
            keys = self._keys(chain, shape, len(values))
            record, repaired = _repaired(Record(record_id, keys, values, nulls), body)
            known: Mapping[str, Any] = added.get(chain, {})
            if is_submission:
                person = person_of(_about_its_person(record))
                if not self._admits(person, tally.forms.setdefault(chain, FormTally())):
                    continue
                known = {**known, "peopleId": person}
            if known:
                record, overruled = _completed(record, known)
                repaired += overruled
            tally.repaired += repaired
            tally.without_id += record_id is None
            yield record

    def kinds(self) -> dict[str, set[Kind]] | None:
        """Return every key and its kinds, as noted while the records were stored.

        None where not every record is published as it came: then the records must be read.
        """
        if self._table == SUBMISSION_TABLE or any(chain.added for chain in self.chains):
            return None
        with reading_the_work_db():
            if self._work.execute(_HAS_VERSIONS, (self._table,)).fetchone() != (0,):
                return None
            noted = self._work.execute(_NOTED_KINDS, (self._table,)).fetchall()
        kinds: dict[str, set[Kind]] = {}
        for (text,) in noted:
            for key, found in from_json(text).items():
                kinds.setdefault(key, set()).update(found)
        return kinds

    def skipped(self) -> list[str]:
        """Return one line for each list that was left out, and why."""
        return [
            f"{self.form(chain)} is gone upstream: skipped"
            if self._table == SUBMISSION_TABLE
            else f"{chain.path} was skipped: {chain.error}"
            for chain in self.chains
            if chain.state == "skipped"
        ]

    def form(self, chain: ChainRow) -> str:
        """Return name and id of the form whose submissions `chain` lists."""
        form_id = chain.added.get("webFormId", "")
        with reading_the_work_db():
            row = self._work.execute("SELECT name FROM form WHERE id = ?", (form_id,)).fetchone()
        return f"form {(row and row[0]) or '(no name)'} ({form_id})"

    def _versions(self, tally: Tally) -> Iterator[_Version]:
        own_ids = any(chain.added for chain in self.chains)
        with reading_the_work_db():
            for select, is_same in (
                (_WITH_ID, partial(_is_same_id, own_ids=own_ids)),
                (_WITHOUT_ID, self._is_same_text),
            ):
                latest: _Version | None = None
                for version in self._work.execute(select, (self._table,)):
                    if latest is not None and is_same(latest, version):
                        tally.duplicates += 1
                    elif latest is not None:
                        yield latest
                    latest = version
                if latest is not None:
                    yield latest

    def _is_same_text(self, one: _Version, other: _Version) -> bool:
        (_, chain, shape, _, body), (_, other_chain, other_shape, _, other_body) = one, other
        if (chain, body) != (other_chain, other_body):
            return False
        return shape == other_shape or self._shape(shape) == self._shape(other_shape)

    def _keys(self, chain: str, shape: int | None, width: int) -> Keys:
        """Return the keys of a record that has `width` values."""
        keys = self._first_keys(chain, width) if shape is None else self._shape(shape)
        if len(keys) != width:
            raise StoreError("the work DB holds a record that does not fit its keys")
        return keys

    def _read_first_keys(self, chain: str, width: int) -> Keys:
        with reading_the_work_db():
            rows = self._work.execute(
                "SELECT name FROM key WHERE chain = ? AND place < ? ORDER BY place", (chain, width)
            ).fetchall()
        return tuple(intern(exact_json.loads(name.encode())) for (name,) in rows)

    def _read_shape(self, shape: int | None) -> Keys:
        with reading_the_work_db():
            row = self._work.execute("SELECT keys FROM shape WHERE id = ?", (shape,)).fetchone()
        return tuple(map(intern, exact_json.loads(row[0].encode()) if row else ()))

    def _as_object(self, shape: int, body: bytes) -> str:
        values = exact_json.loads(body)
        return exact_json.dumps(dict(zip(self._shape(shape), values, strict=True)))

    def _admits(self, person: str | int | None, form: FormTally) -> bool:
        """Decide about one submission by its person, and count it for its form."""
        if person is None:
            form.dropped_missing += 1
            return False
        sql = "SELECT 1 FROM allowed_person WHERE id = ?"
        with reading_the_work_db():
            allowed = self._work.execute(sql, (str(person),)).fetchone()
        if allowed is None:
            form.dropped_not_allowed += 1
            return False
        form.kept += 1
        return True


def _completed(record: Record, added: Mapping[str, Any]) -> tuple[Record, int]:
    """Return `record` with what the collector knows of it, and how many values that overruled."""
    by_key = record.by_key()
    overruled = add_values(by_key, added)
    return Record(record.id, tuple(by_key), list(by_key.values())), overruled


def _about_its_person(record: Record) -> dict[str, Any]:
    """Return what `person_of` looks at, without the rest of the record."""
    return {key: record.values[place] for key, place in _places_of_person(record.keys)}


@lru_cache(MOST_SHAPES)
def _places_of_person(keys: Keys) -> tuple[tuple[str, int], ...]:
    return tuple((key, place) for place, key in enumerate(keys) if key in _PERSON_KEYS)


def person_of(submission: Mapping[str, Any]) -> str | int | None:
    """Return whose submission it is: `peopleId`, else `personId`, else `person.id`, else None."""
    people_id, person_id, person = map(submission.get, _PERSON_KEYS)
    nested = person.get("id") if isinstance(person, dict) else None
    for value in (people_id, person_id, nested):
        if (isinstance(value, str) and value.strip()) or type(value) is int:
            return value
    return None


def add_values(record: dict[str, Any], added: Mapping[str, Any]) -> int:
    """Put what the collector knows into `record`; return how many values that overruled."""
    overruled = sum(record.get(key) not in (None, value) for key, value in added.items())
    record.update(added)
    return overruled


def _is_same_id(one: _Version, other: _Version, *, own_ids: bool) -> bool:
    return one[0] == other[0] and (not own_ids or one[1] == other[1])


def _values(body: bytes) -> list[Any]:
    try:
        values = exact_json.loads(body)
    except ValueError as error:
        raise StoreError(f"the work DB holds a record that is not JSON: {error}") from None
    if not isinstance(values, list):
        raise StoreError("the work DB holds a record that does not fit its keys")
    return values


def _repaired(record: Record, body: bytes) -> tuple[Record, int]:
    """Return a record without lone surrogates, and how many of its keys and values had one."""
    broken = 0
    if unwritable := _unwritable(record.keys):
        broken = len(unwritable & record.by_key().keys())
    # What holds a lone surrogate is escaped, and to look for one backslash costs next to nothing.
    if b"\\" in body and (b"\\ud" in body or b"\\uD" in body):
        values, repaired = repair(record.values)
        return replace(record, values=values), repaired + broken
    return record, broken


@lru_cache(MOST_SHAPES)
def _unwritable(keys: Keys) -> frozenset[str]:
    """Return the keys that hold a lone surrogate."""
    return frozenset(filter(exact_json.has_lone_surrogate, keys))
