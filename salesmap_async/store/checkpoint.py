"""`checkpoint.json`: the readable mirror of the work DB, for people.

It decides nothing: a resume reads the work DB. It is rewritten after commits, a few times a second
at most, so a failure to write it is reported and survived.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from salesmap_async.files import replace_file_with_retry

RENAME_ATTEMPTS = 3
RENAME_DELAY_S = 0.2
TABLE_STATES = (
    'SELECT "table", sum(pages), sum(rows),'
    " CASE WHEN sum(state = 'reading') THEN 'reading' WHEN sum(state = 'failed') THEN 'failed'"
    " ELSE 'done' END,"
    " group_concat(nullif(error, ''), '; '), min(started_at), max(ended_at),"
    " CASE WHEN count(*) = 1 THEN json_extract(progress, '$.cursor') END"
    ' FROM chain GROUP BY "table"'
)
"""Sums up the chains of each table; the cursor where a table has one chain."""


def table_states(rows: Iterable[tuple[Any, ...]]) -> dict[str, dict[str, Any]]:
    """Return what the mirror says of each table, from the rows of TABLE_STATES."""
    return {
        table: {
            "state": state,
            "pages": pages,
            "rows": records,
            "cursor": cursor,
            "errors": errors or "",
            "started_at": started_at,
            "ended_at": None if state == "reading" else ended_at,
        }
        for table, pages, records, state, errors, started_at, ended_at, cursor in rows
    }


def write_mirror(
    path: Path,
    content: dict[str, Any],
    *,
    attempts: int = RENAME_ATTEMPTS,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Write `content` to `path`: temporary file, rename; a refused rename becomes a copy.

    Returns whether the rename was granted. Raises OSError when not even the copy works.
    """
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
    try:
        replace_file_with_retry(temporary, path, attempts, RENAME_DELAY_S, sleep=sleep)
    except PermissionError:  # Windows: a virus scanner or an editor holds the old file
        shutil.copyfile(temporary, path)
        return False
    return True


def read_mirror(path: Path) -> dict[str, Any] | None:
    """Return the mirror's content, or None where it is missing or damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
