"""Putting the new snapshot in place: stale sidecars, viewers, refusals, crashes."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from salesmap_async.errors import KeptAsideError, PublishError
from salesmap_async.events import Event, Step, Warned, ignore
from salesmap_async.files import fsync_directory, replace_file_with_retry, write_text_atomically
from salesmap_async.publish.published import read_published
from salesmap_async.publish.replace import install, settle_sidecars
from salesmap_async.sqlite_file import sidecars
from tests.support.small_snapshots import NEW, NEW_ROWS, OLD, OLD_ROWS, content, snapshot, viewer


@pytest.fixture
def final(tmp_path: Path) -> Path:
    """Name of the final DB, with everything awkward in it."""
    directory = tmp_path / "고객 #1?"
    directory.mkdir()
    return directory / "salesmap 한글 #2.db"


def new_snapshot(final: Path) -> Path:
    return snapshot(final.with_name(final.name + ".new.tmp"), "new", NEW_ROWS)


def sibling_of(final: Path) -> Path:
    return final.with_name(f"{final.stem}_new{final.suffix}")


def install_new(
    final: Path, building: Path, *, tell: Callable[[Event], None] = ignore, deadline_s: float = 0.3
) -> None:
    install(
        building,
        final,
        sibling_of(final),
        run_tag="new",
        tell=tell,
        deadline_s=deadline_s,
        sleep=lambda _: None,
    )


def refuse(code: int, *, winerror: int | None = None) -> OSError:
    error = OSError(code, os.strerror(code))
    if winerror is not None:
        error.winerror = winerror  # type: ignore[attr-defined, unused-ignore]
    return error


def script_replace(
    monkeypatch: pytest.MonkeyPatch, refusals: Callable[[Path, Path, int], OSError | None]
) -> list[tuple[str, str]]:
    """Let os.replace raise what `refusals` says for (src, dest, number of the call)."""
    real, calls = os.replace, list[tuple[str, str]]()

    def replace(src: Path, dest: Path) -> None:
        calls.append((Path(src).name, Path(dest).name))
        error = refusals(Path(src), Path(dest), len(calls))
        if error is not None:
            raise error
        real(src, dest)

    monkeypatch.setattr(os, "replace", replace)
    return calls


# --- replace_file_with_retry ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        refuse(errno.EACCES),
        refuse(errno.EPERM),
        refuse(errno.EBUSY),
        refuse(errno.EIO, winerror=32),
        refuse(errno.EIO, winerror=5),
    ],
)
def test_a_lock_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    """Two refusals, then success; each attempt is told by its name."""
    script_replace(monkeypatch, lambda *call: error if call[2] < 3 else None)
    (tmp_path / "a").write_text("new")
    waits, events = list[float](), list[Event]()
    replace_file_with_retry(tmp_path / "a", tmp_path / "b", sleep=waits.append, tell=events.append)
    assert (tmp_path / "b").read_text() == "new"
    assert waits == [0.5, 0.5]
    assert [event.name for event in events if isinstance(event, Step)] == [
        f"replace_file_with_retry attempt {number}/5" for number in (1, 2, 3)
    ]


def test_the_last_refusal_surfaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five attempts, four waits."""
    calls = script_replace(monkeypatch, lambda *_: refuse(errno.EACCES))
    waits = list[float]()
    with pytest.raises(PermissionError):
        replace_file_with_retry(tmp_path / "a", tmp_path / "b", sleep=waits.append)
    assert (len(calls), len(waits)) == (5, 4)


def test_another_error_surfaces_at_once(tmp_path: Path) -> None:
    """A missing source is no lock."""
    with pytest.raises(FileNotFoundError):
        replace_file_with_retry(tmp_path / "a", tmp_path / "b", sleep=_never)


def _never(_seconds: float) -> None:
    raise AssertionError("must not wait")


# --- install: sidecars ---------------------------------------------------------------------------


def test_the_first_snapshot_needs_no_old_one(final: Path) -> None:
    """No final DB; a sidecar without its DB belongs to nothing."""
    final.with_name(final.name + "-wal").write_bytes(b"old")
    install_new(final, new_snapshot(final))
    assert content(final) == NEW
    assert [each.name for each in final.parent.iterdir()] == [final.name]


@pytest.mark.parametrize("header", ["WAL", "DELETE"])
def test_a_stale_wal_does_not_turn_the_snapshot_back(final: Path, header: str) -> None:
    """The `-wal` of a killed process lies beside the old file; readers see the new rows."""
    snapshot(final, "old", OLD_ROWS, journal_mode="WAL")
    _leave_wal_behind(final)
    if header == "DELETE":
        data = bytearray(final.read_bytes())
        data[18:20] = b"\x01\x01"
        final.write_bytes(data)
    assert len(sidecars(final)) > 0
    install_new(final, new_snapshot(final))
    assert content(final) == NEW
    assert sidecars(final) == ()


def _leave_wal_behind(path: Path) -> None:
    code = (
        "import os, sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1])\n"
        "connection.execute('UPDATE deal SET tag = tag')\n"
        "connection.commit()\n"
        "os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)


def test_a_hot_journal_is_rolled_back_first(final: Path) -> None:
    """A writer was killed in mid-transaction: its journal must not meet the new file."""
    snapshot(final, "old", OLD_ROWS)
    with viewer(final, "writer") as process:
        process.kill()
        process.wait()
    assert final.with_name(final.name + "-journal").exists()
    assert settle_sidecars(final)
    assert content(final) == OLD
    install_new(final, new_snapshot(final))
    assert content(final) == NEW


def test_a_persistent_journal_and_a_lone_shm_are_removed(final: Path) -> None:
    """Harmless leftovers do not stay beside the new file."""
    snapshot(final, "old", OLD_ROWS, journal_mode="PERSIST")
    final.with_name(final.name + "-shm").write_bytes(b"\0" * 32_768)
    assert len(sidecars(final)) == 2
    assert settle_sidecars(final)
    assert sidecars(final) == ()
    assert content(final) == OLD


def test_settling_a_db_at_rest_does_not_touch_it(final: Path) -> None:
    """No sidecar, no WAL header: nothing is opened."""
    snapshot(final, "old", OLD_ROWS)
    before = final.stat()
    with viewer(final, "read transaction"):
        assert settle_sidecars(final)
    assert final.stat().st_mtime_ns == before.st_mtime_ns


# --- install: viewers ----------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
@pytest.mark.parametrize(
    "what", ["idle", "read transaction", "half-read cursor", "writer", "small writer", "crash"]
)
def test_viewers_see_all_old_or_all_new(final: Path, mode: str, what: str) -> None:
    """Whoever has the DB open, the final DB is the new one or the old one with exit 3."""
    snapshot(final, "old", OLD_ROWS, journal_mode=mode)
    building = new_snapshot(final)
    with viewer(final, what):
        try:
            install_new(final, building)
        except KeptAsideError:
            assert "writer" in what
            expected = OLD
        else:
            assert "writer" not in what
            assert content(final) == NEW
            expected = NEW
    assert content(final) == expected
    if expected == OLD:
        assert content(sibling_of(final)) == NEW


@pytest.mark.skipif(os.name == "nt", reason="the lock is scripted; Windows has a real one")
@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
@pytest.mark.parametrize("what", ["idle", "read transaction", "half-read cursor"])
def test_viewers_under_a_refused_rename(
    final: Path, monkeypatch: pytest.MonkeyPatch, mode: str, what: str
) -> None:
    """As on Windows: SQLite writes into the live file, or the sibling is kept with exit 3."""
    snapshot(final, "old", OLD_ROWS, journal_mode=mode)
    building = new_snapshot(final)
    script_replace(
        monkeypatch,
        lambda _src, dest, _: refuse(errno.EACCES, winerror=32) if dest == final else None,
    )
    events = list[Event]()
    with viewer(final, what):
        if mode == "DELETE" and what != "idle":
            with pytest.raises(KeptAsideError) as caught:
                install_new(final, building, tell=events.append)
            assert caught.value.kept_at == sibling_of(final)
            assert content(sibling_of(final)) == NEW
            assert content(final) == OLD
            assert any(isinstance(event, Warned) for event in events)
        else:
            install_new(final, building, tell=events.append)
            assert content(final) == NEW
    steps = [event.name for event in events if isinstance(event, Step)]
    assert "fallback: sqlite backup API into the live file" in steps
    assert not building.exists()


POLLER = """
import sqlite3, sys
from contextlib import closing
seen = set()
while ("new", 3000) not in seen:
    with closing(sqlite3.connect(sys.argv[1], timeout=30)) as connection:
        rows = connection.execute("SELECT tag, count(*) FROM deal GROUP BY tag").fetchall()
    seen.add(rows[0] if len(rows) == 1 else tuple(rows))
    if len(seen) == 1:
        print("ready", flush=True)
print(sorted(seen), flush=True)
"""


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
@pytest.mark.parametrize("refused", [False, True])
def test_a_polling_reader_never_sees_a_mixture(
    final: Path, monkeypatch: pytest.MonkeyPatch, mode: str, refused: bool
) -> None:
    """Before the swap all old, after it all new, by whatever way it came."""
    snapshot(final, "old", OLD_ROWS, journal_mode=mode)
    building = new_snapshot(final)
    if refused:
        script_replace(monkeypatch, lambda *_: refuse(errno.EACCES))
    with subprocess.Popen(
        [sys.executable, "-c", POLLER, str(final)], stdout=subprocess.PIPE, text=True
    ) as poller:
        assert poller.stdout is not None
        assert poller.stdout.readline() == "ready\n"
        install_new(final, building, deadline_s=30.0)
        lines = [line for line in poller.stdout if line != "ready\n"]
    assert lines == [f"{sorted([OLD, NEW])}\n"]


# --- install: refusals and crashes ---------------------------------------------------------------


def locked_by_reader(final: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(final, isolation_level=None)
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM deal").fetchone()
    return connection


def test_a_refused_rename_to_the_sibling_becomes_a_copy(
    final: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The building file itself is locked: it is copied aside under a temporary name first."""
    snapshot(final, "old", OLD_ROWS)
    building = new_snapshot(final)
    script_replace(
        monkeypatch, lambda src, _dest, _: refuse(errno.EACCES) if src == building else None
    )
    with closing(locked_by_reader(final)), pytest.raises(KeptAsideError) as caught:
        install_new(final, building)
    assert caught.value.exit_code == 3
    assert caught.value.kept_at == sibling_of(final)
    assert content(sibling_of(final)) == NEW
    assert content(final) == OLD


def test_a_first_snapshot_has_no_live_file_to_write_into(
    final: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name itself is refused: it goes to the sibling, and no other step is told."""
    building = new_snapshot(final)
    script_replace(
        monkeypatch, lambda _src, dest, _: refuse(errno.EACCES) if dest == final else None
    )
    events = list[Event]()
    with pytest.raises(KeptAsideError):
        install_new(final, building, tell=events.append)
    assert not any(isinstance(event, Step) and "backup API" in event.name for event in events)
    assert content(sibling_of(final)) == NEW


def test_a_live_file_that_cannot_take_the_pages_becomes_a_sibling(
    final: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A WAL file of another page size refuses the backup API; nothing is changed."""
    with closing(sqlite3.connect(final)) as connection:
        connection.execute("PRAGMA page_size = 8192").fetchall()
        connection.execute("VACUUM").fetchall()
    snapshot(final, "old", OLD_ROWS, journal_mode="WAL")
    with viewer(final, "idle"), pytest.raises(KeptAsideError):
        install_new(final, new_snapshot(final))
    assert content(final) == OLD
    assert content(sibling_of(final)) == NEW


def test_a_sibling_that_is_in_use_is_left_alone(final: Path) -> None:
    """An earlier try of this run left it and somebody opened it: the built file is named."""
    snapshot(final, "old", OLD_ROWS)
    sibling = snapshot(sibling_of(final), "new", 7, journal_mode="WAL")
    building = new_snapshot(final)
    with (
        viewer(final, "writer"),
        viewer(sibling, "idle"),
        pytest.raises(KeptAsideError) as caught,
    ):
        install_new(final, building)
    assert caught.value.kept_at == building
    assert content(sibling) == ("new", 7)


def test_a_file_of_the_user_s_at_the_sibling_s_name_is_never_overwritten(final: Path) -> None:
    """The new snapshot takes the next free name, and that one is named."""
    snapshot(final, "old", OLD_ROWS)
    sibling_of(final).write_text("a note of mine")
    with viewer(final, "writer"), pytest.raises(KeptAsideError) as caught:
        install_new(final, new_snapshot(final))
    assert sibling_of(final).read_text() == "a note of mine"
    assert caught.value.kept_at.name == f"{sibling_of(final).stem}_2{final.suffix}"
    assert content(caught.value.kept_at) == NEW


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
def test_owner_and_group_survive_the_swap(final: Path) -> None:
    """Where the user may set them; so does the mode."""
    snapshot(final, "old", OLD_ROWS)
    if sys.platform != "win32":
        os.chown(final, 1234, 2345)
    final.chmod(0o640)
    install_new(final, new_snapshot(final))
    found = final.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (1234, 2345, 0o640)
    assert content(final) == NEW


def test_when_nothing_can_be_renamed_the_built_file_is_named(
    final: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No rename at all: the snapshot lies where it was built."""
    snapshot(final, "old", OLD_ROWS)
    building = new_snapshot(final)
    script_replace(monkeypatch, lambda *_: refuse(errno.EACCES))
    with closing(locked_by_reader(final)), pytest.raises(KeptAsideError) as caught:
        install_new(final, building)
    assert caught.value.kept_at == building
    assert content(building) == NEW
    assert sorted(each.name for each in final.parent.iterdir()) == [final.name, building.name]


def test_an_unexpected_error_leaves_the_old_db(
    final: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EIO is no lock: the run fails, nothing is changed, no fallback is tried."""
    snapshot(final, "old", OLD_ROWS)
    building = new_snapshot(final)
    script_replace(monkeypatch, lambda *_: refuse(errno.EIO))
    with pytest.raises(PublishError, match="unchanged") as caught:
        install_new(final, building)
    assert caught.value.published is False
    assert content(final) == OLD


def test_a_failure_after_the_swap_says_so(final: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The directory cannot be brought to the disk: the new content is there, and it is said."""
    snapshot(final, "old", OLD_ROWS)
    building = new_snapshot(final)

    def fsync(_descriptor: int) -> None:
        raise OSError(errno.EIO, "scripted")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(PublishError, match="holds the new snapshot") as caught:
        install_new(final, building)
    assert caught.value.published is True
    assert content(final) == NEW


def test_a_directory_that_cannot_be_synced_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some file systems say EINVAL."""

    def fsync(_descriptor: int) -> None:
        raise OSError(errno.EINVAL, "scripted")

    monkeypatch.setattr(os, "fsync", fsync)
    fsync_directory(tmp_path)


def test_another_runs_file_is_not_installed(final: Path) -> None:
    """The building file must hold this run."""
    snapshot(final, "old", OLD_ROWS)
    other = snapshot(final.with_name("other.tmp"), "other", 5)
    with pytest.raises(PublishError, match="does not hold"):
        install_new(final, other)
    assert content(final) == OLD


def test_a_final_path_that_is_not_a_database_is_refused_when_in_wal(final: Path) -> None:
    """Garbage with something beside it cannot be brought to rest; it is named, not replaced."""
    final.write_bytes(b"garbage " * 1_000)
    final.with_name(final.name + "-wal").write_bytes(b"x")
    with pytest.raises(PublishError, match="unchanged"):
        install_new(final, new_snapshot(final))
    assert final.read_bytes().startswith(b"garbage")


def test_a_read_only_final_db_is_a_clean_error(
    final: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody protected the file: it is not replaced behind their back."""
    snapshot(final, "old", OLD_ROWS)
    building = new_snapshot(final)
    monkeypatch.setattr(os, "access", lambda path, mode: path != final)
    with pytest.raises(PublishError, match="read-only"):
        install_new(final, building)
    assert content(final) == OLD


def test_the_new_file_keeps_the_old_ones_permissions(final: Path) -> None:
    """A group that may read the DB may go on reading it."""
    snapshot(final, "old", OLD_ROWS).chmod(0o640)
    install_new(final, new_snapshot(final))
    if os.name != "nt":
        assert final.stat().st_mode & 0o777 == 0o640


KILLED = """
import os, sqlite3, sys
from pathlib import Path
from salesmap_async.errors import SalesmapError
from salesmap_async.publish.replace import install
final, building, sibling, point = sys.argv[1:]
calls = 0
def wrap(module, name):
    real = getattr(module, name)
    def call(*args, **kwargs):
        global calls
        calls += 1
        if calls == int(point):
            os._exit(9)
        return real(*args, **kwargs)
    setattr(module, name, call)
wrap(os, "replace"); wrap(os, "fsync"); wrap(sqlite3, "connect"); wrap(Path, "unlink")
install(Path(building), Path(final), Path(sibling), run_tag="new", tell=lambda event: None)
"""


def test_a_crash_at_any_call_leaves_old_or_new_and_can_be_repeated(final: Path) -> None:
    """Die before each rename, sync, open and delete in turn; then install again."""
    seen = set[tuple[str, int]]()
    for point in range(1, 50):
        for each in list(final.parent.iterdir()):
            each.unlink()
        snapshot(final, "old", OLD_ROWS, journal_mode="WAL")
        _leave_wal_behind(final)
        building = new_snapshot(final)
        names = [str(final), str(building), str(sibling_of(final))]
        done = subprocess.run([sys.executable, "-c", KILLED, *names, str(point)], check=False)
        published = read_published(final)
        assert published is not None
        seen.add((str(published.run_tag), published.rows["deal"]))
        if done.returncode == 0:
            break
        assert done.returncode == 9
        if published.run_tag == "old":
            install_new(final, building)
        assert content(final) == NEW
    else:
        raise AssertionError("it never came to its end")
    assert seen == {OLD, NEW}


# --- texts ---------------------------------------------------------------------------------------


def test_a_text_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failing sync leaves the old text and no temporary file."""
    path = tmp_path / "logs" / "manifest_1.json"
    write_text_atomically(path, "하나\n")

    def fsync(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "scripted")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="scripted"):
        write_text_atomically(path, "둘\n")
    assert path.read_bytes() == "하나\n".encode()
    assert [each.name for each in path.parent.iterdir()] == [path.name]
