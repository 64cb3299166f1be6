"""Plant known bugs, one at a time, in a copy of the repository: the tests must catch each.

A test suite that is green proves nothing unless it turns red for the mistakes it is there for.
Each bug names the tests that should notice it; only where those stay green the whole suite runs.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

from scripts.environment import REPOSITORY, clean_variables, python_in

LIMIT_S = 600
"""A bug that makes the tests run longer hangs them, which is a way of being caught."""

_NOT_COPIED = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "logs", "backups")
_FIRST_RED = re.compile(r"^(?:FAILED|ERROR) (tests/.+?)(?: - .*)?$", re.MULTILINE)


@dataclass(frozen=True)
class Bug:
    """A mistake: in `file`, each old text, which stands there once, becomes the new one.

    `tests` are files or single tests that should notice it.
    """

    name: str
    file: str
    edits: tuple[tuple[str, str], ...]
    tests: tuple[str, ...]

    def plant(self, repository: Path) -> None:
        """Change the file below `repository`. Raises ValueError where a text does not match."""
        path = repository / self.file
        text = path.read_text(encoding="utf-8")
        for old, new in self.edits:
            if text.count(old) != 1:
                found = text.count(old)
                raise ValueError(f"{self.name}: {found} times, not once, in {self.file}: {old!r}")
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")


_WRITER = "salesmap_async/store/writer.py"
_PAGE_STORE = "salesmap_async/store/page_store.py"
_THROTTLE = "salesmap_async/api/throttle.py"
_CHAINS = "salesmap_async/collect/chains.py"
_RANGES = "salesmap_async/collect/ranges.py"
_FILES = "salesmap_async/files.py"
_REPLACE = "salesmap_async/publish/replace.py"
_PUBLICATION = "salesmap_async/publish/publication.py"
_CRASH = "tests/run/test_crash_points.py"
_TIMELINE = "tests/timeline/test_timeline.py"

BUGS: tuple[Bug, ...] = (
    Bug(
        "the cursor is committed before the rows",
        _PAGE_STORE,
        (
            (
                "    if records:\n        place",
                "    await connection.execute_fetchall(\n"
                '        "UPDATE chain SET progress = ?, pages = ? WHERE name = ?",\n'
                "        (exact_json.dumps(page.progress), page.pages, page.chain),\n"
                "    )\n"
                "    await connection.commit()\n"
                '    await connection.execute_fetchall("BEGIN IMMEDIATE")\n'
                "    if records:\n        place",
            ),
        ),
        ("tests/store/test_writer.py", _CRASH),
    ),
    Bug(
        "the rows are committed in another transaction than the cursor",
        _PAGE_STORE,
        (
            (
                '    await connection.execute_fetchall(\n        "UPDATE chain SET state',
                "    await connection.commit()\n"
                '    await connection.execute_fetchall("BEGIN IMMEDIATE")\n'
                '    await connection.execute_fetchall(\n        "UPDATE chain SET state',
            ),
        ),
        ("tests/store/test_writer.py", _CRASH),
    ),
    Bug(
        "no rollback after an error, and the rest is committed",
        _WRITER,
        (
            (
                "self._error = self._broken(error)\n                await _roll_back(connection)",
                "self._error = self._broken(error)",
            ),
            ("if connection is None or self._error is not None:", "if connection is None:"),
        ),
        ("tests/store/test_writer.py",),
    ),
    Bug(
        "an error of the work DB is swallowed, and writing goes on",
        _WRITER,
        (
            (
                "self._error = self._broken(error)\n                await _roll_back(connection)",
                "await _roll_back(connection)",
            ),
        ),
        ("tests/store/test_writer.py", _CRASH),
    ),
    Bug(
        "the -wal of the old file is left beside the new one",
        _REPLACE,
        (("if not settle_sidecars(final):", "if False:"),),
        ("tests/publish/test_replace.py",),
    ),
    Bug(
        "copy instead of rename",
        _FILES,
        (("            os.replace(src, dest)", "            shutil.copyfile(src, dest)"),),
        ("tests/publish/test_replace.py",),
    ),
    Bug(
        "the new file is renamed before it is on the disk",
        "salesmap_async/publish/build.py",
        (("        _fsync(path)\n    return manifest", "    return manifest"),),
        (_CRASH, "tests/publish/test_build.py"),
    ),
    Bug(
        "the rename is not brought to the disk",
        _REPLACE,
        (("        fsync_directory(final.parent)\n        _check_tag", "        _check_tag"),),
        (_CRASH, "tests/publish/test_replace.py"),
    ),
    Bug(
        "a cursor that comes back is not noticed",
        _CHAINS,
        (("given_before = page.next_cursor in self._trail.seen", "given_before = False"),),
        ("tests/run/test_faults.py",),
    ),
    Bug(
        "an empty page counts as the end",
        _CHAINS,
        (
            (
                "            return True  # the cursor's record may have been deleted\n",
                "            return False\n",
            ),
        ),
        ("tests/collect/test_chains.py",),
    ),
    Bug(
        "an end counts without a look at the page before",
        _CHAINS,
        (("if page.next_cursor is None or self._resumed:", "if self._resumed:"),),
        ("tests/collect/test_chains.py", "tests/collect/test_moving_lists.py"),
    ),
    Bug(
        "the first page after a resume counts unchecked",
        _CHAINS,
        (("if page.next_cursor is None or self._resumed:", "if page.next_cursor is None:"),),
        ("tests/collect/test_chains.py",),
    ),
    Bug(
        "a short page counts unchecked",
        _CHAINS,
        (("SHORT_PAGES_CHECKED = 5", "SHORT_PAGES_CHECKED = 0"),),
        ("tests/collect/test_chains.py",),
    ),
    Bug(
        "a record counts as unmoved by its id",
        _CHAINS,
        ((" and content != step.content", " and False"),),
        ("tests/collect/test_moving_lists.py",),
    ),
    Bug(
        "a doubtful answer counts without a look further back",
        _CHAINS,
        (
            (
                "        if step.cursor is None:\n            return self._go_on",
                "        if True:\n            return self._go_on",
            ),
        ),
        ("tests/collect/test_moving_lists.py",),
    ),
    Bug(
        "the first page in place of the next one is not noticed",
        _CHAINS,
        (
            (
                "        if self.cursor is not None and self._trail.begins_like_the_list(page):\n",
                "        if False:\n",
            ),
        ),
        ("tests/collect/test_chains.py",),
    ),
    Bug(
        "a list may go on for ever under new cursors",
        _CHAINS,
        (("if self._stale == STALE_PAGES:", "if False:"),),
        ("tests/collect/test_chains.py",),
    ),
    Bug(
        "a missing record counts as gone, whatever the server says",
        "salesmap_async/run/missing.py",
        (("        if there and not again:\n", "        if False:\n"),),
        ("tests/run/test_missing.py",),
    ),
    Bug(
        "a cursor under an unknown name is taken for none",
        "salesmap_async/api/pages.py",
        (("        _check_hides_nothing(answer, data)\n", "        pass\n"),),
        ("tests/api/test_pages.py",),
    ),
    Bug(
        "a part of an answer is taken for a page",
        "salesmap_async/api/client.py",
        (("if answer.status != 200:", "if not 200 <= answer.status < 300:"),),
        ("tests/api/test_client.py",),
    ),
    Bug(
        "the lock is not looked at again before the swap",
        "salesmap_async/run/snapshot.py",
        (("        self._still_held()\n", ""),),
        ("tests/run/test_second_process.py",),
    ),
    Bug(
        "a backup belongs to a DB by its name",
        "salesmap_async/publish/kept.py",
        (("and _is_of(final_db, workspace_id, path, says)", ""),),
        ("tests/publish/test_kept.py",),
    ),
    Bug(
        "a database that is no snapshot is replaced",
        "salesmap_async/run/snapshot.py",
        (("published is not None and not published.is_snapshot", "False"),),
        ("tests/run/test_foreign_db.py",),
    ),
    Bug(
        "the ids of one form overwrite those of another",
        "salesmap_async/publish/records.py",
        (("own_ids = any(chain.added for chain in self.chains)", "own_ids = False"),),
        ("tests/publish/test_build.py",),
    ),
    Bug(
        "the end of the last range is not asked for without its filter",
        "salesmap_async/collect/ranges.py",
        (
            (
                "chain.begin_tail(page) if _ends(chain, page) else chain.take(page)",
                "chain.take(page)",
            ),
        ),
        ("tests/collect/test_ranges.py",),
    ),
    Bug(
        "a run of yesterday is resumed unasked",
        "salesmap_async/run/plan.py",
        (("if _age_h(run) <= settings.max_resume_age_h:", "if True:"),),
        ("tests/run/test_age.py",),
    ),
    Bug(
        "the gate is not looked at again after the limiter",
        _THROTTLE,
        (
            (
                "            if self._loop.time() >= self._open_at and limiter",
                "            if limiter",
            ),
        ),
        ("tests/api/test_throttle.py",),
    ),
    Bug(
        "a range ends where the next one was asked for, not where it began",
        _RANGES,
        (
            (
                "each.span.first_at for each in self._after(chain) if each.span.first_at",
                "each.span.since for each in self._after(chain) if each.span.since",
            ),
        ),
        ("tests/collect/test_ranges.py",),
    ),
    Bug(
        "records from before the startDate are taken",
        _RANGES,
        (
            (
                "if since is not None and moments and moments[0] < since:",
                "if False:",
            ),
        ),
        ("tests/collect/test_ranges.py",),
    ),
    Bug(
        "a null that came is taken for a key that is missing",
        "salesmap_async/store/laying.py",
        (
            ("    if missing == 0:\n        return EVERY_NULL\n", ""),
            ("for key, value in record.items() if value is None]", "for key in record if False]"),
        ),
        ("tests/store/test_laying.py",),
    ),
    Bug(
        "what dropped ranges have read stays in the work DB",
        "salesmap_async/store/chains.py",
        (('(("record", "chain"), ("key", "chain"), ("chain", "name"))', '(("chain", "name"),)'),),
        ("tests/collect/test_ranges.py",),
    ),
    Bug(
        "a later 429 opens the gate earlier",
        _THROTTLE,
        (("        if now + wait_s > self._open_at:", "        if True:"),),
        ("tests/api/test_throttle.py",),
    ),
    Bug(
        "each refusal of one closing counts",
        _THROTTLE,
        (("        if first_of_its_closing:", "        if True:"),),
        ("tests/api/test_throttle.py",),
    ),
    Bug(
        "a retry takes no slot",
        "salesmap_async/api/client.py",
        (
            (
                "                attempt += 1\n",
                "                attempt += 1\n                continue\n",
            ),
        ),
        ("tests/api/test_client.py",),
    ),
    Bug(
        "success:false is accepted",
        "salesmap_async/api/pages.py",
        (('if answer.get("success") is not True:', "if False:"),),
        ("tests/api/test_pages.py",),
    ),
    Bug(
        "published before the gate",
        _PUBLICATION,
        (
            ("        _pass_gate(publication, manifest)\n", ""),
            (
                "    _prune(publication, fresh)\n    return manifest",
                "    _pass_gate(publication, manifest)\n"
                "    _prune(publication, fresh)\n    return manifest",
            ),
        ),
        ("tests/run/test_snapshot.py",),
    ),
    Bug(
        "backups are pruned before the swap",
        _PUBLICATION,
        (
            ("    install(\n", "    _prune(publication, fresh)\n    install(\n"),
            ("    _prune(publication, fresh)\n    return manifest", "    return manifest"),
        ),
        (_CRASH, "tests/publish/test_backup.py"),
    ),
    Bug(
        "the published line is written before the swap",
        "salesmap_async/run/snapshot.py",
        (
            (
                "            manifest = await _in_thread(lambda: self._publish(",
                "            self._record.publish()\n"
                "            manifest = await _in_thread(lambda: self._publish(",
            ),
        ),
        (_CRASH, "tests/run/test_resume.py"),
    ),
    Bug(
        "the work DB is deleted before the published line",
        "salesmap_async/run/snapshot.py",
        (
            (
                "        self._close(manifest, collected, changes)\n",
                "        self._paths.work_db.unlink()\n"
                "        self._close(manifest, collected, changes)\n",
            ),
        ),
        (_CRASH, "tests/run/test_resume.py"),
    ),
    Bug(
        "collected_at is committed before all is known",
        "salesmap_async/run/reading.py",
        (
            (
                "                await writer.remember(\n                    collected_at=now(),",
                "                await writer.remember(collected_at=now())\n"
                "                await writer.remember(",
            ),
        ),
        (_CRASH, "tests/run/test_resume.py"),
    ),
    Bug(
        "a backup gets its name before it is whole",
        "salesmap_async/publish/backup.py",
        (('    temporary = dest.with_name(f".{dest.name}.part")\n', "    temporary = dest\n"),),
        ("tests/publish/test_backup.py",),
    ),
    Bug(
        "of two versions of an id the first one counts",
        "salesmap_async/publish/records.py",
        (
            (
                "ORDER BY id, chain, page, position",
                "ORDER BY id, chain DESC, page DESC, position DESC",
            ),
        ),
        ("tests/publish/test_build.py",),
    ),
    Bug(
        "what has no column of its own is dropped",
        "salesmap_async/publish/rows.py",
        (("row.append(exact_json.dumps(spilled) if spilled else None)", "row.append(None)"),),
        ("tests/publish/test_build.py",),
    ),
    Bug(
        "nobody takes the lock",
        "salesmap_async/run/lock.py",
        (("        lock.acquire(timeout=wait_s, poll_interval=_POLL_S)\n", ""),),
        ("tests/run/test_disk_full.py::test_two_runs_at_once",),
    ),
    Bug(
        "1 and 1.0 are the same to the timeline",
        "salesmap_async/timeline/fed_columns.py",
        (('        (untyped, "typeof({})"),\n', ""),),
        (_TIMELINE,),
    ),
    Bug(
        "the order of rows without a sure order is not kept",
        "salesmap_async/timeline/table_feeding.py",
        (
            (
                "        if self._is_in_order_of([each.name for each in key]):\n"
                "            return None\n",
                "        return None\n",
            ),
        ),
        (_TIMELINE,),
    ),
    Bug(
        "the timeline uses a row's number again",
        "salesmap_async/timeline/table_feeding.py",
        (("        self._set_next_row(table, base)\n", ""),),
        (_TIMELINE,),
    ),
    Bug(
        "a state is given back without a look at its fingerprint",
        "salesmap_async/timeline/rebuilding.py",
        (
            (
                "if table.sha256 and table_sha256(connection, table.name) != table.sha256:",
                "if False:",
            ),
        ),
        (_TIMELINE,),
    ),
    Bug(
        "changes are undone oldest first",
        "salesmap_async/timeline/rebuilding.py",
        (("if s.number > state.number][::-1]", "if s.number > state.number]"),),
        (_TIMELINE,),
    ),
    Bug(
        "two feeders feed at once",
        "salesmap_async/timeline/timeline_file.py",
        (('"BEGIN IMMEDIATE" if write else "BEGIN"', '"BEGIN"'),),
        (_TIMELINE,),
    ),
    Bug(
        "what was forgotten stays among former values",
        "salesmap_async/timeline/forgetting.py",
        (("        if row in rows:\n", "        if False:\n"),),
        (_TIMELINE,),
    ),
    Bug(
        "a timeline that fails fails the run",
        "salesmap_async/run/timeline_step.py",
        (("    except Exception as error:", "    except ZeroDivisionError as error:"),),
        (_TIMELINE,),
    ),
    Bug(
        "a missed state is not caught up",
        "salesmap_async/run/timeline_step.py",
        (
            (
                "for backup in (*missed(timeline, paths, was_run=was_run), paths.backup_db):",
                "for backup in ():",
            ),
        ),
        (_TIMELINE,),
    ),
    Bug(
        "own SQL may change the CRM's tables",
        "salesmap_async/publish/sql_after.py",
        (
            (
                "is_own = table is not None and table.casefold() in names",
                "is_own = False",
            ),
        ),
        ("tests/publish/test_sql_after.py",),
    ),
    Bug(
        "old logs of a run that can go on are removed",
        "salesmap_async/operate/upkeep.py",
        (("if run.run_tag in needed or paths", "if paths"),),
        ("tests/operate/test_upkeep.py",),
    ),
    Bug(
        "the history is shortened without its lock",
        "salesmap_async/run/history.py",
        (
            (
                "        with history_lock(self.path) as is_held:",
                "        if is_held := True:",
            ),
        ),
        ("tests/operate/test_upkeep.py",),
    ),
    Bug(
        "the command after a failure is given the token",
        "salesmap_async/notify/deliver.py",
        (('if k != "SALESMAP_TOKEN"', "if k"),),
        ("tests/notify/test_notify.py",),
    ),
    Bug(
        "a log goes on from the last page, however young it is",
        "salesmap_async/run/continuing.py",
        (("OLD_ENOUGH = timedelta(hours=24)", "OLD_ENOUGH = timedelta(0)"),),
        ("tests/run/test_continue_logs.py",),
    ),
    Bug(
        "a log goes on after its last record without looking whether that still stands there",
        "salesmap_async/run/continuing.py",
        (('"trail": [[0, *self.kept.step[1:]]]', '"trail": []'),),
        ("tests/run/test_continue_logs.py",),
    ),
    Bug(
        "a log that was read anew keeps what had been put before it",
        "salesmap_async/run/continuing.py",
        (
            (
                'if (row.progress.get("first") or ("",))[0] and earlier in rows:',
                "if False:",
            ),
        ),
        ("tests/run/test_continue_logs.py",),
    ),
    Bug(
        "an agent's answer has no bound",
        "salesmap_async/agents/answers.py",
        (("        if size > most:", "        if False:"),),
        ("tests/agents/test_mcp.py",),
    ),
)


def try_planted_bugs(root: Path, *, only: str = "") -> bool:
    """Plant each bug whose name holds `only`, two at a time; False where a test suite stays green.

    Raises ValueError, before anything runs, where a bug does not fit the code any more.
    """
    bugs = [bug for bug in BUGS if only in bug.name]
    for number, bug in enumerate(bugs):
        bug.plant(_copy(root / str(number)))
    sound = _Sound(_copy(root / "sound"))
    files = dict.fromkeys(name for bug in bugs for name in bug.tests)
    red = _first_red(sound.repository, tuple(files))
    if red:
        print(f"without any bug {red} is red: nothing is proved")
        return False
    print(f"without any bug {', '.join(files)} are green", flush=True)
    places = [root / str(number) for number in range(len(bugs))]
    with ThreadPoolExecutor(2) as threads:
        caught = list(threads.map(_try, places, bugs, repeat(sound)))
    print(f"{len(bugs)} bugs planted, {caught.count(False)} survived")
    return all(caught)


class _Sound:
    """The copy without a bug: a test that is red there too has caught nothing."""

    def __init__(self, repository: Path) -> None:
        self.repository = repository
        self._lock = threading.Lock()

    def is_red(self, test: str) -> bool:
        with self._lock:
            return bool(_first_red(self.repository, (test,)))


def _try(repository: Path, bug: Bug, sound: _Sound) -> bool:
    started = time.monotonic()
    red = _first_red(repository, bug.tests)
    red_anyway: list[str] = []
    if not red:
        while (red := _first_red(repository, (), red_anyway)) and sound.is_red(red):
            red_anyway.append(red)
    verdict = f"caught by {red}" if red else "SURVIVED"
    print(f"{bug.name}: {verdict} ({time.monotonic() - started:.0f} s)", flush=True)
    shutil.rmtree(repository)
    return bool(red)


def _first_red(repository: Path, tests: tuple[str, ...], but: Iterable[str] = ()) -> str:
    """Run `tests` (all for none) up to the first that is red; return its name, '' for none.

    `but` are tests to leave out.
    """
    command = [str(python_in(repository / "venv")), "-m", "pytest", "-x", "-q", "--no-header"]
    command += ["-p", "no:cacheprovider", "--basetemp", str(repository / "pytest"), *tests]
    command += [f"--deselect={name}" for name in but]
    try:
        done = subprocess.run(
            command,
            cwd=repository,
            env=clean_variables(os.environ),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"the clock: not done after {LIMIT_S} s"
    if done.returncode == 0:
        return ""
    found = _FIRST_RED.search(done.stdout)
    if found is None:
        raise RuntimeError(f"pytest ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return found[1]


def _copy(place: Path) -> Path:
    """Copy the repository, with an environment in which it comes before the installed package."""
    shutil.copytree(REPOSITORY, place, ignore=_NOT_COPIED)
    venv = place / "venv"
    command = [sys.executable, "-m", "venv", "--without-pip", str(venv)]
    subprocess.run(command, check=True, capture_output=True)
    packages = sysconfig.get_path("purelib", vars={"base": str(venv)})
    paths = f"{place}\n{sysconfig.get_path('purelib')}\n"
    (Path(packages) / "planted.pth").write_text(paths, encoding="utf-8")
    return place
