"""Full and read-only disks, files that vanish, clocks and locks: I4 in the places of operations.

Each test starts the real command over an old snapshot and says which exit code and words come, that
the final DB is exactly the old or the new one, and that the printed next command ends well.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from salesmap_async.run.history import History, fold
from salesmap_async.sandbox import SANDBOX_TOKEN, Fault, Sandbox, Workspace
from scripts.torture_sandbox import Content, content_of, fast_folder
from tests.support.history import history_lines

LIMIT_S = 60.0
TAG = "disk"

pytestmark = pytest.mark.skipif(os.name == "nt", reason="limits and mounts of POSIX systems")


def workspace(records: int) -> Workspace:
    return Workspace.generate(records=records, forms=2, wide_fields=2)


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    code: int
    out: str
    err: str


@dataclass
class Place:
    """A folder with an old final DB, in which the real command is run against one server.

    `within` is a command that runs what follows it, e.g. under a limit or in a name space.
    """

    folder: Path
    base_url: str
    old: Content
    new: Content
    within: tuple[str, ...] = ()
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def final(self) -> Path:
        return self.folder / "final.db"

    @property
    def work_dir(self) -> Path:
        return self.folder / "logs" / "checkpoints" / TAG

    @property
    def history(self) -> Path:
        return self.folder / "logs" / "run_history.jsonl"

    async def run(self, *arguments: str, within: tuple[str, ...] | None = None) -> Ended:
        """Run the command with quick settings; without arguments a new run."""
        words = arguments or ("--run-tag", TAG)
        command = [sys.executable, "-m", "salesmap_async", "run", "--quiet", "--db-path"]
        command += [str(self.final), "--min-interval", "0", "--backoff", "0.01", *words]
        return await self._ended(command, self.within if within is None else within)

    async def next(self, ended: Ended, within: tuple[str, ...] | None = None) -> Ended:
        """Do what the paragraph of `ended` says, word by word."""
        python, *words = shlex.split(ended.err.strip().rpartition("Next: ")[2])
        assert python == "python", ended.err
        return await self._ended(
            [sys.executable, *words], self.within if within is None else within
        )

    async def _ended(self, command: list[str], within: tuple[str, ...]) -> Ended:
        enter = ("sh", "-c", 'cd "$0" && exec "$@"', str(self.folder))
        return await asyncio.to_thread(self.run_to_its_end, [*within, *enter, *command])

    def run_to_its_end(self, command: list[str]) -> Ended:
        environ = {"PATH": os.environ["PATH"], "SALESMAP_API_BASE": self.base_url}
        environ["SALESMAP_TOKEN"] = SANDBOX_TOKEN
        with subprocess.Popen(
            command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            self.started.append(process)
            try:
                out, err = process.communicate(timeout=LIMIT_S)
            finally:
                process.kill()
        return Ended(process.returncode, out, err)

    def check(self, ended: Ended, code: int, *words: str, content: Content) -> None:
        """Check exit code, words and the content of the final DB; no traceback, one paragraph."""
        assert ended.code == code, ended.err
        assert "Traceback" not in ended.err
        said = ended.err if code else ended.out
        missing = [each for each in words if each not in " ".join(said.split())]
        assert not missing, f"{missing} not in {said}"
        if code:
            assert ended.err.count("salesmap-async: ") == 1, ended.err
        assert content_of(self.final) == content

    async def goes_on(self, ended: Ended) -> None:
        """Check that the printed next command publishes the new content and tidies up."""
        resumed = await self.next(ended)
        self.check(resumed, 0, content=self.new)
        self.is_tidy()

    def is_tidy(self) -> None:
        """Nothing but the final DB, lock and timeline lies in its folder; the backup is the old."""
        here = {each.name for each in self.folder.iterdir() if each.is_file()}
        assert here - {"final_timeline.db"} == {"final.db", "final.db.lock"}
        backups = list((self.folder / "backups").glob("*"))
        assert [content_of(each) for each in backups] == [self.old]


@dataclass(frozen=True)
class Snapshots:
    """An old snapshot, and the contents of the old and the new workspace."""

    old_db: Path
    old: Content
    new: Content


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory: pytest.TempPathFactory) -> Snapshots:
    """Publish the old and the new workspace once."""
    folder = tmp_path_factory.mktemp("snapshots")

    async def publish() -> None:
        for name, records in (("old", 200), ("new", 400)):
            async with Sandbox(workspace(records), quota=False) as server:
                place = Place(folder / name, server.base_url, {}, {})
                place.folder.mkdir()
                assert (await place.run("--run-tag", name)).code == 0

    asyncio.run(publish())
    old, new = folder / "old" / "final.db", folder / "new" / "final.db"
    return Snapshots(old, content_of(old), content_of(new))


@pytest.fixture
def sandbox() -> Sandbox:
    """The new workspace, to be entered by the test once its faults are known."""
    return Sandbox(workspace(400), quota=False)


@pytest.fixture
def place(tmp_path: Path, snapshots: Snapshots) -> Place:
    """A folder with the old final DB; its `base_url` is set once the sandbox runs."""
    folder = tmp_path / "운영 폴더"
    folder.mkdir()
    shutil.copy(snapshots.old_db, folder / "final.db")
    return Place(folder, "", snapshots.old, snapshots.new)


def in_the_middle(hook: Callable[[], None]) -> Fault:
    """Let something happen when the second page of the memos is asked for."""
    return Fault(action="call", path="/memo", nth=2, hook=lambda _: hook())


def file_size_limit(size: int) -> tuple[str, ...]:
    """Return a command under which no file grows over `size` bytes."""
    return ("sh", "-c", 'ulimit -f "$0" && exec "$@"', str(size // 512))


# -- a disk that is full ---------------------------------------------------------------------------


async def test_full_while_collecting(sandbox: Sandbox, place: Place) -> None:
    """The work DB cannot grow: exit 1, the old snapshot, and a resume that ends well."""
    async with sandbox as server:
        place.base_url = server.base_url
        ended = await place.run(within=file_size_limit(150_000))
        place.check(ended, 1, "the work DB", "free disk space", content=place.old)
        assert place.work_dir.is_dir()
        await place.goes_on(ended)


async def test_full_while_backing_up_and_then_while_building(
    sandbox: Sandbox, place: Place
) -> None:
    """First the backup does not fit, then the new file: each time the old snapshot stays."""
    with closing(sqlite3.connect(place.final)) as connection, connection:
        connection.execute("CREATE TABLE ballast AS SELECT zeroblob(8000000) AS zeros")
    async with sandbox as server:
        place.base_url = server.base_url
        ended = await place.run(within=file_size_limit(6_000_000))
        place.check(ended, 1, "the backup of", "the final DB is unchanged", content=place.old)
        assert not list((place.folder / "backups").iterdir())
        requests = len(server.arrivals)
        ended = await place.next(ended, within=file_size_limit(200_000))
        place.check(ended, 1, "could not be built", "is as it was", content=place.old)
        await place.goes_on(ended)
        assert len(server.arrivals) == requests


async def test_full_at_the_first_history_line(sandbox: Sandbox, place: Place) -> None:
    """Without its started line no run begins: exit 1, and nothing is asked but the token."""
    place.history.parent.mkdir()
    place.history.write_text('{"run_tag":"before"}\n' * 50_000)
    async with sandbox as server:
        place.base_url = server.base_url
        ended = await place.run(within=file_size_limit(place.history.stat().st_size))
        place.check(ended, 1, "run history", "could not be written", content=place.old)
        assert [each.path for each in server.arrivals] == ["/user/me"]
        again = await place.next(ended)
        if again.code == 2:
            place.check(again, 2, content=place.old)
            again = await place.next(again)
        place.check(again, 0, content=place.new)


async def test_full_at_the_published_line(sandbox: Sandbox, place: Place) -> None:
    """The line is torn after the swap: exit 0 with a warning; the resume only writes the line."""
    place.history.parent.mkdir()
    place.history.write_text('{"run_tag":"before"}\n' * 150_000)
    size = place.history.stat().st_size
    async with sandbox as server:
        place.base_url = server.base_url
        ended = await place.run(within=file_size_limit(size + 1536))
        words = ("warning", "run history", "could not be written", "the snapshot is published")
        place.check(ended, 0, *words, content=place.new)
        assert place.history.stat().st_size > size + 512
        statuses = [run.line.status for run in fold(History(place.history).newest_first())]
        assert statuses[0] == "started"
        requests = len(server.arrivals)
        place.check(await place.run("--resume-run-tag", TAG), 0, content=place.new)
        assert len(server.arrivals) == requests
        assert fold(History(place.history).newest_first())[0].line.status == "published"
    place.is_tidy()


# -- real file systems, in a name space of their own -----------------------------------------------


@dataclass(frozen=True)
class Mounts:
    """A mount name space, kept by a process that waits."""

    pid: int

    @property
    def within(self) -> tuple[str, ...]:
        """A command that runs what follows it in the name space."""
        return ("nsenter", f"--target={self.pid}", "--user", "--mount", "--preserve-credentials")

    def do(self, *command: str) -> None:
        subprocess.run([*self.within, *command], check=True, capture_output=True)

    def seen(self, path: Path) -> Path:
        """Return where the outside sees what lies at `path` inside."""
        return Path(f"/proc/{self.pid}/root{path}")

    def content_of(self, seen: Path) -> Content:
        """Return the content of a DB seen from outside; SQLite itself would leave the way there."""
        with fast_folder() as folder:
            return content_of(Path(shutil.copy(seen, folder)))

    def mount_memory(self, folder: Path, mebibytes: int = 64) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.do("mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(folder))

    def make_read_only(self, path: Path) -> None:
        self.do("mount", "--bind", str(path), str(path))
        self.do("mount", "-o", "remount,ro,bind", str(path))

    def make_writable(self, path: Path) -> None:
        self.do("umount", str(path))

    def fill(self, folder: Path) -> None:
        """Write into `folder` until not one byte is left."""
        with (self.seen(folder) / "ballast").open("wb", buffering=0) as ballast:
            for size in (1 << 20, 1 << 12, 1):
                try:
                    while ballast.write(b"\0" * size):
                        pass
                except OSError:
                    continue


@pytest.fixture
def mounts() -> Iterator[Mounts]:
    """Make a name space in which this user may mount; skip loudly where that is not allowed."""
    with name_space() as pid:
        yield Mounts(pid)


@contextmanager
def name_space() -> Iterator[int]:
    if shutil.which("unshare") is None or shutil.which("nsenter") is None:
        pytest.skip("NOT TESTED, real file systems: there is no unshare or nsenter")
    with subprocess.Popen(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", "echo ready; exec cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as keeper:
        assert keeper.stdout is not None
        if keeper.stdout.readline() != "ready\n":
            keeper.kill()
            pytest.skip("NOT TESTED, real file systems: no name spaces for this user")
        yield keeper.pid
        keeper.kill()


async def test_a_disk_that_fills_up_while_collecting(
    sandbox: Sandbox, place: Place, mounts: Mounts
) -> None:
    """ENOSPC for the work DB, its mirror and its log: exit 1, and resumable with space again."""
    checkpoints = place.folder / "logs" / "checkpoints"
    mounts.mount_memory(checkpoints)
    place.within = mounts.within
    sandbox.faults.append(in_the_middle(lambda: mounts.fill(checkpoints)))
    async with sandbox as server:
        place.base_url = server.base_url
        ended = await place.run()
        place.check(ended, 1, "the work DB", "free disk space", content=place.old)
        (mounts.seen(checkpoints) / "ballast").unlink()
        await place.goes_on(ended)


async def test_a_backup_disk_that_fills_up(sandbox: Sandbox, place: Place, mounts: Mounts) -> None:
    """No backup, no swap: exit 1, no half backup, and the next command publishes."""
    backups = place.folder / "backups"
    mounts.mount_memory(backups)
    place.within = mounts.within
    sandbox.faults.append(in_the_middle(lambda: mounts.fill(backups)))
    async with sandbox as server:
        place.base_url = server.base_url
        ended = await place.run()
        place.check(ended, 1, "the backup of", "the final DB is unchanged", content=place.old)
        assert [each.name for each in mounts.seen(backups).iterdir()] == ["ballast"]
        (mounts.seen(backups) / "ballast").unlink()
        place.check(await place.next(ended), 0, content=place.new)
        kept = [mounts.content_of(each) for each in mounts.seen(backups).iterdir()]
        assert kept == [place.old]


async def test_a_disk_of_the_final_db_that_fills_up(
    sandbox: Sandbox, place: Place, mounts: Mounts
) -> None:
    """The new file does not fit beside the old one: exit 1, the old one stays, nothing is left."""
    disk = place.folder / "disk"
    mounts.mount_memory(disk)
    shutil.move(place.final, mounts.seen(disk) / "final.db")
    place.within = mounts.within
    sandbox.faults.append(in_the_middle(lambda: mounts.fill(disk)))
    where = ("--db-path", str(disk / "final.db"))
    seen = mounts.seen(disk)
    async with sandbox as server:
        place.base_url = server.base_url
        ended = await place.run("--run-tag", TAG, *where)
        assert (ended.code, "Traceback" in ended.err) == (1, False), ended.err
        assert "could not be built" in ended.err
        assert mounts.content_of(seen / "final.db") == place.old
        left = {each.name for each in seen.iterdir()}
        assert left - {"final_timeline.db"} == {"final.db", "final.db.lock", "ballast"}
        (seen / "ballast").unlink()
        again = await place.next(ended)
        assert again.code == 0, again.err
        assert mounts.content_of(seen / "final.db") == place.new


async def test_a_log_disk_that_fills_up(sandbox: Sandbox, place: Place, mounts: Mounts) -> None:
    """Log, reports and history lose lines, the snapshot does not: exit 0 and warnings."""
    logs = place.folder / "logs"
    mounts.mount_memory(logs)
    place.within = mounts.within
    sandbox.faults.append(in_the_middle(lambda: mounts.fill(logs)))
    apart = ("--checkpoint-dir", str(place.folder / "work"))
    async with sandbox as server:
        place.base_url = server.base_url
        ended = await place.run("--run-tag", TAG, *apart)
        place.check(ended, 0, "warning", "could not be written", content=place.new)
        (mounts.seen(logs) / "ballast").unlink()
        place.check(await place.run("--run-tag", "later", *apart), 0, content=place.new)
        history = History(mounts.seen(logs) / "run_history.jsonl")
        assert fold(history.newest_first())[0].line.status == "published"


async def test_too_little_space_is_said_before_anything_is_touched(
    sandbox: Sandbox, place: Place, mounts: Mounts
) -> None:
    """A disk that cannot hold a run: exit 2, no request, no file."""
    checkpoints = place.folder / "logs" / "checkpoints"
    mounts.mount_memory(checkpoints, mebibytes=3)
    place.within = mounts.within
    async with sandbox as server:
        place.base_url = server.base_url
        ended = await place.run()
        place.check(ended, 2, "--checkpoint-dir", "MiB are free", content=place.old)
        assert not server.arrivals
        assert not list(mounts.seen(checkpoints).iterdir())


@pytest.mark.parametrize("option", ["--db-path", "--backup-dir", "--log-dir", "--checkpoint-dir"])
async def test_a_folder_that_cannot_be_written(
    sandbox: Sandbox, place: Place, mounts: Mounts, option: str
) -> None:
    """A read-only folder is named with its option before anything is touched: exit 2."""
    folder = place.folder / "read-only"
    folder.mkdir()
    shutil.copy(place.final, folder / "final.db")
    mounts.make_read_only(folder)
    place.within = mounts.within
    value = folder / "final.db" if option == "--db-path" else folder
    async with sandbox as server:
        place.base_url = server.base_url
        ended = await place.run("--run-tag", TAG, option, str(value))
        words = (option, "is not a folder that can be written to", "Nothing was touched")
        place.check(ended, 2, *words, content=place.old)
        assert [each.name for each in folder.iterdir()] == ["final.db"]
        mounts.make_writable(folder)
        place.check(await place.next(ended), 0, content=place.old if value.is_file() else place.new)
        assert content_of(folder / "final.db") == (place.new if value.is_file() else place.old)


async def test_a_final_db_that_is_read_only(sandbox: Sandbox, place: Place, mounts: Mounts) -> None:
    """The file itself refuses writing: said at the start, exit 2."""
    mounts.make_read_only(place.final)
    place.within = mounts.within
    async with sandbox as server:
        place.base_url = server.base_url
        ended = await place.run()
        place.check(ended, 2, "--db-path", "is read-only", content=place.old)
        assert not server.arrivals
        mounts.make_writable(place.final)
        await place.goes_on(ended)


async def test_a_final_db_that_becomes_read_only_during_the_run(
    sandbox: Sandbox, place: Place, mounts: Mounts
) -> None:
    """Said when it is to be replaced: not 0, the old content; the next command publishes."""
    place.within = mounts.within
    sandbox.faults.append(in_the_middle(lambda: mounts.make_read_only(place.final)))
    async with sandbox as server:
        place.base_url = server.base_url
        ended = await place.run()
        place.check(ended, 1, "is read-only; it is unchanged", content=place.old)
        mounts.make_writable(place.final)
        await place.goes_on(ended)


async def test_a_backup_folder_that_becomes_read_only_during_the_run(
    sandbox: Sandbox, place: Place, mounts: Mounts
) -> None:
    """No backup, no swap: exit 1; once it is writable the next command publishes."""
    backups = place.folder / "backups"
    backups.mkdir()
    place.within = mounts.within
    sandbox.faults.append(in_the_middle(lambda: mounts.make_read_only(backups)))
    async with sandbox as server:
        place.base_url = server.base_url
        ended = await place.run()
        place.check(ended, 1, "the backup of", "the final DB is unchanged", content=place.old)
        mounts.make_writable(backups)
        await place.goes_on(ended)


# -- files that vanish or are damaged --------------------------------------------------------------


@pytest.mark.parametrize("what", ["work DB", "run's folder", "checkpoint folder"])
async def test_what_vanishes_in_mid_run(sandbox: Sandbox, place: Place, what: str) -> None:
    """Whatever of the work is deleted: not 0, the old content, and a new run publishes."""

    def vanish() -> None:
        if what == "work DB":
            for each in place.work_dir.glob("snapshot.db*"):
                each.unlink()
        else:
            shutil.rmtree(place.work_dir if what == "run's folder" else place.work_dir.parent)

    sandbox.faults.append(in_the_middle(vanish))
    async with sandbox as server:
        place.base_url = server.base_url
        ended = await place.run()
        place.check(ended, 1, "the work DB", content=place.old)
        while ended.code:  # the resume is refused and says what to do instead
            assert ended.code in (1, 2)
            before, ended = ended, await place.next(ended)
            assert ended.err != before.err, "the paragraph leads back to itself"
            place.check(ended, ended.code, content=place.old if ended.code else place.new)
    place.is_tidy()


@pytest.mark.parametrize("damage", ["", "not JSON {", "[]", '{"state": "published"}', None])
async def test_a_damaged_checkpoint_json(
    sandbox: Sandbox, place: Place, damage: str | None
) -> None:
    """The mirror is for people: whatever stands in it, the resume goes on at the work DB."""
    sandbox.faults.append(Fault(action="status", status=500, path="/memo", nth=2, times=4))
    async with sandbox as server:
        place.base_url = server.base_url
        ended = await place.run()
        place.check(ended, 1, "memo", content=place.old)
        mirror = place.work_dir / "checkpoint.json"
        if damage is None:
            mirror.unlink()
        else:
            mirror.write_text(damage)
        await place.goes_on(ended)
        asked = [(each.path, each.cursor) for each in server.arrivals if each.path != "/memo"]
        assert len([each for each in asked if each == ("/user", None)]) == 1
    assert json.loads(mirror.read_text())["state"] == "published"


# -- clocks and locks ------------------------------------------------------------------------------


async def test_a_clock_that_was_set_back(sandbox: Sandbox, place: Place) -> None:
    """A last run of tomorrow: the new one publishes over it, and neither tag nor order is lost."""
    ahead = datetime.now(UTC) + timedelta(hours=1)
    async with sandbox as server:
        place.base_url = server.base_url
        place.check(await place.run("--run-tag", f"{ahead:%Y%m%d_%H%M%S}"), 0, content=place.new)
        moved = place.history.read_text().replace(
            f"{datetime.now(UTC):%Y-%m-%dT%H:}", f"{ahead:%Y-%m-%dT%H:}"
        )
        place.history.write_text(moved)
        for backup in (place.folder / "backups").iterdir():
            os.utime(backup, (ahead.timestamp(), ahead.timestamp()))
        server.faults.append(Fault(action="status", status=500, path="/memo", times=4))
        ended = await place.run()
        place.check(ended, 1, "memo", content=place.new)
        place.check(await place.next(ended), 0, content=place.new)
        assert fold(History(place.history).newest_first())[0].line.run_tag == TAG
        assert len(list((place.folder / "backups").iterdir())) == 2


async def test_two_runs_at_once(sandbox: Sandbox, place: Place) -> None:
    """The second one ends with 5 and leaves no trace; the first one does not notice."""
    second: list[Ended] = []

    def start_another() -> None:
        command = [sys.executable, "-m", "salesmap_async", "run", "--db-path", str(place.final)]
        second.append(place.run_to_its_end([*command, "--quiet"]))

    sandbox.faults.append(in_the_middle(start_another))
    async with sandbox as server:
        place.base_url = server.base_url
        ended = await place.run()
    place.check(ended, 0, content=place.new)
    (refused,) = second
    place.check(refused, 5, "another run is working on", "Next: ", content=place.new)
    assert {line["run_tag"] for line in history_lines(place.history)} == {TAG}
    place.is_tidy()


async def test_the_lock_of_a_dead_process_holds_nobody_up(sandbox: Sandbox, place: Place) -> None:
    """Its file stays, whatever stands in it; the resume goes on at once."""
    sandbox.faults.append(in_the_middle(lambda: place.started[-1].kill()))
    async with sandbox as server:
        place.base_url = server.base_url
        ended = await place.run()
        assert ended.code == -9
        lock = place.folder / "final.db.lock"
        assert lock.exists()
        lock.write_text("12345\n")
        assert content_of(place.final) == place.old
        place.check(await place.run("--resume-run-tag", TAG), 0, content=place.new)
    place.is_tidy()
