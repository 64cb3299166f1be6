"""The records of the work DB that a snapshot publishes, one at a time, in the published order.

- Records of skipped chains are left out.
- Of several versions of one id the one later in chain order (chain, page, position) counts.
- First the records with an id, in the order of its bytes; then those without, in the order of
  their text and chain.
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
from dataclasses import dataclass, field
from typing import Any

from salesmap_async import exact_json
from salesmap_async.api.endpoints import SUBMISSION_TABLE
from salesmap_async.errors import StoreError
from salesmap_async.publish.repair import repaired_record
from salesmap_async.publish.schema import Kind
from salesmap_async.store.work_db import ChainRow, read_chains

_INDEX = """
CREATE INDEX IF NOT EXISTS record_in_order ON record ("table", id, chain, page, position)
"""
_PUBLISHED = """
FROM record WHERE "table" = ? AND chain NOT IN (SELECT name FROM chain WHERE state = 'skipped')
"""
_WITH_ID = f"""
SELECT id, chain, CAST(body AS BLOB) {_PUBLISHED} AND id IS NOT NULL
ORDER BY id, chain, page, position
"""
_WITHOUT_ID = f"""
SELECT NULL, chain, CAST(body AS BLOB) {_PUBLISHED} AND id IS NULL ORDER BY body, chain
"""
_KINDS: dict[type, Kind] = {
    str: "text",
    dict: "json",
    list: "json",
    bool: "boolean",
    int: "integer",
    float: "number",
}

Record = dict[str, Any]
_Version = tuple[str | None, str, bytes]


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
        work.execute(_INDEX)


class TableSource:
    """One table's records in the work DB; can be read as often as needed."""

    def __init__(self, work: sqlite3.Connection, table: str) -> None:
        self._work = work
        self._table = table
        with reading_the_work_db():
            self.chains: tuple[ChainRow, ...] = tuple(
                chain for chain in read_chains(work) if chain.table == table
            )

    def records(self, tally: Tally) -> Iterator[tuple[str | None, Record]]:
        """Yield each published record with its id; count what is noticed on the way."""
        added = {chain.name: chain.added for chain in self.chains}
        is_submission = self._table == SUBMISSION_TABLE
        for record_id, chain, body in self._versions(tally):
            record, repaired = _loaded(body)
            repaired += add_values(record, added.get(chain, {}))
            if is_submission:
                person = person_of(record)
                if not self._admits(person, tally.forms.setdefault(chain, FormTally())):
                    continue
                repaired += add_values(record, {"peopleId": person})
            tally.repaired += repaired
            tally.without_id += record_id is None
            yield record_id, record

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
        with reading_the_work_db():
            latest: _Version | None = None
            for version in self._work.execute(_WITH_ID, (self._table,)):
                if latest is not None and latest[0] == version[0]:
                    tally.duplicates += 1
                elif latest is not None:
                    yield latest
                latest = version
            if latest is not None:
                yield latest
            yield from self._work.execute(_WITHOUT_ID, (self._table,))

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


def person_of(submission: Mapping[str, Any]) -> str | int | None:
    """Return whose submission it is: `peopleId`, else `personId`, else `person.id`, else None."""
    person = submission.get("person")
    nested = person.get("id") if isinstance(person, dict) else None
    for value in (submission.get("peopleId"), submission.get("personId"), nested):
        if (isinstance(value, str) and value.strip()) or type(value) is int:
            return value
    return None


def add_values(record: Record, added: Mapping[str, Any]) -> int:
    """Put what the collector knows into `record`; return how many values that overruled."""
    overruled = sum(record.get(key) not in (None, value) for key, value in added.items())
    record.update(added)
    return overruled


def kinds_of(records: Iterator[tuple[str | None, Record]]) -> dict[str, set[Kind]]:
    """Read all records and return every key with the kinds of its values (null is none)."""
    seen: set[tuple[str, type]] = set()
    special: set[tuple[str, Kind]] = set()
    for _, record in records:
        values = record.values()
        seen.update(zip(record, map(type, values), strict=True))
        special.update(
            (key, "huge" if type(value) is int else "minus zero")
            for key, value in record.items()
            if (type(value) is int and not exact_json.fits_int64(value))
            or (type(value) is float and value == 0 and str(value)[0] == "-")
        )
    kinds: dict[str, set[Kind]] = {key: set() for key, _ in seen}
    for key, kind in special:
        kinds[key].add(kind)
    for key, value_type in seen:
        if value_type in _KINDS:
            kinds[key].add(_KINDS[value_type])
    return kinds


def _loaded(body: bytes) -> tuple[Record, int]:
    try:
        record = exact_json.loads(body)
    except ValueError as error:
        raise StoreError(f"the work DB holds a record that is not JSON: {error}") from None
    if not isinstance(record, dict):
        raise StoreError("the work DB holds a record that is not a JSON object")
    if b"\\ud" not in body and b"\\uD" not in body:
        return record, 0
    return repaired_record(record)
