"""The web-form step's tables in the work DB: whose submissions count, and which forms they fill.

`known_person`, `allowed_person` and `form` are filled by SQL over the stored records, so they come
out the same after a resume. A source that the run does not read is taken from the published DB,
attached as `final`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import aiosqlite

from salesmap_async.settings import WebformPeople
from salesmap_async.store.chains import drop_chains
from salesmap_async.store.work_db import has_key, values_of

FORMS_KEY = "제출된 웹폼 목록"
PEOPLE, DEALS, FORMS, SUBMISSIONS = "people", "deal", "webform", "webform_history"
"""The tables that this step reads, and the one whose chains it decides about."""

_NEWEST_LAST = "ORDER BY chain, page, position"


@dataclass(frozen=True, slots=True)
class Form:
    """A form to ask for; `people` is how many of the known people name it."""

    id: str
    name: str | None
    people: int


async def derive_forms(
    connection: aiosqlite.Connection,
    *,
    people: WebformPeople,
    published: Collection[str],
    complete: bool,
) -> list[Form]:
    """Fill the three tables and return the forms.

    `published` are the sources to take from `final`. Once people and deals are `complete`, chains
    of forms that no record names any more are forgotten, with what they have read.
    """
    for table in ("known_person", "allowed_person", "form"):
        await connection.execute_fetchall(f"DELETE FROM {table}")
    has_forms_column = await _fill_known_people(connection, published)
    await _fill_allowed_people(connection, people, published)
    if people == "deals" and has_forms_column:
        await connection.execute_fetchall(_FORMS_OF_ALLOWED_PEOPLE)
    elif people == "all" or complete:  # that no person has the column counts only at the end
        await _fill_forms_from_list(connection, published)
    if complete:
        await drop_chains(connection, _NOT_WANTED)
    rows = await connection.execute_fetchall(_FORMS_WITH_PEOPLE)
    return [Form(*row) for row in rows]


async def _fill_known_people(connection: aiosqlite.Connection, published: Collection[str]) -> bool:
    """Copy the people; return whether any of them has the column that names forms."""
    if PEOPLE not in published:
        await connection.execute_fetchall(
            "INSERT OR REPLACE INTO known_person SELECT id, value"
            f" FROM {values_of(PEOPLE, FORMS_KEY)} WHERE id IS NOT NULL {_NEWEST_LAST}"
        )
        found = await connection.execute_fetchall(f"SELECT {has_key(PEOPLE, FORMS_KEY)}")
        return bool(next(iter(found))[0])
    forms = await _published_value(connection, PEOPLE, FORMS_KEY)
    await connection.execute_fetchall(
        f"INSERT OR REPLACE INTO known_person SELECT id, {forms} FROM final.people"
        " WHERE id IS NOT NULL"
    )
    return forms != "NULL"


async def _fill_allowed_people(
    connection: aiosqlite.Connection, people: WebformPeople, published: Collection[str]
) -> None:
    if people == "all":
        person, source = "id", "known_person"
    elif DEALS not in published:
        person, source = "value", values_of(DEALS, "peopleId")
    else:
        person, source = await _published_value(connection, DEALS, "peopleId"), "final.deal"
    await connection.execute_fetchall(
        "INSERT OR IGNORE INTO allowed_person"
        f" SELECT person FROM (SELECT {person} AS person FROM {source})"
        " WHERE trim(coalesce(person, '')) <> ''"
    )


async def _fill_forms_from_list(
    connection: aiosqlite.Connection, published: Collection[str]
) -> None:
    if FORMS not in published:
        source = (
            f"SELECT id, value FROM {values_of(FORMS, 'name')} WHERE id IS NOT NULL {_NEWEST_LAST}"
        )
    else:
        name = await _published_value(connection, FORMS, "name")
        source = f"SELECT id, {name} FROM final.{FORMS} WHERE id IS NOT NULL"
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
"table" = '{SUBMISSIONS}' AND json_extract(added, '$.webFormId') NOT IN (SELECT id FROM form)
"""


async def _published_value(connection: aiosqlite.Connection, table: str, key: str) -> str:
    """Return the SQL expression that reads `key` from a published table; NULL where it is not."""
    rows = await connection.execute_fetchall(f"PRAGMA final.table_info({table})")
    columns = {row[1] for row in rows}
    if key in columns:
        return f'"{key}"'
    return f"json_extract(_overflow, {_json_path(key)})" if "_overflow" in columns else "NULL"


def _json_path(key: str) -> str:
    return f"'$.\"{key}\"'"
