"""What a run may have left behind, as `status` finds it, in the words of the screen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from salesmap_async.dashboard.operations.models import Checklist
from salesmap_async.operate.look import SnapshotFile
from salesmap_async.operate.runs import KILLED, RUNNING
from salesmap_async.operate.status import Advice, Status
from salesmap_async.run.history import PUBLISHED

State = Literal["ok", "warning", "problem", "none"]
Finding = tuple[State, list[str]]

_WHY_NOW = {
    "status": "지금 다른 작업이 이 DB를 쓰고 있습니다. 끝날 때까지 기다립니다.",
    "doctor": "최종 DB를 읽을 수 없습니다. 원인을 먼저 해결합니다.",
    "restore": "최종 DB가 손상되었습니다. 백업을 골라 되돌립니다.",
    "run": "끝나지 않은 작업이 없습니다. 새 스냅샷을 받습니다.",
}


def checklist(found: Status, command: Callable[..., str]) -> Checklist:
    """Return the run it is about, one item per thing to look at, and what to type next."""
    run = found.run
    looked_at: tuple[tuple[str, str, Finding], ...] = (
        ("final_db", "최종 DB", _final_db(found)),
        ("backup", "백업", _backup(found)),
        ("checkpoint", "체크포인트", _checkpoint(found)),
        ("temporary", "임시 파일", _temporary(found)),
        ("manifest", "manifest·run_info", _reports(found)),
        ("webforms", "웹폼 제출 내역", _webforms(found)),
    )
    return {
        "run": None if run is None else {"run_tag": run.run_tag, "status": run.status},
        "items": [
            {"key": key, "label": label, "state": state, "lines": lines}
            for key, label, (state, lines) in looked_at
        ],
        "advice": {
            "why": _why(found),
            "command": command(found.advice.command, *found.advice.arguments),
        },
    }


def _final_db(found: Status) -> Finding:
    path, final = found.settings.db_path, found.final
    if final is None:
        return "problem", [str(path), "아직 없습니다."]
    if final.problem:
        damaged = "손상되었거나 DB가 아닙니다" if final.damaged else "읽을 수 없습니다"
        said = "잠겨 있습니다" if final.locked else damaged
        return "problem", [str(path), f"{said}: {final.problem}"]
    lines = [str(path), _about(final)]
    published = found.last_published
    if found.restored is None and published is not None and published.run_tag not in (
        final.run_tag, final.webforms_tag,
    ):  # fmt: skip
        lines.append(f"마지막으로 게시된 {published.run_tag}의 스냅샷이 아닙니다.")
        return "warning", lines
    lines += [f"옆에 {sidecar.name} 파일이 있습니다." for sidecar in found.final_sidecars]
    return ("warning" if found.final_sidecars else "ok"), lines


def _backup(found: Status) -> Finding:
    if not found.backups:
        return "none", [f"{found.settings.backup_dir}에 백업이 없습니다."]
    newest = found.own_backup or found.backups[0]
    lines = [str(newest.path), f"백업 {len(found.backups)}개"]
    if newest.problem:
        return "problem", [*lines, f"읽을 수 없습니다: {newest.problem}"]
    return "ok", [*lines, _about(newest)]


def _checkpoint(found: Status) -> Finding:
    checkpoint, run = found.checkpoint, found.run
    if checkpoint is None or run is None:
        return "none", ["남은 체크포인트가 없습니다."]
    lines = [str(checkpoint.folder)]
    if run.status == PUBLISHED:
        return "ok", [*lines, "게시가 끝나 비어 있습니다."]
    rows = sum(table.rows for table in checkpoint.tables)
    if run.status == RUNNING:
        return "ok", [*lines, f"진행 중입니다: {rows:,}행을 읽었습니다."]
    if checkpoint.superseded:
        return "warning", [*lines, "더 늦게 시작한 실행이 게시되어 버려졌습니다."]
    if checkpoint.why_not:
        return "problem", [*lines, f"재개할 수 없습니다: {checkpoint.why_not}"]
    left = "게시만 남았습니다." if checkpoint.complete else "멈춘 곳에서 이어 갑니다."
    return "warning", [*lines, f"재개할 수 있습니다: {rows:,}행이 안전합니다. {left}"]


def _temporary(found: Status) -> Finding:
    """The work DB of a run that can go on is its checkpoint, not a leftover."""
    kept = found.advice.arguments[:1] == ("--resume-run-tag",) or found.history.busy
    files = [each for each in found.leftovers if not (kept and each.kind == "work DB")]
    if not files:
        return "ok", ["남은 임시 파일이 없습니다."]
    return "warning", [f"{each.path} ({_megabytes(each.size_bytes)})" for each in files]


def _reports(found: Status) -> Finding:
    if found.paths is None or found.run is None:
        return "none", ["아직 실행이 없습니다."]
    reports = (found.paths.manifest_json, found.paths.run_info_json)
    present = [str(path) for path in reports if path.exists()]
    if len(present) == len(reports):
        return "ok", present
    missing = "새 스냅샷을 만들어 게이트를 통과하기 전에 끝난 실행입니다."
    is_running = found.run.status == RUNNING
    return ("none" if is_running else "warning"), [*present, missing]


def _webforms(found: Status) -> Finding:
    final = found.final
    if final is None or final.problem:
        return "problem", ["최종 DB를 읽을 수 없어 알 수 없습니다."]
    if final.webform_rows is None:
        return "problem", ["webform_history 테이블이 없습니다. `run --webform-only`로 채웁니다."]
    if final.webform_rows == 0:
        return "warning", ["비어 있습니다. 제출이 있다면 `run --webform-only`로 채웁니다."]
    return "ok", [f"{final.webform_rows:,}행 (실행 {final.webforms_tag or '알 수 없음'})"]


def _why(found: Status) -> str:
    advice, run = found.advice, found.run
    if advice.command == "run" and found.final is not None and found.final.problem:
        return "최종 DB가 손상되었고 백업이 없습니다. 파일을 따로 보관하고 새 스냅샷을 게시합니다."
    if advice.command != "run" or run is None:
        return _WHY_NOW[advice.command]
    if "--resume-run-tag" in advice.arguments:
        return _why_resume(advice, run.status, is_complete=_is_complete(found))
    refused = found.history.last_refused
    if run.status == PUBLISHED and refused is not None:
        return (
            f"마지막 시작이 거부되었습니다({refused.error}). 원인을 해결한 뒤 새 스냅샷을 받습니다."
        )
    if run.status == PUBLISHED:
        return "할 일이 없습니다. 다음 스냅샷을 받는 명령입니다."
    return "이 실행은 이어 갈 수 없습니다. 처음부터 새로 읽습니다."


def _why_resume(advice: Advice, status: str, *, is_complete: bool) -> str:
    if "--allow-shrink" in advice.arguments:
        return "정말 줄어든 것이 맞으면 그대로 게시합니다. 아니라면 새 스냅샷을 받습니다."
    if status == "kept_aside":
        return "최종 DB를 연 프로그램을 닫고 실행하면, 읽어 둔 데이터를 게시합니다."
    if is_complete:
        return "모두 읽었습니다. 게시만 하면 됩니다."
    killed = "강제로 끝난 실행입니다. " if status == KILLED else ""
    return f"{killed}멈춘 곳에서 이어서 읽습니다."


def _is_complete(found: Status) -> bool:
    return found.checkpoint is not None and found.checkpoint.complete


def _about(file: SnapshotFile) -> str:
    rows = "-" if file.rows is None else f"{file.rows:,}"
    return f"실행 {file.run_tag or '알 수 없음'}, {rows}행, {_megabytes(file.size_bytes)}"


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.1f} MB"
