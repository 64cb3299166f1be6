"""What the present final DB holds, whoever wrote it. Read-only."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from salesmap_async.errors import UsageError
from salesmap_async.publish.manifest import META_TABLES, read_one_row
from salesmap_async.publish.sqlite_file import (
    is_locked,
    opened,
    roll_back_leftovers,
    row_count,
    table_names,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The published snapshot; None for what its `run_info` does not say. `rows` are counted."""

    run_tag: str | None
    workspace_id: str | None
    workspace_name: str | None
    webform_people: str | None
    captured_at_utc: str | None
    rows: dict[str, int]


def read_published(path: Path, *, timeout_s: float = 5.0) -> Published | None:
    """Return what `path` holds; None when there is no file, or an empty one.

    Raises UsageError when it is not a database, is damaged, or stays locked for `timeout_s`.
    """
    try:
        if not path.exists() or path.stat().st_size == 0:
            return None
        roll_back_leftovers(path)
        with opened(path, "ro", timeout_s=timeout_s) as connection:
            return _read(connection)
    except sqlite3.Error as error:
        if is_locked(error):
            raise UsageError(
                f"{path} is locked by another program",
                cure="close the program that writes to it, then run again",
            ) from error
        raise UsageError(
            f"{path} is not a database, or it is damaged: {error}",
            cure="move it away, or restore a backup over it, then run again",
        ) from error
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error}", cure="check its permissions, then run again"
        ) from error


def _read(connection: sqlite3.Connection) -> Published:
    info = {
        name: None if value is None else str(value)
        for name, value in read_one_row(connection, "run_info").items()
    }
    return Published(
        run_tag=info.get("run_tag"),
        workspace_id=info.get("workspace_id"),
        workspace_name=info.get("workspace_name"),
        webform_people=info.get("webform_people"),
        captured_at_utc=info.get("captured_at_utc"),
        rows={
            table: row_count(connection, table)
            for table in table_names(connection)
            if table not in META_TABLES
        },
    )
