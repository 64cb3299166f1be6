"""Renew `webform_history` of the published DB in one transaction (`run --webform-only`).

Readers see the old rows until it commits, and everything else of the file stays as it is.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from salesmap_async.api.endpoints import SUBMISSION_TABLE
from salesmap_async.errors import KeptAsideError, PublishError
from salesmap_async.events import Listener, Note, Step, Warned
from salesmap_async.publish.carry import attached, copy_table
from salesmap_async.publish.manifest import CREATE_COLUMN_MAP, CREATE_MANIFEST, MANIFEST_COLUMNS
from salesmap_async.sqlite_file import (
    column_types,
    cure_of,
    is_locked,
    opened,
    quoted,
    row_count,
)

_CACHE_KIB = 65_536
"""Up to this much of the new table waits in memory, so that readers go on until the commit."""


def swap_webforms(
    final: Path, built: Path, *, run_tag: str, tell: Listener, deadline_s: float = 10.0
) -> None:
    """Put `webform_history` of `built`, with all that belongs to it, into `final`; repeatable.

    `deadline_s` bounds the wait for readers and writers. Raises KeptAsideError when they do not
    make way, PublishError otherwise; nothing is changed then.
    """
    tell(Step("webform swap", str(final)))
    try:
        with opened(final, "rw", timeout_s=deadline_s) as connection:
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            with attached(connection, built, "built"):
                _swap_in_one_transaction(connection, run_tag)
            rows = row_count(connection, SUBMISSION_TABLE)
    except sqlite3.Error as error:
        if is_locked(error):
            raise _kept_aside(final, built, tell) from error
        raise PublishError(
            f"{SUBMISSION_TABLE} could not be renewed: {error}; {final} is unchanged",
            cure=cure_of(error),
        ) from error
    tell(Note(f"{SUBMISSION_TABLE}: {rows} rows published"))


def _swap_in_one_transaction(connection: sqlite3.Connection, run_tag: str) -> None:
    try:
        connection.execute("BEGIN IMMEDIATE")
        _prepare_meta_tables(connection)
        connection.execute(f"DROP TABLE IF EXISTS main.{SUBMISSION_TABLE}")
        for table in ("manifest", "column_map"):
            connection.execute(f'DELETE FROM main.{table} WHERE "table" = ?', (SUBMISSION_TABLE,))
        copy_table(connection, SUBMISSION_TABLE, "built")
        columns = ", ".join(map(quoted, MANIFEST_COLUMNS))
        copied = connection.execute(
            f"INSERT INTO main.manifest ({columns}) SELECT {columns} FROM built.manifest"
            ' WHERE "table" = ? AND run_tag = ?',
            (SUBMISSION_TABLE, run_tag),
        )
        if copied.rowcount != 1:
            raise PublishError(f"the new {SUBMISSION_TABLE} is not of run {run_tag}")
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


def _prepare_meta_tables(connection: sqlite3.Connection) -> None:
    """Add what the DB of an older tool lacks."""
    for table, create, wanted in (
        ("manifest", CREATE_MANIFEST, MANIFEST_COLUMNS),
        ("column_map", CREATE_COLUMN_MAP, dict.fromkeys(("table", "key", "column"), "TEXT")),
    ):
        present = dict(column_types(connection, table))
        if not present:
            connection.execute(create)
            continue
        for name, declared in wanted.items():
            if name not in present:
                connection.execute(f"ALTER TABLE main.{table} ADD COLUMN {quoted(name)} {declared}")


def _kept_aside(final: Path, built: Path, tell: Listener) -> KeptAsideError:
    tell(Warned(f"{final} stayed locked and is unchanged; the new rows lie at {built}"))
    return KeptAsideError(
        f"{final} stayed locked by another program",
        kept_at=built,
        cure=f"close the programs that use {final}, then resume the run",
    )
