"""A run every night: what each scheduler is given, and that it takes it.

systemd checks its units itself; the crontab is a real program that keeps a file; the Windows task
is compared with the schema of the Task Scheduler, for there is no Windows here.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from datetime import date, time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from salesmap_async.cli.commands import load_command
from salesmap_async.errors import UsageError
from salesmap_async.schedule.job import (
    TASK_NAMESPACE,
    Job,
    at_time,
    cron_lines,
    crontab_with,
    crontab_without,
    service_unit,
    task_xml,
    timer_unit,
)
from tests.support.cli_process import POSIX, cli, no_process_is_left

__all__ = ["no_process_is_left"]

ODD = Path("/srv/세일즈 맵/50% $HOME")
WORDS = (
    sys.executable,
    "-m",
    "salesmap_async",
    "run",
    "--resume",
    "--db-path",
    str(ODD / "a b.db"),
)


def job(**changes: object) -> Job:
    usual: dict[str, object] = {
        "db_path": ODD / "a b.db",
        "at": time(3, 30),
        "words": WORDS,
        "folder": ODD,
        "output": ODD / "logs" / "scheduled.log",
    }
    return Job(**(usual | changes))  # type: ignore[arg-type]


FAKE_CRONTAB = """#!/bin/sh
file="$0.kept"
if [ "$1" = -l ]; then
  [ -f "$file" ] || { echo "no crontab for you" >&2; exit 1; }
  cat "$file"
else
  cat > "$file"
fi
"""


@pytest.fixture
def crontab(tmp_path: Path) -> Path:
    """A program `crontab` that keeps its table in a file, first on the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "crontab"
    program.write_text(FAKE_CRONTAB)
    program.chmod(0o755)
    return program


def path_with(program: Path) -> str:
    return f"{program.parent}{os.pathsep}{os.environ['PATH']}"


@POSIX
def test_cron_runs_the_very_command(tmp_path: Path) -> None:
    """The shell sees each word as it was, with spaces, %, $ and Korean letters."""
    seen = tmp_path / "seen 50%"
    program = "import sys; open(sys.argv[1], 'w').write(repr(sys.argv[1:]))"
    words = (sys.executable, "-c", program, str(seen), "a b", "$HOME", "50%", "'q'", "가상")
    marker, line = cron_lines(job(words=words, output=tmp_path / "out"))
    assert marker == f"# salesmap-async: {ODD / 'a b.db'}"
    minute, hour, *rest, command = line.split(" ", 5)
    assert (minute, hour, rest) == ("30", "3", ["*", "*", "*"])
    assert not re.search(r"(?<!\\)%", command), "cron ends the command at a bare %"
    subprocess.run(["/bin/sh", "-c", command.replace("\\%", "%")], check=True)
    assert seen.read_text() == repr(list(words[3:]))


def test_a_crontab_has_the_job_once_and_keeps_its_other_lines() -> None:
    """However often it is installed; removed, it is as it was."""
    other = "MAILTO=me\n0 1 * * * backup\n# salesmap-async: /other.db\n5 5 * * * other\n"
    once = crontab_with(other, job())
    assert once == other + "\n".join(cron_lines(job())) + "\n"
    later = crontab_with(once, job(at=time(4, 0)))
    assert later.count(job().marker) == 1
    assert "\n0 4 * * * " in later
    assert crontab_without(later, job()) == other


def test_a_line_below_a_marker_that_is_another_s_stays() -> None:
    """Somebody has taken out the command by hand, and left the comment above it."""
    for below in ("0 1 * * * backup\n", "# salesmap-async: /other.db\n5 5 * * * salesmap run\n"):
        assert crontab_without(f"{job().marker}\n{below}", job()) == below


@POSIX
def test_install_and_remove_with_crontab(tmp_path: Path, crontab: Path) -> None:
    """It is read back, and a second removal finds nothing."""
    token = tmp_path / "token.txt"
    token.write_text("t")
    token.chmod(0o600)
    given = ("--as", "cron", "--at", "04:05", "--token-file", "token.txt", "--keep-backups", "9")
    code, out, err = cli(tmp_path, "schedule", "install", *given, PATH=path_with(crontab))
    assert (code, err) == (0, "")
    _, line = Path(f"{crontab}.kept").read_text().splitlines()
    assert line.startswith("5 4 * * * ")
    assert line in out
    words = shlex.split(line.split(" ", 5)[5])
    assert words[:6] == [sys.executable, "-m", "salesmap_async", "run", "--resume", "--no-progress"]
    assert words[words.index("--token-file") + 1] == str(token)
    assert words[words.index("--keep-backups") + 1] == "9"
    assert words[words.index("--db-path") + 1] == str(tmp_path / "salesmap_latest.db")
    assert words[words.index(">") + 1] == str(tmp_path / "logs" / "scheduled.log")
    assert (tmp_path / "logs").is_dir(), "the shell opens the log before the run makes its folder"
    load_command("run").make_context("run", words[4 : words.index(">")])
    remove = ("schedule", "remove", "--as", "cron")
    assert "is not scheduled any more" in cli(tmp_path, *remove, PATH=path_with(crontab))[1]
    assert "was not scheduled" in cli(tmp_path, *remove, PATH=path_with(crontab))[1]
    assert Path(f"{crontab}.kept").read_text() == ""


@POSIX
@pytest.mark.parametrize("word", ["install", "remove"])
def test_a_crontab_that_cannot_be_read_is_not_written(
    tmp_path: Path, crontab: Path, word: str
) -> None:
    """To write it anew would take out all that stands in it."""
    crontab.write_text(FAKE_CRONTAB.replace("[ -f", 'echo "cannot be locked" >&2; exit 1; [ -f'))
    kept = Path(f"{crontab}.kept")
    kept.write_text("0 1 * * * backup\n")
    code, _, err = cli(tmp_path, "schedule", word, "--as", "cron", PATH=path_with(crontab))
    assert (code, "cannot be locked" in err) == (1, True), err
    assert kept.read_text() == "0 1 * * * backup\n"


@POSIX
def test_a_crontab_in_another_encoding_keeps_its_bytes(tmp_path: Path, crontab: Path) -> None:
    """Its lines are the user's."""
    kept = Path(f"{crontab}.kept")
    other = "# 백업\n0 1 * * * backup\n".encode("euc-kr")
    kept.write_bytes(other)
    code, _, err = cli(tmp_path, "schedule", "install", "--as", "cron", PATH=path_with(crontab))
    assert code == 0, err
    assert kept.read_bytes().startswith(other)


@POSIX
def test_a_scheduled_run_publishes_from_anywhere(tmp_path: Path, crontab: Path) -> None:
    """The line of the crontab is run as cron would: another folder, hardly any environment."""
    (tmp_path / "salesmap.toml").write_text("[run]\nsandbox = true\nmin_interval = 0.09\n")
    cli(tmp_path, "schedule", "install", "--as", "cron", PATH=path_with(crontab))
    command = Path(f"{crontab}.kept").read_text().splitlines()[1].split(" ", 5)[5]
    done = subprocess.run(
        ["/bin/sh", "-c", command.replace("\\%", "%")], cwd="/", env={"PATH": "/usr/bin:/bin"}
    )
    output = (tmp_path / "logs" / "scheduled.log").read_text()
    assert done.returncode == 0, output
    assert (tmp_path / "sandbox_latest.db").exists()
    assert "Snapshot 2" in output


def test_print_changes_nothing(tmp_path: Path) -> None:
    """Each scheduler's text, with the command that would install it."""
    for scheduler, said in (
        ("cron", "30 3 * * * "),
        ("systemd", "OnCalendar=*-*-* 03:30:00"),
        ("windows", "<LogonType>S4U</LogonType>"),
    ):
        code, out, err = cli(tmp_path, "schedule", "print", "--as", scheduler)
        assert code == 0
        assert said in out
        assert "warning: no --token-file is given" in err
        assert f"schedule install --at 03:30 --as {scheduler}" in err
        assert str(tmp_path) in out
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_systemd_takes_its_units(tmp_path: Path) -> None:
    """`systemd-analyze verify`, and the words that it would start."""
    one = job(words=(*WORDS, "a b", "50%", "$HOME", 'q"q', "back\\slash"), folder=tmp_path)
    for ending, text in ((".service", service_unit(one)), (".timer", timer_unit(one))):
        (tmp_path / f"{one.name}{ending}").write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", f"{one.name}.timer", f"{one.name}.service"],
        cwd=tmp_path,
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    [line] = [each for each in service_unit(one).splitlines() if each.startswith("ExecStart=")]
    assert not re.search(r"(?<!%)%(%%)*(?!%)", line), "a single % begins a specifier"
    plain = line.removeprefix("ExecStart=").replace("%%", "%").replace("$$", "$")
    assert tuple(shlex.split(plain)) == one.words


# The elements of a task and their order, as the Task Scheduler schema 1.2 has them.
SCHEMA: dict[str, tuple[str, ...]] = {
    "Task": ("RegistrationInfo", "Triggers", "Principals", "Settings", "Data", "Actions"),
    "RegistrationInfo": ("URI", "Source", "Author", "Date", "Description", "Documentation"),
    "Triggers": ("CalendarTrigger",),
    "CalendarTrigger": (
        "Repetition", "StartBoundary", "EndBoundary", "ExecutionTimeLimit", "Enabled",
        "RandomDelay", "ScheduleByDay",
    ),
    "ScheduleByDay": ("DaysInterval",),
    "Principals": ("Principal",),
    "Principal": ("UserId", "LogonType", "GroupId", "DisplayName", "RunLevel"),
    "Settings": (
        "AllowStartOnDemand", "RestartOnFailure", "MultipleInstancesPolicy",
        "DisallowStartIfOnBatteries", "StopIfGoingOnBatteries", "AllowHardTerminate",
        "StartWhenAvailable", "NetworkProfileName", "RunOnlyIfNetworkAvailable", "WakeToRun",
        "Enabled", "Hidden", "DeleteExpiredTaskAfter", "IdleSettings", "NetworkSettings",
        "ExecutionTimeLimit", "Priority", "RunOnlyIfIdle",
    ),
    "Actions": ("Exec",),
    "Exec": ("Command", "Arguments", "WorkingDirectory"),
}  # fmt: skip
ORDERED = {"CalendarTrigger", "Exec"}
"""Of these the schema is a sequence; the others may have their elements in any order."""
VALUES = {
    "LogonType": {"S4U", "Password", "InteractiveToken"},
    "RunLevel": {"LeastPrivilege", "HighestAvailable"},
    "MultipleInstancesPolicy": {"Parallel", "Queue", "IgnoreNew", "StopExisting"},
}


def test_the_windows_task_follows_its_schema() -> None:
    """Names, order, values; it runs whether the user is logged on or not, and is made up for."""
    windows = job(words=("C:\\v e\\python.exe", "-m", "salesmap_async", "run"),
                  folder=Path("C:/crm"), output=Path("C:/crm/logs/scheduled.log"))  # fmt: skip
    text = task_xml(windows, user="CORP\\kim", today=date(2026, 11, 22))
    root = ElementTree.fromstring(text.partition("\n")[2])
    assert root.tag == f"{{{TASK_NAMESPACE}}}Task"
    for element in root.iter():
        name = element.tag.rpartition("}")[2]
        below = [each.tag.rpartition("}")[2] for each in element]
        if not below:
            assert name not in VALUES or element.text in VALUES[name]
            continue
        assert set(below) <= set(SCHEMA[name]), name
        assert len(below) == len(set(below)), name
        if name in ORDERED:
            assert below == [each for each in SCHEMA[name] if each in below]
    found = {each.tag.rpartition("}")[2]: each.text for each in root.iter()}
    assert found["LogonType"] == "S4U"
    assert found["StartWhenAvailable"] == "true"
    assert found["StartBoundary"] == "2026-11-22T03:30:00"
    assert found["UserId"] == "CORP\\kim"
    arguments = str(found["Arguments"])
    assert arguments.startswith('/d /s /c ""C:\\v e\\python.exe" -m salesmap_async run > "')
    assert arguments.endswith('scheduled.log" 2>&1"')
    with pytest.raises(UsageError):
        task_xml(job(), user="kim", today=date(2026, 11, 22))  # a % that cmd would expand


@POSIX
def test_print_works_where_no_scheduler_is(tmp_path: Path) -> None:
    """It shows cron's lines, and says why; to install is refused with what helps."""
    code, out, err = cli(tmp_path, "schedule", "print", PATH=str(tmp_path))
    assert code == 0
    assert "30 3 * * * " in out
    assert "these are the lines for cron" in err
    code, _, err = cli(tmp_path, "schedule", "install", PATH=str(tmp_path))
    assert code == 2
    assert "neither a systemd of this user nor crontab" in err


def test_each_db_has_a_name_of_its_own() -> None:
    """Two DBs of one name in two folders are two jobs."""
    names = {job(db_path=Path(path)).name for path in ("/a/x.db", "/b/x.db", "/a/가.db")}
    assert len(names) == 3
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", name) for name in names)


@pytest.mark.parametrize("text", ["25:00", "3", "03:60", "noon", "3:30pm", ""])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        at_time(text)


def test_what_run_would_refuse_is_refused_now(tmp_path: Path) -> None:
    """Not at half past three at night."""
    for given, said in (
        (("--min-interval", "-1"), "--min-interval must be 0 or more"),
        (("--frob",), "`run` would not take that"),
        (("--token-file", "none.txt"), "--token-file none.txt is no file"),
        (("--at", "26:00"), "--at 26:00 is no time of day"),
    ):
        code, _, err = cli(tmp_path, "schedule", "install", "--as", "cron", *given)
        assert code == 2
        assert said in err
