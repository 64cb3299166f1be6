"""The run history: one JSON line for every start of a run and one for its end.

A line may be torn (full disk, power): a new one never joins it, and readers skip it. Lines of one
run tag belong together; the newest state counts. Questions are about recent runs, so the file is
read backwards, and no further than the answer needs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

import orjson

from salesmap_async import exact_json
from salesmap_async.errors import PublishError, UsageError
from salesmap_async.files import write_bytes_atomically
from salesmap_async.run.lock import history_lock

STARTED = "started"
PUBLISHED = "published"
RESTORED = "restored"
NOT_STARTED = "not_started"
"""A start that was refused before the run began: one line, with a tag of its own."""
RESTORE = "restore"
"""The kind of a line about a restore; the others are those of runs."""

_BLOCK_BYTES = 1 << 18
_RUN_TAG = re.compile(rb'"run_tag"\s*:\s*"([^"\\]*)"')
_FINAL_DB = re.compile(rb'"final_db_path"\s*:\s*("(?:[^"\\]|\\.)*")')


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What a line says; None for what it does not say, or says in no form that is understood.

    Times are the texts of the file (ISO 8601, UTC), which sort as they are. `seconds` and the
    counts are those of all starts of the run; `rows` are by table, of what was published. `changes`
    are `tables` and `sales`, as `run.timeline_step` counts them.
    """

    run_tag: str
    status: str
    kind: str | None = None
    final_db: str | None = None
    started_at: str | None = None
    at: str | None = None
    ended_at: str | None = None
    seconds: float | None = None
    rows: Mapping[str, int] | None = None
    requests: int | None = None
    refusals: int | None = None
    size_bytes: int | None = None
    pid: int | None = None
    error: str | None = None
    changes: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self | None:
        """Return the line that a JSON object of the file is; None where it names no run."""
        run_tag = _text(record.get("run_tag"))
        if run_tag is None:
            return None
        return cls(
            run_tag=run_tag,
            status=_text(record.get("status")) or "",
            kind=_text(record.get("kind")),
            final_db=_text(record.get("final_db_path")),
            started_at=_text(record.get("started_at")),
            at=_text(record.get("at")),
            ended_at=_text(record.get("ended_at")),
            seconds=_number(record.get("seconds")),
            rows=_rows(record.get("tables")),
            requests=_whole(record.get("requests")),
            refusals=_whole(record.get("refusals")),
            size_bytes=_whole(record.get("size_bytes")),
            pid=_whole(record.get("pid")),
            error=_text(record.get("error")),
            changes=_object(record.get("changes")),
        )

    def over(self, older: Self) -> Self:
        """Return this line with what only `older`, a line of the same run, says."""
        unsaid = [each.name for each in fields(self) if getattr(self, each.name) is None]
        return replace(self, **{name: getattr(older, name) for name in unsaid})


@dataclass(slots=True)
class FoldedRun:
    """What the lines of one run come to, taken newest first. A killed run stays `started`."""

    line: Line
    starts: int = 0
    _start_seen: bool = field(default=False, repr=False)

    def add(self, line: Line) -> None:
        """Take the next older line. An end completes its start, and hides all before that."""
        if not self._start_seen:
            self.line = self.line.over(line)
        if line.status == STARTED:
            self._start_seen = True
            self.starts += 1


def fold(newest_first: Iterable[Line]) -> list[FoldedRun]:
    """Return one entry per run tag, the most recently active first."""
    runs: dict[str, FoldedRun] = {}
    for line in newest_first:
        runs.setdefault(line.run_tag, FoldedRun(line)).add(line)
    return list(runs.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentRuns:
    """The newest runs of one final DB, the most recently active first.

    `left_out` is how many older ones the file knows; `other_dbs` have runs in the same file.
    """

    runs: tuple[FoldedRun, ...]
    left_out: int
    other_dbs: frozenset[str]


class History:
    """The history file of one log folder. All reading raises UsageError where it cannot be read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, record: Mapping[str, Any]) -> None:
        """Append one line and bring it to the disk. Raises PublishError if it cannot be whole."""
        line = exact_json.dumps(dict(record)).encode() + b"\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with history_lock(self.path), self.path.open("ab+", buffering=0) as file:
                line = _line_break(self.path, file.tell()) + line
                written = file.write(line)
                os.fsync(file.fileno())
        except OSError as error:
            raise _not_written(self.path, str(error)) from error
        if written != len(line):
            raise _not_written(self.path, f"{written} of {len(line)} bytes")

    def forget(self, run_tags: Collection[str]) -> None:
        """Remove all lines of these runs; the rest stays, byte for byte. Raises OSError.

        Raises PublishError where another process holds the history, or may be adding to it.
        """
        with history_lock(self.path) as is_held:
            if not is_held:
                raise PublishError(f"the run history {self.path} cannot be locked")
            lines = self.path.read_bytes().splitlines(keepends=True)
            kept = [line for line in lines if _tag_in(line) not in run_tags]
            if len(kept) < len(lines):
                write_bytes_atomically(self.path, b"".join(kept))

    def newest_first(self) -> Iterator[Line]:
        """Yield all whole lines, backwards from the end."""
        for raw in self._raw_newest_first():
            line = _parsed(raw)
            if line is not None:
                yield line

    def of_tags(self, run_tags: Collection[str]) -> Iterator[Line]:
        """Yield the lines of these runs, the newest first; the others are not parsed."""
        for raw in self._raw_newest_first():
            line = _parsed(raw) if _tag_in(raw) in run_tags else None
            if line is not None:
                yield line

    def knows(self, run_tag: str) -> bool:
        """Tell whether the run has any line."""
        return any(self.of_tags({run_tag}))

    def is_finished(self, run_tag: str) -> bool:
        """Tell whether run `run_tag` has published everything and said so."""
        return bool(self.finished({run_tag}))

    def finished(self, run_tags: Collection[str]) -> frozenset[str]:
        """Return those of `run_tags` that have published everything and said so."""
        lines = self.of_tags(run_tags) if run_tags else ()
        return frozenset(line.run_tag for line in lines if line.status == PUBLISHED)

    def superseded(
        self, runs: Mapping[str, str], final_db: Path, kind: str, *, by_restore: bool = False
    ) -> frozenset[str]:
        """Return those of `runs` that began before the last published run of this DB and kind.

        `runs` maps tags to their first start. The order of the lines decides, not the clock: a run
        that was dated in the future hides none that began after it. The start decides about a run
        that has no line. `by_restore`: a restore of the DB supersedes a run too.
        """
        wanted = {PUBLISHED: kind} | ({RESTORED: RESTORE} if by_restore else {})
        over: tuple[int, Line] | None = None
        begun: dict[str, int] = {}
        for number, raw in enumerate(self._raw_newest_first()):
            tag = _tag_in(raw)
            if tag is not None and tag in runs:
                begun[tag] = number
            if over is None and any(status.encode() in raw for status in wanted):
                line = self._as_a_whole(raw)
                if line is not None and line.final_db == str(final_db):
                    over = (number, line) if wanted.get(line.status) == line.kind else None
        if over is None:
            return frozenset()
        return frozenset(
            tag
            for tag, started_at in runs.items()
            if (begun[tag] > over[0] if tag in begun else _is_before(started_at, over[1]))
        )

    def _as_a_whole(self, raw: bytes) -> Line | None:
        """Return a line with its kind and start, which early versions wrote in start lines only."""
        line = _parsed(raw)
        if line is not None and (line.kind is None or line.started_at is None):
            return fold(self.of_tags({line.run_tag}))[0].line
        return line

    def published(self, final_db: Path) -> Iterator[Line]:
        """Yield the published line of every run of this DB that has one, the newest first."""
        for raw in self._raw_newest_first():
            line = _parsed(raw) if PUBLISHED.encode() in raw else None
            if line and (line.status, line.final_db) == (PUBLISHED, str(final_db)):
                yield line

    def recent_runs(
        self, final_db: Path, *, most: int | None = None, also: str | None = None
    ) -> RecentRuns:
        """Return the `most` newest runs of this DB (None: all), and run `also`.

        They are more where it takes more to have the last one that published, and the last one
        that is no restore and no refused start.
        """
        raw_lines = self._raw_newest_first()
        recent = _Recent(str(final_db), most)
        for line in filter(None, map(_parsed, raw_lines)):
            recent.add(line)
            if recent.is_full:
                break
        for raw in raw_lines:
            recent.add_older(raw, also)
        return recent.result()

    def _raw_newest_first(self) -> Iterator[bytes]:
        try:
            with self.path.open("rb") as file:
                rest = b""
                for at in range(file.seek(0, os.SEEK_END), 0, -_BLOCK_BYTES):
                    start = max(0, at - _BLOCK_BYTES)
                    file.seek(start)
                    rest, *lines = (file.read(at - start) + rest).split(b"\n")
                    yield from reversed(lines)
                yield rest
        except FileNotFoundError:
            return
        except OSError as error:
            raise UsageError(
                f"the run history {self.path} cannot be read: {error.strerror}",
                cure="check what lies there and its permissions",
            ) from None


class _Recent:
    """Gathers RecentRuns: first every line, then, once it is full, only lines of what it has."""

    def __init__(self, final_db: str, most: int | None) -> None:
        self._final_db = final_db
        self._most = most
        self._runs: dict[str, FoldedRun] = {}
        self._own_tags: set[str] = set()
        self._has_published = False
        self._has_run = False
        self._older: dict[bytes, set[str]] = {}  # by final DB as the file has it: run tags

    @property
    def is_full(self) -> bool:
        """Whether no run is wanted any more that is not begun."""
        enough = self._most is not None and len(self._own_tags) >= self._most
        return enough and self._has_published and self._has_run

    def add(self, line: Line) -> None:
        run = self._runs.setdefault(line.run_tag, FoldedRun(line))
        run.add(line)
        if run.line.final_db == self._final_db:
            self._own_tags.add(line.run_tag)
            self._has_published |= run.line.status == PUBLISHED
            self._has_run |= run.line.kind != RESTORE and run.line.status != NOT_STARTED

    def add_older(self, raw: bytes, also: str | None) -> None:
        tag = _tag_in(raw)
        if tag is not None and (tag in self._runs or tag == also):
            line = _parsed(raw)
            if line is not None:
                self.add(line)
        elif tag is not None and (path := _FINAL_DB.search(raw)):
            self._older.setdefault(path[1], set()).add(tag)

    def result(self) -> RecentRuns:
        older = {str(orjson.loads(path)): tags for path, tags in self._older.items()}
        others = {run.line.final_db for run in self._runs.values()} | older.keys()
        return RecentRuns(
            runs=tuple(run for tag, run in self._runs.items() if tag in self._own_tags),
            left_out=len(older.get(self._final_db, ())),
            other_dbs=frozenset(path for path in others if path) - {self._final_db},
        )


def _is_before(started_at: str, published: Line) -> bool:
    return bool(started_at) and started_at <= (published.started_at or "")


def _tag_in(raw: bytes) -> str | None:
    """Return the run tag of a line without parsing the line."""
    found = _RUN_TAG.search(raw)
    return found[1].decode(errors="replace") if found else None


def _parsed(raw: bytes) -> Line | None:
    try:
        record = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return Line.of(record) if isinstance(record, dict) else None


def _line_break(path: Path, size: int) -> bytes:
    """Return what must come first: a line end where the last line is torn."""
    if size == 0:
        return b""
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return b"" if file.read(1) == b"\n" else b"\n"


def _rows(tables: object) -> Mapping[str, int] | None:
    if not isinstance(tables, dict):
        return None
    rows = {
        name: _whole(each.get("rows")) for name, each in tables.items() if isinstance(each, dict)
    }
    return {name: count for name, count in rows.items() if count is not None}


def _object(value: object) -> Mapping[str, Any] | None:
    return value if isinstance(value, dict) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _not_written(path: Path, cause: str) -> PublishError:
    return PublishError(
        f"the run history {path} could not be written: {cause}",
        cure="check the disk, then resume the run",
    )
