"""Which column of the snapshot means what.

SQL is written with `{deal.amount}` for a column. Filling it in finds each column in the file: a
missing one is NULL, never the string literal that SQLite would make of its name. Which figures that
takes away is said by `lacking`; a missing table is an error that names it.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from salesmap_async.dashboard.web.errors import MissingTablesError
from salesmap_async.publish.schema import OVERFLOW
from salesmap_async.sqlite_file import column_types, quoted, table_names

ColumnMap = Mapping[str, Mapping[str, str]]
"""Table -> meaning -> field of the CRM; '' for a field that the workspace does not have."""

DEFAULT_COLUMNS: ColumnMap = {
    "organization": {
        "name": "이름",
        "size": "기업 규모",
        "team": "팀",
        "owner": "담당자",
        "industry": "업종",
        "industry_major": "업종 구분(대)",
        "industry_mid": "업종 구분(중)",
    },
    "people": {
        "name": "이름",
        "upper_org": "소속 상위 조직",
        "team_signature": "팀(명함/메일서명)",
        "title_signature": "직급(명함/메일서명)",
        "edu_area": "담당 교육 영역",
        "email": "이메일",
        "phone": "전화",
        "webforms": "제출된 웹폼 목록",
        "owner": "담당자",
    },
    "deal": {
        "name": "이름",
        "team": "팀",
        "owner": "담당자",
        "status": "상태",
        "probability": "성사 가능성",
        "expected_close_date": "수주 예정일",
        "expected_amount": "예상 체결액",
        "lost_at": "LOST 확정일",
        "lost_reason": "이탈 사유",
        "course_format": "과정포맷",
        "category": "카테고리",
        "contract_date": "계약 체결일",
        "amount": "금액",
        "start_date": "수강시작일",
        "end_date": "수강종료일",
        "net_percent": "Net(%)",
        "created_at": "생성 날짜",
        "part": "담당 파트",
        "pipeline": "파이프라인",
        "stage": "파이프라인 단계",
    },
    "memo": {
        "text": "text",
        "html": "htmlBody",
        "owner_id": "ownerId",
        "created_at": "createdAt",
        "updated_at": "updatedAt",
    },
}
DISPENSABLE = frozenset({"deal.part", "deal.pipeline", "deal.stage", "memo.html"})
"""Meanings that nobody is asked for: what they tell can be told otherwise."""

BEARABLE = frozenset({"deal.course_format", "people.upper_org", "people.team_signature"})
"""Meanings that a workspace may do without: what they would tell apart counts as one."""

OPEN_AMOUNT = ("deal", "open_amount")
"""What an open deal is worth: the expected amount, in a workspace without that field the amount."""

_OPEN_AMOUNTS = ("expected_amount", "amount")
NULL = "NULL"
_PLACEHOLDER = re.compile(r"\{(\w+)\.(\w+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableShape:
    """What one table of the file has. `renamed`: field of the CRM -> its column."""

    columns: tuple[str, ...]
    renamed: Mapping[str, str]
    is_empty: bool


class Columns:
    """The columns of one snapshot file, by their meaning."""

    def __init__(self, tables: Mapping[str, TableShape], meanings: ColumnMap) -> None:
        self._tables = tables
        self._meanings = meanings

    def has_table(self, table: str) -> bool:
        """Tell whether the file has `table`."""
        return table in self._tables

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables of the file."""
        return tuple(self._tables)

    def has(self, table: str, meaning: str) -> bool:
        """Tell whether the file has the column of that meaning."""
        return self._column(table, meaning) not in (None, NULL)

    def of_table(self, table: str) -> tuple[str, ...]:
        """Return the column names of `table` as they are stored; () where there is none."""
        return self._tables[table].columns if table in self._tables else ()

    def sql(self, template: str) -> str:
        """Return `template` with each `{table.meaning}` as the column that it is.

        A meaning is a key of the column map, or a column's own name (`id`, `peopleId`). Raises
        MissingTablesError, naming all that are missing.
        """
        missing: list[str] = []

        def fill(found: re.Match[str]) -> str:
            table, meaning = found.groups()
            if table not in self._tables:
                missing.append(table)
            return self._column(table, meaning) or NULL

        filled = _PLACEHOLDER.sub(fill, template)
        if missing:
            raise MissingTablesError(missing)
        return filled

    def absent(self) -> list[tuple[str, str]]:
        """Return (table, meaning) of the mapped fields that the file does not have."""
        return [
            (table, meaning)
            for table, meanings in self._meanings.items()
            for meaning in meanings
            if f"{table}.{meaning}" not in DISPENSABLE and self._column(table, meaning) is None
        ]

    def lacks(self, table: str, meaning: str) -> bool:
        """Tell whether records of `table` are there and this field of theirs is not.

        A field of BEARABLE that the configuration leaves out on purpose is not lacked.
        """
        shape = self._tables.get(table)
        if shape is None or shape.is_empty or self.has(table, meaning):
            return False
        return not (f"{table}.{meaning}" in BEARABLE and self.is_left_out(table, meaning))

    def is_left_out(self, table: str, meaning: str) -> bool:
        """Tell whether the configuration says that the workspace has no such field."""
        return self._meanings.get(table, {}).get(meaning) == ""

    def unmapped(self, table: str) -> tuple[str, ...]:
        """Return the columns of `table` that no meaning names."""
        named = set(self._meanings.get(table, {}).values())
        return tuple(column for column in self.of_table(table) if column not in named)

    def key_of(self, table: str, meaning: str) -> str:
        """Return the key of `dashboard.toml` that names the field; '' where none does."""
        _, meaning = _asked_for(table, meaning)
        return f"columns.{table}.{meaning}" if meaning in self._meanings.get(table, {}) else ""

    def full_name(self, table: str, meaning: str) -> str:
        """Return `deal.금액` for (deal, amount), and `deal` where the whole table is missing.

        A field that the configuration leaves out has the name of its meaning.
        """
        if table not in self._tables:
            return table
        _, meaning = _asked_for(table, meaning)
        return f"{table}.{self._meanings.get(table, {}).get(meaning, meaning) or meaning}"

    def _column(self, table: str, meaning: str) -> str | None:
        """Return the SQL of a column; None where it is missing and the table has rows."""
        shape = self._tables.get(table)
        if shape is None:
            return None
        if (table, meaning) == OPEN_AMOUNT:
            first, second = (self._column(table, each) for each in _OPEN_AMOUNTS)
            return second if first in (None, NULL) else first
        field = self._meanings.get(table, {}).get(meaning, meaning)
        column = shape.renamed.get(field, field)
        if column == OVERFLOW and '"' not in field:
            path = f'$."{field}"'.replace("'", "''")
            return f"json_extract({quoted(table)}.{quoted(OVERFLOW)}, '{path}')"
        if column in shape.columns:
            return f"{quoted(table)}.{quoted(column)}"
        return NULL if shape.is_empty or not field else None


def _asked_for(table: str, meaning: str) -> tuple[str, str]:
    """Return the field that a workspace is asked for, where it lacks this one."""
    return (table, _OPEN_AMOUNTS[0]) if (table, meaning) == OPEN_AMOUNT else (table, meaning)


def read_columns(connection: sqlite3.Connection, meanings: ColumnMap) -> Columns:
    """Read which tables and columns the file has."""
    renamed = _renamed(connection)
    shapes = {}
    for table in table_names(connection):
        (filled,) = connection.execute(f"SELECT EXISTS (SELECT 1 FROM {quoted(table)})").fetchone()
        shapes[table] = TableShape(
            columns=tuple(name for name, _ in column_types(connection, table)),
            renamed=renamed.get(table, {}),
            is_empty=not filled,
        )
    return Columns(shapes, meanings)


def _renamed(connection: sqlite3.Connection) -> dict[str, dict[str, str]]:
    """Return what `column_map` says: table -> field of the CRM -> column."""
    names = {name for name, _ in column_types(connection, "column_map")}
    if not {"table", "key", "column"} <= names:
        return {}
    found: dict[str, dict[str, str]] = {}
    for table, key, column in connection.execute('SELECT "table", "key", "column" FROM column_map'):
        found.setdefault(table, {})[key] = column
    return found
