"""What must be true before a run touches anything: writable paths, disk space, a good token."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from salesmap_async.api.client import Client, Whoami
from salesmap_async.errors import (
    RequestRefusedError,
    SalesmapError,
    TokenRefusedError,
    UnusableAnswerError,
    UsageError,
)
from salesmap_async.events import Listener, Note, Warned
from salesmap_async.plan import RunPlan
from salesmap_async.publish.published import Published
from salesmap_async.settings import Settings, option_flag

SMALLEST_FREE_BYTES = 50 * 1024 * 1024
_TOLERATED_SKEW_S = 300.0


def check_paths(settings: Settings) -> None:
    """Raise UsageError where the run could not write, or not enough."""
    for name in ("db_path", "backup_dir", "log_dir", "checkpoint_dir"):
        path: Path = getattr(settings, name)
        folder = path.parent if name == "db_path" else path
        nearest = next((p for p in (folder, *folder.parents) if p.exists()), None)
        if nearest is None:
            raise UsageError(f"{option_flag(name)} {path}: there is no such drive")
        if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
            raise UsageError(
                f"{option_flag(name)} {path}: {nearest} is not a folder that can be written to"
            )
        _check_space(name, nearest, settings.db_path)


def check_workspace(
    plan: RunPlan,
    workspace_id: str | None,
    workspace_name: str | None,
    published: Published | None,
) -> None:
    """Raise UsageError when two workspaces' data would meet in the final DB.

    An unknown workspace may replace a whole snapshot, but not a part of one.
    """
    if published is None or published.workspace_id in (None, workspace_id):
        return
    held = published.workspace_name or published.workspace_id
    if workspace_id is not None:
        raise UsageError(
            f"{plan.paths.final_db} holds workspace {held}, but this run reads "
            f"{workspace_name or workspace_id}",
            cure="use another --db-path for this workspace, or the other workspace's token",
        )
    if set(published.rows) - set(plan.tables):
        raise UsageError(
            f"{plan.paths.final_db} holds workspace {held}; the API does not tell whose this token "
            "is, so its tables cannot be mixed with those",
            cure="read all tables, or use another --db-path",
        )


async def ask_workspace(client: Client, tell: Listener) -> Whoami:
    """Ask whose token this is. Raises UsageError for a refused token, SalesmapError when the API
    cannot be reached; any other answer only warns, and the workspace stays unknown.
    """
    try:
        whoami = await client.whoami()
    except TokenRefusedError as error:
        raise UsageError(f"the token is not accepted: {error}", cure=error.cure) from None
    except UnusableAnswerError as error:
        if error.status is None or error.status >= 500:
            raise SalesmapError(f"the API cannot be reached: {error}") from None
        return _unknown(f"{error}", tell)
    except RequestRefusedError as error:
        if error.status == 0:
            raise
        return _unknown(f"{error}", tell)
    if whoami.workspace_id is None:
        return _unknown("its answer names none", tell)
    if whoami.clock_skew_s is not None and abs(whoami.clock_skew_s) > _TOLERATED_SKEW_S:
        tell(Warned(f"this machine's clock is {-whoami.clock_skew_s:.0f} s off the server's"))
    tell(Note(f"workspace {whoami.workspace_name} ({whoami.workspace_id})"))
    return whoami


def _unknown(why: str, tell: Listener) -> Whoami:
    tell(Warned(f"/user/me does not tell the workspace: {why}"))
    return Whoami(None, None, None, None)


def _check_space(name: str, folder: Path, final_db: Path) -> None:
    present = final_db.stat().st_size if final_db.exists() else 0
    needed = max(2 * present, SMALLEST_FREE_BYTES)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UsageError(
            f"{option_flag(name)}: only {free >> 20} MiB are free on the disk of {folder}, a run "
            f"needs about {needed >> 20} MiB",
            cure="free some space; nothing was touched",
        )
