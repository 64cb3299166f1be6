"""The run history: one JSON line for every start of a run and one for its end.

A line may be torn (full disk, power): a new one never joins it, and readers skip it. Lines of one
run tag belong together; the newest state counts.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson

from salesmap_async import exact_json
from salesmap_async.errors import PublishError, UsageError

STARTED = "started"
PUBLISHED = "published"
RESTORED = "restored"

Line = dict[str, Any]


def append_line(path: Path, record: Mapping[str, Any]) -> None:
    """Append one line and bring it to the disk. Raises PublishError when it cannot be whole."""
    line = exact_json.dumps(dict(record)).encode() + b"\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+", buffering=0) as file:
            line = _line_break(path, file.tell()) + line
            written = file.write(line)
            os.fsync(file.fileno())
    except OSError as error:
        raise _not_written(path, str(error)) from error
    if written != len(line):
        raise _not_written(path, f"{written} of {len(line)} bytes")


def read_history(path: Path) -> list[Line]:
    """Return all whole lines, oldest first; [] when there is no file yet."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UsageError(
            f"the run history {path} cannot be read: {error.strerror}",
            cure="check what lies there and its permissions",
        ) from None
    return [line for line in map(_parsed, lines) if line]


def fold_runs(lines: Iterable[Mapping[str, Any]]) -> list[Line]:
    """Return one entry per run tag, the most recently active last.

    An end line completes its start line; a new start (a resume) forgets the end before it.
    `starts` counts the starts. A killed run stays `started`.
    """
    runs: dict[str, Line] = {}
    for line in lines:
        run_tag = str(line.get("run_tag", ""))
        if not run_tag:
            continue
        known = runs.pop(run_tag, {})
        starts = known.get("starts", 0)
        if line.get("status") == STARTED:
            runs[run_tag] = {**line, "starts": starts + 1}
        else:
            runs[run_tag] = {**known, **line, "starts": starts}
    return list(runs.values())


def is_finished(path: Path, run_tag: str) -> bool:
    """Tell whether run `run_tag` has published everything and said so."""
    return any(
        line.get("run_tag") == run_tag and line.get("status") == PUBLISHED
        for line in read_history(path)
    )


def _line_break(path: Path, size: int) -> bytes:
    """Return what must come first: a line end where the last line is torn."""
    if size == 0:
        return b""
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return b"" if file.read(1) == b"\n" else b"\n"


def _parsed(line: bytes) -> Line:
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {}
    return record if isinstance(record, dict) else {}


def _not_written(path: Path, cause: str) -> PublishError:
    return PublishError(
        f"the run history {path} could not be written: {cause}",
        cure="check the disk, then resume the run",
    )
