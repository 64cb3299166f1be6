"""What must be true before a run touches anything: writable paths, disk space, a good token."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from salesmap_async.api.client import Client, Whoami
from salesmap_async.api.endpoints import ENDPOINTS
from salesmap_async.errors import (
    RequestRefusedError,
    SalesmapError,
    StartRefusedError,
    TokenRefusedError,
    UnusableAnswerError,
    UsageError,
)
from salesmap_async.events import Listener, Note, Warned
from salesmap_async.publish.published import Published
from salesmap_async.run.checks import DISK_SPACE, machine_checks
from salesmap_async.settings import Settings

TOLERATED_SKEW_S = 300.0
_ADMINISTRATORS = ("어드민", "admin", "Admin", "ADMIN")


def check_paths(settings: Settings) -> None:
    """Raise UsageError for the first thing that `doctor` would call failed on this machine."""
    for finding in machine_checks(settings):
        if finding.level == "failed":
            refusal = StartRefusedError if finding.what == DISK_SPACE else UsageError
            raise refusal(finding.said, cure=finding.cure)


def check_workspace(
    workspace_id: str | None,
    workspace_name: str | None,
    *,
    published: Published | None,
    final_db: Path,
    tables: Collection[str],
) -> None:
    """Raise StartRefusedError when two workspaces' data would meet in the final DB.

    `tables` are those that the run replaces. An unknown workspace may replace a whole snapshot, but
    not a part of one.
    """
    if published is None or published.workspace_id in (None, workspace_id):
        return
    held = published.workspace_name or published.workspace_id
    if workspace_id is not None:
        raise StartRefusedError(
            f"{final_db} holds workspace {held}, but this run reads "
            f"{workspace_name or workspace_id}",
            cure="use another --db-path for this workspace, or the other workspace's token",
        )
    if set(published.rows) - set(tables):
        raise StartRefusedError(
            f"{final_db} holds workspace {held}; the API does not tell whose this token "
            "is, so its tables cannot be mixed with those",
            cure="read all tables, or use another --db-path",
        )


async def ask_workspace(client: Client, tell: Listener) -> Whoami:
    """Ask whose token this is; where the answer does not tell, warn: the workspace stays unknown.

    Raises StartRefusedError for a refused token, SalesmapError when the API cannot be reached.
    """
    try:
        whoami = await client.whoami()
    except TokenRefusedError as error:
        raise StartRefusedError(f"the token is not accepted: {error}", cure=error.cure) from None
    except UnusableAnswerError as error:
        if error.status != 200:
            raise SalesmapError(f"the API cannot be reached: {error}", cure=error.cure) from None
        return _unknown(f"{error}", tell)
    except RequestRefusedError as error:
        if error.status == 0:
            raise
        if error.status == 404 and not await client.knows_route(ENDPOINTS[0].path):
            raise StartRefusedError(
                f"there is no Salesmap API at --base-url: {error}, and GET {ENDPOINTS[0].path} "
                "likewise",
                cure="correct --base-url (SALESMAP_API_BASE), or use Salesmap's own as below",
                instead=(),
                without=("base_url",),
            ) from None
        return _unknown(f"{error}", tell)
    if whoami.workspace_id is None:
        return _unknown("its answer names none", tell)
    if whoami.clock_skew_s is not None and abs(whoami.clock_skew_s) > TOLERATED_SKEW_S:
        tell(Warned(f"this machine's clock is {-whoami.clock_skew_s:.0f} s off the server's"))
    tell(Note(f"workspace {whoami.workspace_name} ({whoami.workspace_id})"))
    if whoami.role is not None and whoami.role not in _ADMINISTRATORS:
        tell(
            Warned(
                f"the token is of a user with the role {whoami.role}, who may see fewer records "
                "than an administrator (어드민): lists may be narrower than the workspace"
            )
        )
    return whoami


def _unknown(why: str, tell: Listener) -> Whoami:
    tell(Warned(f"/user/me does not tell the workspace: {why}"))
    return Whoami(None, None, None, None)
