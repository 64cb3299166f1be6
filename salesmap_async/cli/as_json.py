"""What commands print with --json: one object, in English, times in UTC; `docs/schemas` has each.

With --json nothing else goes to standard output. A command that fails prints `failed(...)` there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from salesmap_async.errors import SalesmapError, exit_code_of

if TYPE_CHECKING:
    from salesmap_async.operate.look import SnapshotFile
    from salesmap_async.operate.prune import Pruned
    from salesmap_async.operate.restore import Restored
    from salesmap_async.operate.runs import RunEntry
    from salesmap_async.operate.status import Checkpoint, Status
    from salesmap_async.operate.timeline import TimelineLook
    from salesmap_async.run.checks import Finding
    from salesmap_async.run.snapshot import RunReport

Json = dict[str, Any]


def print_json(answer: Json | list[Json]) -> None:
    """Print one answer."""
    click.echo(json.dumps(answer, ensure_ascii=False, indent=1))


def failed(error: SalesmapError, next_command: str) -> Json:
    """Return the answer of any command that failed."""
    return {
        "ok": False,
        "exit_code": exit_code_of(error),
        "error": str(error),
        "cure": error.cure or None,
        "run_tag": error.run.run_tag if error.run else None,
        "published": error.published,
        "next": next_command,
    }


def published(report: RunReport) -> Json:
    """Return the answer of a run that is published."""
    paths = report.paths
    return {
        "ok": True,
        "exit_code": 0,
        "run_tag": report.run_tag,
        "final_db": str(paths.final_db),
        "backup": _if_there(paths.backup_db),
        "timeline": _if_there(paths.timeline_db),
        "log": str(paths.log_file),
        "manifest": str(paths.manifest_json),
        "history": str(paths.history_file),
        "tables": [asdict(row) for row in report.tables],
        "traffic": asdict(report.traffic),
        "least_seconds": round(report.floor.seconds, 3),
        "changes": None if report.changes is None else asdict(report.changes),
        "warnings": list(report.warnings),
    }


def status(found: Status, *, problem: str, next_command: str) -> Json:
    """Return the answer of `status`; `problem`: why --check is not content, '' where it is."""
    return {
        "ok": not problem,
        "problem": problem or None,
        "final_db": str(found.settings.db_path),
        "snapshot": None if found.final is None else snapshot(found.final),
        "run": None if found.run is None else run(found.run),
        "running": found.history.busy,
        "failed_since": len(found.history.unpublished),
        "checkpoint": _checkpoint(found.checkpoint),
        "backups": len(found.backups),
        "timeline": _timeline(found.timeline),
        "leftovers": [
            {"path": str(each.path), "kind": each.kind, "size_bytes": each.size_bytes}
            for each in found.leftovers
        ],
        "advice": found.advice.why,
        "next": next_command,
    }


def doctor(findings: Sequence[Finding], next_command: str) -> Json:
    """Return the answer of `doctor`."""
    levels = [each.level for each in findings]
    return {
        "ok": "failed" not in levels,
        "failed": levels.count("failed"),
        "warnings": levels.count("warning"),
        "findings": [
            {
                "check": each.what,
                "state": each.level,
                "found": each.said,
                "cure": each.cure if each.level != "ok" and each.cure else None,
            }
            for each in findings
        ],
        "next": next_command,
    }


def backups(found: Sequence[SnapshotFile]) -> Json:
    """Return the answer of `restore` without a backup: what there is."""
    return {"ok": True, "restored": None, "backups": [snapshot(each) for each in found]}


def restored(found: Restored, final_db: Path) -> Json:
    """Return the answer of `restore` with one."""
    return {
        "ok": True,
        "restored": {
            "final_db": str(final_db),
            "run_tag": found.backup.run_tag,
            "from": str(found.backup.path),
            "kept_at": None if found.kept_at is None else str(found.kept_at),
            "was_damaged": found.damaged,
        },
        "backups": [],
    }


def pruned(found: Sequence[Pruned], *, dry_run: bool) -> Json:
    """Return the answer of `prune`."""
    files = [each for run in found if run.remove for each in run.leftovers]
    return {
        "ok": True,
        "dry_run": dry_run,
        "files": len(files),
        "bytes": sum(each.size_bytes for each in files),
        "runs": [
            {
                "run_tag": run.run_tag,
                "remove": run.remove,
                "why": run.why,
                "leftovers": [
                    {"path": str(each.path), "kind": each.kind, "size_bytes": each.size_bytes}
                    for each in run.leftovers
                ],
            }
            for run in found
        ],
    }


def snapshot(file: SnapshotFile) -> Json:
    """Return what a snapshot file says of itself."""
    return {
        "path": str(file.path),
        "run_tag": file.run_tag,
        "captured_at": _moment(file.captured_at),
        "workspace_id": file.workspace_id,
        "workspace_name": file.workspace_name,
        "rows": file.rows,
        "size_bytes": file.size_bytes,
        "problem": file.problem or None,
    }


def run(entry: RunEntry) -> Json:
    """Return what is known of a run."""
    return {
        "run_tag": entry.run_tag,
        "status": entry.status,
        "kind": entry.kind,
        "final_db": str(entry.final_db),
        "starts": entry.starts,
        "started_at": _moment(entry.started_at),
        "ended_at": _moment(entry.ended_at),
        "seconds": entry.seconds,
        "rows": entry.rows,
        "requests": entry.requests,
        "refusals": entry.refusals,
        "size_bytes": entry.size_bytes,
        "pid": entry.pid,
        "error": entry.error,
        "changes": entry.changes,
    }


def _checkpoint(found: Checkpoint | None) -> Json | None:
    if found is None:
        return None
    return {
        "folder": str(found.folder),
        "resumable": not found.why_not and not found.superseded,
        "why_not": found.why_not or None,
        "complete": found.complete,
        "rows": sum(each.rows for each in found.tables),
        "written_at": _moment(found.written_at),
    }


def _timeline(found: TimelineLook | None) -> Json | None:
    if found is None:
        return None
    return {
        "path": str(found.path),
        "size_bytes": found.size_bytes,
        "states": len(found.states),
        "first_at": _moment(found.first_at),
        "is_current": found.is_current,
        "problem": found.problem or None,
    }


def _if_there(path: Path) -> str | None:
    return str(path) if path.exists() else None


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
