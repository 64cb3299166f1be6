"""Let every single I/O call of a run go wrong, one at a time, and look at what is left.

A tiny workspace is published over an existing final DB by the real command, one worker, so that
each run does the same calls. For each n, the n-th call is the moment of a kill, or fails (see
`io_shim.c`). Then the final DB must be exactly the old or exactly the new one, the exit code must
tell the truth, and the run, resumed by its tag, must publish the undisturbed content. The timeline,
which is fed last, must give back every state that is in it.
"""

from __future__ import annotations

import os
import queue
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from salesmap_async.timeline.rebuilding import rebuild
from salesmap_async.timeline.timeline_file import states_of, timeline_opened
from scripts.torture_sandbox import Content, Server, content_of, sandbox
from scripts.torture_warm import Ended, WarmCollector, warm_collector

MODES = ("kill", "enospc", "eio", "full")
SCENES = ("full", "wal", "webforms")
_VARYING = 20
"""So many calls more or less a run may do: how the timeline's pages fill depends on its times."""
_GROWING = ("write", "pwrite", "ftruncate")  # what the mode `full` refuses

_SHIM = Path(__file__).with_name("io_shim.c")
_TAG, _AGAIN = "crash", "again"
_TABLES = "people,deal,webform,webform_history"
_COMMON = (
    *("--quiet", "--min-interval", "0", "--backoff", "0", "--concurrency", "1"),
    *("--checkpoint-interval", "20", "--keep-backups", "1", "--db-path", "final.db"),
)
_OLDER = "final_before_20250101_000000.db"
_WANTED = {
    "full": ("--only", _TABLES),
    "wal": ("--only", _TABLES),
    "webforms": ("--webform-only",),
}


class NoShimError(Exception):
    """The shim cannot be compiled or loaded here; the text says why."""


@dataclass(frozen=True)
class State:
    """A final DB: the content of its tables, and which run read each (this test's runs: new)."""

    content: Content
    read_by: dict[str, str]


@dataclass(frozen=True)
class Call:
    """One counted I/O call, as the shim reports it."""

    number: int
    name: str
    path: str

    def __str__(self) -> str:
        return f"call {self.number}: {self.name} {self.path}"


@dataclass
class Tally:
    """What came of the calls of one mode."""

    ends: Counter[str] = field(default_factory=Counter)
    resumes: Counter[str] = field(default_factory=Counter)
    silent: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Case:
    """One run with one call spoiled: how it ended, and what it had done until then."""

    folder: Path
    hit: Call | None
    ended: Ended


@dataclass(frozen=True)
class Scene:
    """What every case starts from, and the two states that may come out of it."""

    root: Path
    wanted: tuple[str, ...]
    server: Server
    collectors: queue.Queue[WarmCollector]
    calls: tuple[Call, ...]
    undisturbed_warnings: int
    old: State
    new: State

    def try_all(self, mode: str, numbers: Iterable[int]) -> Tally:
        """Spoil each of the calls in its own run; two runs at a time."""
        tally = Tally()
        with ThreadPoolExecutor(self.collectors.qsize()) as threads:
            for verdict in threads.map(lambda number: self._try(mode, number), numbers):
                _add(tally, *verdict)
        return tally

    def _try(self, mode: str, number: int) -> tuple[str, str, str, str]:
        """Return (end, resume, silent call, what is wrong) of one case."""
        folder = self.root / f"{mode}{number}"
        collector = self.collectors.get()
        end = resume = silent = wrong = ""
        case = None
        try:
            case = self._spoiled(collector, folder, mode, number)
            end = self._judge(case, mode)
            if case.hit and end == "exit 0, new content" and mode != "kill":
                silent = f"{case.hit.name} {_without_tag(case.hit.path)}"
            resume = self._resume(collector, folder)
            self._check_leftovers(folder)
            _check_timeline(folder)
        except AssertionError as error:
            said = case.ended.err[-2000:] if case else ""
            wrong = f"{mode} {case.hit if case else number}: {error}\n{said}"
        finally:
            self.collectors.put(collector)
        if not wrong:
            shutil.rmtree(folder)
        return end, resume, silent, wrong

    def _spoiled(self, collector: WarmCollector, folder: Path, mode: str, number: int) -> _Case:
        shutil.copytree(self.root / "template", folder)
        report = folder.with_name(f"{folder.name}.hit")
        shim = {"IO_SHIM_FOLDER": str(folder), "IO_SHIM_MODE": mode, "IO_SHIM_AT": str(number)}
        shim["IO_SHIM_REPORT"] = str(report)
        ended = self._start(collector, folder, "--run-tag", _TAG, *self.wanted, **shim)
        hits = read_calls(report, folder)
        return _Case(folder, hits[0] if hits else None, ended)

    def _start(self, collector: WarmCollector, folder: Path, *arguments: str, **more: str) -> Ended:
        return collector.run(
            folder, ("run", *_COMMON, *arguments), self.server.environment() | more
        )

    def _judge(self, case: _Case, mode: str) -> str:
        """Return which of the ends of I4 it was. Raises AssertionError for any other."""
        code, err = case.ended.code, case.ended.err
        state = state_of(case.folder)
        assert state in (self.old, self.new), f"neither old nor new after exit {code}"
        content = "new content" if state == self.new else "old content"
        if state == self.old:
            assert (case.folder / "backups" / _OLDER).exists(), "pruned, but nothing was replaced"
        assert "Traceback" not in err, f"a traceback, exit {code}"
        if case.hit is None:
            assert (code, state == self.new) == (0, True), f"no call was hit, yet exit {code}"
            return "no such call"
        if mode == "kill":
            assert code == -9, f"not killed, but exit {code}"
            return f"killed, {content}"
        assert code in (0, 1, 2, 3), f"exit {code}"
        if code == 0:
            assert state == self.new, "exit 0 with the old content"
            warned = _warnings(case.ended) > self.undisturbed_warnings
            return f"exit 0, {content}" + (", with a warning" if warned else "")
        assert err.count("salesmap-async: ") == 1, "not one paragraph"
        assert " Next: " in err, "no next command"
        says_new = "holds the new, complete snapshot" in err
        assert says_new == (state == self.new), f"exit {code} with {content}, and says otherwise"
        return f"exit {code}, {content}" + (", and says so" if says_new else "")

    def _resume(self, collector: WarmCollector, folder: Path) -> str:
        """Go on as the paragraph says, without the shim; the new state must come out."""
        before = state_of(folder)
        ended = self._start(collector, folder, "--resume-run-tag", _TAG)
        how = "resumed by its tag"
        if ended.code == 2 and "is finished, there is nothing left to resume" in ended.err:
            assert before == self.new, "said to be finished, but the content is the old one"
            how = "was finished"
        elif ended.code == 2:
            assert before == self.old, f"the new content, but {ended.err}"
            said = ("there is no run", "cannot be resumed")
            assert any(words in ended.err for words in said), ended.err
            ended = self._start(collector, folder, "--run-tag", _AGAIN, *self.wanted)
            assert ended.code == 0, f"a new run ended with {ended.code}: {ended.err}"
            how = "nothing had begun: new run"
        else:
            assert ended.code == 0, f"the resume ended with {ended.code}: {ended.err}"
        assert "Traceback" not in ended.err, ended.err
        assert state_of(folder) == self.new, f"not the new content ({how})"
        return how

    def _check_leftovers(self, folder: Path) -> None:
        """Nothing half-made lies about, and the backup is exactly what was replaced.

        The older one may be there where deleting it was the call that failed.
        """
        expected = {"final.db", "final.db.lock", "final_timeline.db", "final_timeline.db-journal"}
        beside = {each.name for each in folder.iterdir()} - expected
        assert beside == {"backups", "logs"}, f"left beside the final DB: {sorted(beside)}"
        backups = sorted({each.name for each in (folder / "backups").iterdir()} - {_OLDER})
        assert len(backups) == 1, f"backups: {backups}"
        assert state_of(folder / "backups", backups[0]) == self.old, "not the old one's backup"


def _check_timeline(folder: Path) -> None:
    """The timeline is whole, and gives back each of its states to the last bit."""
    timeline, out = folder / "final_timeline.db", folder / "logs" / "as_of.db"
    with timeline_opened(timeline) as connection:
        states = states_of(connection)
    assert 1 <= len(states) <= 2, f"{len(states)} states in the timeline"
    for state in states:
        assert rebuild(timeline, state, out) == ()


def state_of(folder: Path, name: str = "final.db") -> State:
    """Return the state of a DB as its next reader meets it; looked at in a copy, sidecars too."""
    scratch = folder.with_name(f"{folder.parent.name}-{folder.name}.look")
    scratch.mkdir()
    try:
        for each in folder.glob(f"{name}*"):
            if each.name in (name, *(name + end for end in ("-wal", "-shm", "-journal"))):
                shutil.copy(each, scratch)
        content = content_of(scratch / name)
        with closing(sqlite3.connect(scratch / name)) as connection:
            read_by = dict(connection.execute('SELECT "table", run_tag FROM manifest').fetchall())
            (run_tag,) = connection.execute("SELECT run_tag FROM run_info").fetchone()
    except (sqlite3.Error, AssertionError) as error:
        raise AssertionError(f"{name} does not open clean: {error}") from error
    finally:
        shutil.rmtree(scratch)
    read_by["run_info"] = run_tag
    ours = {_TAG, _AGAIN, "calm"}
    return State(content, {key: "new" if tag in ours else tag for key, tag in read_by.items()})


def read_calls(report: Path, folder: Path) -> tuple[Call, ...]:
    """Return the calls of a report, their paths relative to the run's folder."""
    if not report.exists():
        return ()
    lines = (line.split(" ", 2) for line in report.read_text(encoding="utf-8").splitlines())
    return tuple(
        Call(int(number), name, os.path.relpath(path, folder)) for number, name, path in lines
    )


@contextmanager
def crash_scene(root: Path, kind: str = "full", jobs: int = 2) -> Iterator[Scene]:
    """Prepare an old final DB, the shim and the expected content. Raises NoShimError."""
    library = compiled_shim(root)
    template = root / "template"
    for folder in (template, root / "calm", root / "small", root / "large"):
        folder.mkdir()
    with ExitStack() as stack:
        collectors: queue.Queue[WarmCollector] = queue.Queue()
        for number in range(jobs):
            collectors.put(stack.enter_context(warm_collector(root / f"print{number}", library)))
        with sandbox(root / "small", records=100, forms=2, wide_fields=2) as small:
            _publish_old(collectors.queue[0], template, small)
        if kind == "wal":
            _leave_in_wal_mode(template / "final.db")
        large = sandbox(root / "large", records=120, forms=2, wide_fields=2)
        server = stack.enter_context(large)
        yield _scene(root, kind, server, collectors)


def compiled_shim(folder: Path) -> Path:
    """Compile the shim into `folder` and see it loaded. Raises NoShimError."""
    library = folder / "io_shim.so"
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None or not sys.platform.startswith("linux"):
        raise NoShimError("there is no C compiler" if compiler is None else "this is not Linux")
    command = [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(_SHIM)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NoShimError(f"the shim does not compile: {done.stderr}")
    report, seen = folder / "seen.txt", folder / "seen"
    environ = {"LD_PRELOAD": str(library), "IO_SHIM_FOLDER": str(folder), "IO_SHIM_MODE": "count"}
    environ["IO_SHIM_REPORT"] = str(report)
    script = f"open({str(seen)!r}, 'w').write('x')"
    subprocess.run([sys.executable, "-c", script], env=environ, check=False)
    if not report.exists():
        raise NoShimError("LD_PRELOAD has no effect here")
    return library


def _publish_old(collector: WarmCollector, template: Path, server: Server) -> None:
    arguments = ("run", *_COMMON, "--run-tag", "old", "--only", _TABLES)
    ended = collector.run(template, arguments, server.environment())
    assert ended.code == 0, ended.err
    shutil.rmtree(template / "logs")
    (template / "backups").mkdir(exist_ok=True)
    older = template / "backups" / _OLDER
    shutil.copy2(template / "final.db", older)
    with closing(sqlite3.connect(older, isolation_level=None)) as backup:
        # The template is copied for each case: to those it is a DB that was moved with its folder.
        backup.execute("UPDATE run_info SET final_db_path = '/moved/final.db'")


def _leave_in_wal_mode(final: Path) -> None:
    """Leave what a dead writer leaves: a WAL header, and a change that stands in the -wal alone."""
    with closing(sqlite3.connect(final, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL").fetchone()
        writer.execute("DELETE FROM people WHERE id IN (SELECT id FROM people LIMIT 3)")
        kept = {each: each.read_bytes() for each in final.parent.glob("final.db*")}
    for path, content in kept.items():
        path.write_bytes(content)


def _scene(root: Path, kind: str, server: Server, collectors: queue.Queue[WarmCollector]) -> Scene:
    """Run once undisturbed and once counted; both must do the same."""
    wanted = _WANTED[kind]
    calm, report = root / "calm", root / "calm.calls"
    old = state_of(root / "template")
    shutil.copytree(root / "template", calm, dirs_exist_ok=True)
    environ = server.environment()
    environ |= {"IO_SHIM_FOLDER": str(calm), "IO_SHIM_MODE": "count", "IO_SHIM_REPORT": str(report)}
    collector = collectors.queue[0]
    ended = collector.run(calm, ("run", *_COMMON, "--run-tag", "calm", *wanted), environ)
    assert ended.code == 0, ended.err
    new = state_of(calm)
    assert new.content != old.content
    return Scene(
        root=root,
        wanted=wanted,
        server=server,
        collectors=collectors,
        calls=read_calls(report, calm),
        undisturbed_warnings=_warnings(ended),
        old=old,
        new=new,
    )


def _warnings(ended: Ended) -> int:
    return sum(line.startswith("warning ") for line in ended.out.splitlines())


def _without_tag(path: str) -> str:
    return path.replace(_TAG, "TAG")


def _add(tally: Tally, end: str, resume: str, silent: str, wrong: str) -> None:
    if wrong:
        tally.wrong.append(wrong)
    if end:
        tally.ends[end] += 1
    if resume:
        tally.resumes[resume] += 1
    if silent:
        tally.silent[silent] += 1


def crash_everywhere(root: Path, kind: str, modes: Iterable[str], every: int = 1) -> bool:
    """Spoil every call (or every n-th) in each mode and print the counts; False if one was wrong.

    One number past the last calls is tried too: nothing may be hit there, or calls were missed.
    """
    with crash_scene(root, kind) as scene:
        total = len(scene.calls)
        by_name = Counter(call.name for call in scene.calls)
        print(f"{kind}: {total} I/O calls in a run: {_counted(by_name)}", flush=True)
        all_right = True
        for mode in modes:
            numbers = [*range(1, total + 1, every), total + _VARYING]
            last = max(c.number for c in scene.calls if mode != "full" or c.name in _GROWING)
            tally = scene.try_all(mode, numbers)
            beyond = sum(number > last for number in numbers)
            all_right &= not tally.wrong and tally.ends["no such call"] == beyond
            print(f"{kind}, {mode}: {len(numbers) - 1} calls, {len(tally.wrong)} wrong")
            print(f"  ends:    {_counted(tally.ends)}")
            print(f"  resumes: {_counted(tally.resumes)}")
            if tally.silent:
                print(f"  exit 0 without a warning: {_counted(tally.silent)}")
            for wrong in tally.wrong:
                print(f"  WRONG {wrong}")
            sys.stdout.flush()
    return all_right


def _counted(counter: Counter[str]) -> str:
    return ", ".join(f"{count} x {name}" for name, count in counter.most_common())
