"""Whose web-form submissions are kept, and which forms have to be asked for them.

Both follow from the complete lists of people, deals and forms by SQL over the stored JSON, so they
come out the same after a resume; forms that a part of the lists names may be begun before. A list
that this run does not read is taken from the final DB.

- known people: every person. Allowed people: with `deals`, the people that any version of a deal
  names, whether known or not; with `all`, every known person.
- forms: what the allowed people's column `제출된 웹폼 목록` names; with `all`, or where no person
  has that column, every form of `/webForm`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import aiosqlite

from salesmap_async.api.endpoints import SUBMISSION_TABLE, WEBFORM_TABLE, submissions_of
from salesmap_async.collect.chains import Chain, new_chain, restored_chain
from salesmap_async.errors import UsageError
from salesmap_async.settings import WebformPeople
from salesmap_async.store.work_db import values_of
from salesmap_async.store.writer import Job, Writer

FORMS_KEY = "제출된 웹폼 목록"
SOURCE_TABLES = ("people", "deal", WEBFORM_TABLE)

_NEWEST_LAST = "ORDER BY chain, page, position"


@dataclass(frozen=True, slots=True)
class _Form:
    """A form to ask for; `people` is how many of the known people name it."""

    id: str
    name: str | None
    people: int


class Webforms:
    """The web-form step of one run.

    `tables` are those the run reads; the other sources come from `final_db`. `published_tables`
    are those of the final DB that some run has read. Raises UsageError when a source is in neither.
    """

    def __init__(
        self,
        *,
        tables: Iterable[str],
        people: WebformPeople,
        final_db: Path,
        published_tables: Iterable[str],
    ) -> None:
        self.depends_on = tuple(table for table in SOURCE_TABLES if table in set(tables))
        self._published = tuple(t for t in SOURCE_TABLES if t not in self.depends_on)
        self._people = people
        self._final_db = final_db
        missing = sorted(set(self._published) - set(published_tables))
        if missing:
            raise UsageError(
                f"webform_history needs {', '.join(missing)}, which this run does not read and "
                f"{final_db} does not have",
                cure="read them too, as below",
                instead=("--only", ",".join(["webform_history", *missing])),
            )

    def may_start(self, open_tables: Iterable[str]) -> bool:
        """Tell whether every list this step depends on has ended."""
        return not set(open_tables) & set(self.depends_on)

    async def chains(self, writer: Writer) -> list[Chain]:
        """Work out people and forms, and return one chain per form, with its stored progress.

        Chains of forms that no record names any more are forgotten with what they have read.
        """
        return await self._chains(writer, self._derive)

    async def chains_so_far(self, writer: Writer) -> list[Chain]:
        """Return the chains of the forms that are named by what has been read until now.

        What these lists hold is decided at the end, by `chains`: here only when they are read.
        """
        return await self._chains(writer, self._derive_early)

    async def _chains(self, writer: Writer, derive: Job[list[_Form]]) -> list[Chain]:
        forms = await writer.run(derive, attach=self._final_db if self._published else None)
        endpoints = [submissions_of(form.id) for form in forms]
        rows = await writer.add_chains([new_chain(endpoint) for endpoint in endpoints])
        chains = []
        for endpoint, row, form in zip(endpoints, rows, forms, strict=True):
            chain = restored_chain(endpoint, row, label=f"form {form.name or '?'} ({form.id})")
            if form.people:
                chain.expected_pages = form.people / endpoint.page_size
            chains.append(chain)
        return chains

    async def _derive(self, connection: aiosqlite.Connection) -> list[_Form]:
        """Fill known_person, allowed_person and form; return the forms."""
        await self._fill_forms(connection, complete=True)
        for statement in _FORGET_FORMS_NOT_WANTED:
            await connection.execute_fetchall(statement)
        return await _forms(connection)

    async def _derive_early(self, connection: aiosqlite.Connection) -> list[_Form]:
        """Fill the same tables from a part of the lists."""
        await self._fill_forms(connection, complete=False)
        return await _forms(connection)

    async def _fill_forms(self, connection: aiosqlite.Connection, *, complete: bool) -> None:
        """Fill all three; that no person has the column counts only once they are complete."""
        for table in ("known_person", "allowed_person", "form"):
            await connection.execute_fetchall(f"DELETE FROM {table}")
        has_forms_column = await self._fill_known_people(connection)
        await self._fill_allowed_people(connection)
        if self._people == "deals" and has_forms_column:
            await connection.execute_fetchall(_FORMS_OF_ALLOWED_PEOPLE)
        elif self._people == "all" or complete:
            await self._fill_forms_from_list(connection)

    async def _fill_known_people(self, connection: aiosqlite.Connection) -> bool:
        """Copy the people; return whether any of them has the column that names forms."""
        if "people" not in self._published:
            await connection.execute_fetchall(
                "INSERT OR REPLACE INTO known_person SELECT id, value"
                f" FROM {values_of('people', FORMS_KEY)} WHERE id IS NOT NULL {_NEWEST_LAST}"
            )
            found = await connection.execute_fetchall(
                f"SELECT EXISTS (SELECT 1 FROM {values_of('people', FORMS_KEY)} WHERE has_key)"
            )
            return bool(next(iter(found))[0])
        forms = await _published_value(connection, "people", FORMS_KEY)
        await connection.execute_fetchall(
            f"INSERT OR REPLACE INTO known_person SELECT id, {forms} FROM final.people"
            " WHERE id IS NOT NULL"
        )
        return forms != "NULL"

    async def _fill_allowed_people(self, connection: aiosqlite.Connection) -> None:
        if self._people == "all":
            person, source = "id", "known_person"
        elif "deal" not in self._published:
            person, source = "value", values_of("deal", "peopleId")
        else:
            person, source = await _published_value(connection, "deal", "peopleId"), "final.deal"
        await connection.execute_fetchall(
            "INSERT OR IGNORE INTO allowed_person"
            f" SELECT person FROM (SELECT {person} AS person FROM {source})"
            " WHERE trim(coalesce(person, '')) <> ''"
        )

    async def _fill_forms_from_list(self, connection: aiosqlite.Connection) -> None:
        if WEBFORM_TABLE not in self._published:
            source = (
                f"SELECT id, value FROM {values_of(WEBFORM_TABLE, 'name')}"
                f" WHERE id IS NOT NULL {_NEWEST_LAST}"
            )
        else:
            name = await _published_value(connection, WEBFORM_TABLE, "name")
            source = f"SELECT id, {name} FROM final.{WEBFORM_TABLE} WHERE id IS NOT NULL"
        await connection.execute_fetchall(f"INSERT OR REPLACE INTO form {source}")


_NAMED_FORMS = """
    SELECT CASE each.type WHEN 'object' THEN json_extract(each.value, '$.id')
                          ELSE each.value END AS id,
           CASE each.type WHEN 'object' THEN json_extract(each.value, '$.name') END AS name
    FROM {people},
         json_each(CASE WHEN NOT json_valid(forms) THEN '[]'
                        WHEN json_type(forms) = 'object' THEN json_array(json(forms))
                        ELSE forms END) AS each
"""
_FORMS_OF_ALLOWED_PEOPLE = f"""
INSERT OR REPLACE INTO form
SELECT id, max(name)
FROM ({_NAMED_FORMS.format(people="known_person JOIN allowed_person USING (id)")})
WHERE trim(coalesce(id, '')) <> ''
GROUP BY id
"""
_FORMS_WITH_PEOPLE = f"""
SELECT form.id, form.name, count(named.id)
FROM form LEFT JOIN ({_NAMED_FORMS.format(people="known_person")}) AS named ON named.id = form.id
GROUP BY form.id
ORDER BY form.id
"""


_NOT_WANTED = f"""
"table" = '{SUBMISSION_TABLE}' AND json_extract(added, '$.webFormId') NOT IN (SELECT id FROM form)
"""
_FORGET_FORMS_NOT_WANTED = (
    f"DELETE FROM record WHERE chain IN (SELECT name FROM chain WHERE {_NOT_WANTED})",
    f"DELETE FROM chain WHERE {_NOT_WANTED}",
)
"""Since an earlier start of the run, no record names these forms any more."""


async def _forms(connection: aiosqlite.Connection) -> list[_Form]:
    return [_Form(*row) for row in await connection.execute_fetchall(_FORMS_WITH_PEOPLE)]


async def _published_value(connection: aiosqlite.Connection, table: str, key: str) -> str:
    """Return the SQL expression that reads `key` from a published table; NULL where it is not."""
    rows = await connection.execute_fetchall(f"PRAGMA final.table_info({table})")
    columns = {row[1] for row in rows}
    if key in columns:
        return f'"{key}"'
    return f"json_extract(_overflow, {_json_path(key)})" if "_overflow" in columns else "NULL"


def _json_path(key: str) -> str:
    return f"'$.\"{key}\"'"
