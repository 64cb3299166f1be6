"""Damage in a database file: how it is found, and how what is left of the file is kept."""

from __future__ import annotations

import math
import os
import shutil
import sqlite3
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from salesmap_async.errors import PublishError
from salesmap_async.events import Listener, Step, Warned
from salesmap_async.files import fsync_directory
from salesmap_async.sqlite_file import (
    opened,
    quoted,
    roll_back_leftovers,
    sidecars,
    table_names,
)

QUICK_LOOK_S = 3.0
"""A look that others wait for takes no longer than this."""
_STEPS_BETWEEN_CLOCKS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What an examination found: `damage` is '' for none; `left_out`: tables it did not reach."""

    damage: str = ""
    tables: int = 0
    left_out: int = 0


def examine(path: Path, *, limit_s: float | None = None) -> Examined:
    """Look for damage with `quick_check`, table by table, for at most `limit_s`; None: to the end.

    Raises sqlite3.Error where the file cannot be asked, e.g. because of a lock.
    """
    try:
        roll_back_leftovers(path)
        with opened(path, "ro", timeout_s=1.0) as connection:
            ends_at_s = math.inf if limit_s is None else time.monotonic() + limit_s
            return _examine_tables(connection, ends_at_s)
    except (sqlite3.Error, UnicodeError) as error:
        if not is_damage(error):
            raise
        return Examined(damage=str(error))


def examine_quickly(path: Path) -> Examined:
    """Look for damage for at most QUICK_LOOK_S; each state of a file is searched once by a process.

    Raises sqlite3.Error like `examine`, and OSError.
    """
    stat = path.stat()
    return _examine_state(path, (stat.st_ino, stat.st_size, stat.st_mtime_ns))


@lru_cache(maxsize=8)
def _examine_state(path: Path, _state: tuple[int, ...]) -> Examined:
    return examine(path, limit_s=QUICK_LOOK_S)


def damage_in(path: Path) -> str:
    """Return what `integrity_check` finds wrong in the database `path`, '' for nothing.

    Raises sqlite3.Error where it cannot be asked, e.g. because of a lock.
    """
    try:
        roll_back_leftovers(path)
        with opened(path, "ro") as connection:
            (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.Error as error:
        if not is_damage(error):
            raise
        return str(error)
    return "" if verdict == "ok" else str(verdict)


def is_damage(error: Exception) -> bool:
    """Tell whether `error` means that the file itself is broken, or no database at all."""
    if isinstance(error, UnicodeError):
        return True
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # the module's own error: a text of the file that is no text
        return isinstance(error, sqlite3.OperationalError) and "decode" in str(error)
    return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def keep_damaged(final: Path, kept_at: Path, damage: str, *, tell: Listener) -> Path:
    """Keep the bytes of a DB that SQLite cannot copy, and what lies beside it; return where.

    What lay beside the damaged file must not be applied to the new one. Raises PublishError.
    """
    tell(Warned(f"the present DB is damaged ({damage}): its bytes are kept as they are"))
    kept_at = _unused(kept_at)
    tell(Step("keep the damaged file", str(kept_at)))
    try:
        kept_at.parent.mkdir(parents=True, exist_ok=True)
        beside = sidecars(final)
        for each in (final, *beside):
            _copy_bytes(each, kept_at.with_name(kept_at.name + each.name.removeprefix(final.name)))
        fsync_directory(kept_at.parent)
        for each in beside:
            each.unlink()
    except OSError as error:
        raise PublishError(
            f"{final} could not be kept: {error}", cure="check the disk, then try again"
        ) from error
    return kept_at


def _examine_tables(connection: sqlite3.Connection, ends_at_s: float) -> Examined:
    def is_over() -> bool:
        return time.monotonic() >= ends_at_s

    connection.set_progress_handler(is_over, _STEPS_BETWEEN_CLOCKS)
    tables = table_names(connection)
    for done, table in enumerate(tables):
        if is_over():
            return Examined(tables=len(tables), left_out=len(tables) - done)
        try:
            row = connection.execute(f"PRAGMA quick_check({quoted(table)})").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
            return Examined(tables=len(tables), left_out=len(tables) - done)
        if row[0] != "ok":
            return Examined(damage=f"table {table}: {row[0]}", tables=len(tables))
    return Examined(tables=len(tables))


def _unused(path: Path) -> Path:
    candidate, number = path, 1
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.stem}_{number}{path.suffix}")
    return candidate


def _copy_bytes(source: Path, dest: Path) -> None:
    with source.open("rb") as old, dest.open("xb") as new:
        shutil.copyfileobj(old, new)
        new.flush()
        os.fsync(new.fileno())
