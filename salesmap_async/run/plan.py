"""Which run this start is about: a new one, or an earlier one to go on with.

Nothing is touched here. A resume takes what to read, the final DB, the base URL and whose web
forms from the run's own work DB, and everything else from the settings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

from salesmap_async.api.endpoints import SUBMISSION_TABLE, select_tables
from salesmap_async.errors import StoreError, UsageError
from salesmap_async.paths import RunPaths, history_path
from salesmap_async.run.history import PUBLISHED, History
from salesmap_async.settings import DEFAULT_BASE_URL, Settings, WebformPeople
from salesmap_async.store.checkpoint import read_mirror
from salesmap_async.store.work_db import (
    RunIdentity,
    RunKind,
    is_of_another_version,
    open_work_db,
    read_chains,
    read_identity,
)
from salesmap_async.times import moment_of, span


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """One start. `settings` are those to work with; `earlier` is the run it goes on with."""

    settings: Settings
    paths: RunPaths
    kind: RunKind
    tables: tuple[str, ...]
    earlier: RunIdentity | None
    remark: str = ""


def make_plan(settings: Settings) -> RunPlan:
    """Decide which run to do. Raises UsageError where the settings name none that can be done."""
    if settings.resume_run_tag is not None:
        return _plan_of(settings, _named_run(settings, settings.resume_run_tag))
    if not settings.resume:
        return _new_plan(settings, remark=unfinished_run(settings))
    earlier = _newest_unfinished(settings)
    if earlier is None:
        why = _of_another_version(settings) or "there is no unfinished run to resume"
        return _new_plan(settings, remark=f"{why}: starting a new one")
    if (too_old := _too_old(settings, earlier)) is not None:
        return _new_plan(settings, remark=f"{too_old}: starting a new one")
    return _plan_of(settings, earlier)


def unfinished_run(settings: Settings) -> str:
    """Say which run `--resume` would go on with, and what that would save; '' for none."""
    try:
        run = _newest_unfinished(settings)
    except UsageError:
        return ""
    if run is None or _too_old(settings, run) is not None:
        return ""
    with open_work_db(settings.paths(run.run_tag).work_db) as connection:
        rows = sum(chain.rows for chain in read_chains(connection))
    return f"run {run.run_tag} is unfinished: `run --resume` would save reading {rows:,} rows again"


def resumable_runs(checkpoint_dir: Path) -> list[RunIdentity]:
    """Return the runs whose work DB can be read, newest first."""
    runs = []
    for folder in sorted(checkpoint_dir.glob("*/")):
        identity = _identity_in(folder)
        if identity is not None and identity.run_tag == folder.name:
            runs.append(identity)
    return sorted(runs, key=lambda run: (run.started_at, run.run_tag), reverse=True)


def is_resumable(paths: RunPaths) -> bool:
    """Tell whether the run's work DB can be read, so that the run can go on."""
    return _identity_in(paths.work_dir) is not None


def _new_plan(settings: Settings, remark: str = "") -> RunPlan:
    if settings.webform_only:
        tables: tuple[str, ...] = (SUBMISSION_TABLE,)
    else:
        tables = select_tables(only=settings.only, skip=settings.skip, include=settings.include)
    if settings.run_tag is not None:
        _check_tag_is_new(settings, settings.run_tag)
    return RunPlan(
        settings=settings,
        paths=settings.paths(settings.run_tag or _unused_tag(settings)),
        kind="webform-only" if settings.webform_only else "full",
        tables=tables,
        earlier=None,
        remark=remark,
    )


def _check_tag_is_new(settings: Settings, tag: str) -> None:
    """Raise UsageError where a run of that tag has left anything, even if only in the history."""
    paths = settings.paths(tag)
    if paths.work_db.exists() and not _history(settings).is_finished(tag):
        raise UsageError(
            f"a run {tag} exists already",
            cure="go on with it as below, or choose another tag",
            instead=("--resume-run-tag", tag),
        )
    if _is_taken(settings, tag):
        raise UsageError(
            f"a run {tag} exists already",
            cure="choose another tag, or leave it out",
            instead=(),
        )


def _is_taken(settings: Settings, tag: str) -> bool:
    paths = settings.paths(tag)
    return paths.has_traces() or paths.backup_db.exists() or _history(settings).knows(tag)


def _unused_tag(settings: Settings) -> str:
    """Return the UTC time as a tag, with a number behind it where that second is taken."""
    base = f"{datetime.now(UTC):%Y%m%d_%H%M%S}"
    tag, number = base, 1
    while _is_taken(settings, tag):
        number += 1
        tag = f"{base}_{number}"
    return tag


def _plan_of(settings: Settings, earlier: RunIdentity) -> RunPlan:
    remembered = replace(
        settings,
        db_path=Path(earlier.db_path),
        base_url=_base_url(settings, earlier),
        webform_people=cast(WebformPeople, earlier.webform_people),
        resume_run_tag=earlier.run_tag,
    )
    remark = f"going on with run {earlier.run_tag}"
    if remembered.db_path != settings.db_path:
        remark += f" of {earlier.db_path}"
    return RunPlan(
        settings=remembered,
        paths=remembered.paths(earlier.run_tag),
        kind=earlier.kind,
        tables=earlier.tables,
        earlier=earlier,
        remark=remark,
    )


def _base_url(settings: Settings, earlier: RunIdentity) -> str:
    """Return the URL named now, if one is, else the run's own. The workspace is checked later."""
    if settings.base_url in (DEFAULT_BASE_URL, earlier.base_url):
        return earlier.base_url
    if earlier.workspace_id is None:
        raise UsageError(
            f"run {earlier.run_tag} reads {earlier.base_url}, not {settings.base_url}",
            cure="leave out --base-url to go on with it, or start a new run",
        )
    return settings.base_url


def _named_run(settings: Settings, tag: str) -> RunIdentity:
    paths = settings.paths(tag)
    mirror = read_mirror(paths.checkpoint_json)
    if _history(settings).is_finished(tag) or (
        not paths.work_db.exists() and _says_published(mirror)
    ):
        raise UsageError(
            f"run {tag} is finished, there is nothing left to resume",
            cure="start a new run",
            instead=(),
        )
    if not paths.work_dir.is_dir():
        raise UsageError(
            f"there is no run {tag} in {settings.checkpoint_dir}",
            cure=_known(settings),
            instead=("--resume",) if resumable_runs(settings.checkpoint_dir) else (),
        )
    if not paths.work_db.is_file():
        raise UsageError(
            f"run {tag} cannot be resumed: its work DB {paths.work_db} is missing, and "
            "checkpoint.json alone holds no data",
            cure="start a new run; the final DB is as it was",
            instead=(),
        )
    identity = _readable_identity(paths.work_db, tag)
    if (too_old := _too_old(settings, identity)) is not None:
        raise UsageError(
            f"{too_old}; a new run would have fresher data",
            cure="start a new run, or raise that limit as below",
            instead=(
                *("--resume-run-tag", tag),
                *("--max-resume-age", str(math.ceil(_age_h(identity)) + 1)),
            ),
        )
    return identity


def _too_old(settings: Settings, run: RunIdentity) -> str | None:
    """Return why a run is not to be resumed any more, None where it may be."""
    if _age_h(run) <= settings.max_resume_age_h:
        return None
    return (
        f"run {run.run_tag} began {span(timedelta(hours=_age_h(run)))} ago, longer than "
        f"--max-resume-age {settings.max_resume_age_h:g} (hours) allows"
    )


def _age_h(run: RunIdentity) -> float:
    began = moment_of(run.started_at)
    return 0.0 if began is None else (datetime.now(UTC) - began) / timedelta(hours=1)


def _readable_identity(work_db: Path, tag: str) -> RunIdentity:
    try:
        with open_work_db(work_db) as connection:
            return read_identity(connection)
    except StoreError as error:
        raise UsageError(
            f"run {tag} cannot be resumed: {error}",
            cure="start a new run; the final DB is as it was",
            instead=(),
        ) from None


def _newest_unfinished(settings: Settings) -> RunIdentity | None:
    """Return the newest unfinished run of this DB and kind, if it is newer than what was published.

    An older one would put older data over newer, or undo a restore. Raises UsageError when the
    newest has lost its work DB: to start anew is then for a person to decide.
    """
    kind = "webform-only" if settings.webform_only else "full"
    history = _history(settings)
    candidates = [
        run
        for run in resumable_runs(settings.checkpoint_dir)
        if (run.db_path, run.kind) == (str(settings.db_path), kind)
    ]
    lost = _lost_runs(settings, kind)
    starts = {run.run_tag: run.started_at for run in candidates} | lost
    over = history.superseded(starts, settings.db_path, kind, by_restore=True)
    over |= history.finished(starts)
    newest = next((run for run in candidates if run.run_tag not in over), None)
    for tag, started_at in lost.items():
        if tag not in over and (newest is None or started_at > newest.started_at):
            raise UsageError(
                f"the unfinished run {tag} cannot be resumed: its work DB "
                f"{settings.paths(tag).work_db} is missing",
                cure="start a new run without --resume; the final DB is as it was",
                instead=(),
            )
    return newest


def _of_another_version(settings: Settings) -> str:
    """Say which run cannot be resumed because its work DB is laid out otherwise; '' for none."""
    finished = _history(settings).is_finished
    for paths in map(settings.paths, _tags_of(settings)):
        if is_of_another_version(paths.work_db) and not finished(paths.run_tag):
            return (
                f"run {paths.run_tag} was begun by another version of this program and cannot be "
                "resumed by this one"
            )
    return ""


def _tags_of(settings: Settings) -> list[str]:
    """Return the tags of the runs of this DB whose checkpoint is there, newest first."""
    mirrors = sorted(settings.checkpoint_dir.glob("*/checkpoint.json"), reverse=True)
    return [
        path.parent.name
        for path in mirrors
        if (mirror := read_mirror(path)) and mirror.get("db_path") == str(settings.db_path)
    ]


def _lost_runs(settings: Settings, kind: str) -> dict[str, str]:
    """Return the start of every unfinished run of this DB and kind that has lost its work DB."""
    lost = {}
    for mirror_path in settings.checkpoint_dir.glob("*/checkpoint.json"):
        mirror = read_mirror(mirror_path)
        if mirror is None or mirror_path.with_name("snapshot.db").exists():
            continue
        same_run = mirror.get("db_path") == str(settings.db_path) and mirror.get("kind") == kind
        if same_run and not _says_published(mirror):
            lost[mirror_path.parent.name] = str(mirror.get("started_at", ""))
    return lost


def _history(settings: Settings) -> History:
    return History(history_path(settings.log_dir))


def _says_published(mirror: dict[str, object] | None) -> bool:
    return mirror is not None and mirror.get("state") == PUBLISHED


def _identity_in(folder: Path) -> RunIdentity | None:
    try:
        with open_work_db(folder / "snapshot.db") as connection:
            return read_identity(connection)
    except StoreError:
        return None


def _known(settings: Settings) -> str:
    tags = [run.run_tag for run in resumable_runs(settings.checkpoint_dir)]
    return f"runs that can be resumed: {', '.join(tags)}" if tags else "no run can be resumed"
