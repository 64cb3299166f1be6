"""The scripts of a fresh clone: what they decide before they touch anything."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path, PurePath

import pytest

from scripts import bench, chromium, environment, quickstart, serving
from scripts import test as checks
from scripts.python_version import refusal

SCRIPTS = environment.REPOSITORY / "scripts"


@pytest.mark.parametrize("version", [(2, 7, 18), (3, 6, 15), (3, 10, 13)])
def test_an_old_python_is_refused_in_words(version: tuple[int, ...]) -> None:
    """The message names both versions and what to type on Windows."""
    message = refusal(version, "/usr/bin/python3")
    assert f"this is Python {version[0]}.{version[1]} (/usr/bin/python3)" in message
    assert "Python 3.11 or newer" in message
    assert "py -3.11" in message


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 14, 2), (4, 0, 0)])
def test_a_new_python_is_not_refused(version: tuple[int, ...]) -> None:
    assert refusal(version, "python") == ""


@pytest.mark.parametrize("script", ["quickstart.py", "test.py", "bench.py"])
def test_the_version_is_checked_before_anything_else_is_imported(script: str) -> None:
    """Only modules that every Python has stand above the check."""
    head = (SCRIPTS / script).read_text(encoding="utf-8").partition("\nrequire_python()\n")[0]
    imported = [line for line in head.splitlines() if line.startswith(("import", "from"))]
    assert imported[-1] == "from scripts.python_version import require_python"
    assert "__future__" not in head


@pytest.mark.parametrize("script", ["quickstart.py", "test.py", "bench.py"])
def test_help_needs_no_environment(script: str, tmp_path: Path) -> None:
    """--help works from any folder and makes nothing."""
    done = subprocess.run(
        [sys.executable, SCRIPTS / script, "--help"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("usage: " + script)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("script", [quickstart, bench])
def test_an_unknown_option_ends_with_2(script: object, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        script.parse(["--nonsense"])  # type: ignore[attr-defined]
    assert ended.value.code == 2
    assert "--nonsense" in capsys.readouterr().err


def test_the_interpreter_of_an_environment() -> None:
    """Windows keeps it elsewhere."""
    venv = Path("폴더 하나") / ".venv"
    assert environment.python_in(venv, "nt") == venv / "Scripts" / "python.exe"
    assert environment.python_in(venv, "posix") == venv / "bin" / "python"


def test_stray_variables_are_left_out() -> None:
    """A quickstart must not write to the DB that SALESMAP_DB_PATH names."""
    kept = {"PATH": "/bin", "HOME": "/empty", "PIP_INDEX_URL": "x"}
    stray = {"SALESMAP_DB_PATH": "real.db", "SALESMAP_TOKEN": "t", "PYTHONPATH": "/x"}
    assert environment.clean_variables(kept | stray) == kept


def test_pip_failures_are_shortened_to_their_errors() -> None:
    """No traceback, no line twice."""
    output = (
        "WARNING: Retrying\nTraceback (most recent call last):\n  File x\n"
        "ERROR: No matching distribution found for aiohttp\n"
        "ERROR: No matching distribution found for aiohttp\n"
    )
    assert environment.error_lines(output) == ["ERROR: No matching distribution found for aiohttp"]
    assert environment.error_lines("a\n\nb\n", limit=1) == ["b"]
    assert environment.error_lines("Traceback:\n  File x\nOSError: full\n") == ["OSError: full"]


def test_a_failed_program_is_a_clear_error() -> None:
    """What the program said stands below what it means."""
    command = [sys.executable, "-c", "print('ERROR: no network'); raise SystemExit(1)"]
    with pytest.raises(environment.EnvironmentFailedError) as failed:
        environment._run(command, failure="the installation failed")
    assert str(failed.value) == "the installation failed\n  ERROR: no network"


@pytest.mark.parametrize("content", [None, "", "no interpreter"])
def test_a_broken_environment_is_not_reused(tmp_path: Path, content: str | None) -> None:
    """Missing, empty or foreign: it is made anew."""
    python = environment.python_in(tmp_path)
    if content is not None:
        python.parent.mkdir()
        python.write_text(content, encoding="utf-8")
        python.chmod(0o755)
    assert not environment._is_good(python, tmp_path)


def test_an_environment_from_elsewhere_is_not_reused(tmp_path: Path) -> None:
    """A copied .venv still points at the place it came from."""
    assert not environment._is_good(Path(sys.executable), tmp_path)


def test_checks_run_in_order_with_the_rest_for_pytest() -> None:
    """Lint, format, types, tests; unknown arguments are pytest's."""
    rest = checks.parse(["-k", "throttle", "--maxfail=1"])
    assert rest == ["-k", "throttle", "--maxfail=1"]
    commands = checks.checks(rest)
    assert list(commands) == ["ruff check", "ruff format", "mypy", "pytest"]
    assert commands["pytest"][-3:] == rest


@pytest.mark.parametrize(
    ("codes", "expected"),
    [({"a": 0, "b": 0}, 0), ({"a": 0, "b": 2, "c": 1}, 2), ({"a": 1, "b": 2}, 1)],
)
def test_the_first_failure_is_the_exit_code(codes: dict[str, int], expected: int) -> None:
    assert checks.report(codes) == expected


def test_the_report_names_what_failed(capsys: pytest.CaptureFixture[str]) -> None:
    checks.report({"ruff check": 0, "mypy": 2})
    said = capsys.readouterr().out.split("\n")
    assert [line.split() for line in said if line] == [
        ["ruff", "check", "ok"],
        ["mypy", "FAILED", "(exit", "code", "2)"],
    ]


def test_ci_calls_what_the_readme_says() -> None:
    """One command for people and for the machine."""
    script = (environment.REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")
    readme = (environment.REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert script.splitlines()[-1] == "python3 scripts/test.py"
    assert "python3 scripts/test.py" in readme


def test_next_steps_speak_the_shell_of_the_system() -> None:
    windows = quickstart.next_steps(Path("x") / "python.exe", "nt")
    assert '$env:SALESMAP_TOKEN = "<your token>"' in windows
    assert "export SALESMAP_TOKEN=" in quickstart.next_steps(Path("x") / "python", "posix")


@pytest.mark.parametrize(
    ("os_name", "expected"),
    [("posix", '"/한글 폴더/python" run'), ("nt", '& "/한글 폴더/python" run')],
)
def test_a_path_with_spaces_is_quoted(os_name: str, expected: str) -> None:
    assert quickstart.shown(Path("/한글 폴더/python"), "run", os_name=os_name) == expected


def test_korean_letters_take_two_places() -> None:
    table = quickstart.as_table([["form", "n"], ["교육", "1"]])
    assert table == "form  n\n교육  1"


def test_queries_run_on_a_snapshot_with_their_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Dates are counted in Seoul's months; an empty amount is no error."""
    database = tmp_path / "한글 이름.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript(
            """
            CREATE TABLE deal (id, organizationId, "상태", "금액", "계약 체결일");
            CREATE TABLE organization (id, "이름");
            CREATE TABLE webform (id, name);
            CREATE TABLE webform_history (id, peopleId, webFormId, createdAt);
            INSERT INTO organization VALUES ('o', '가상전자');
            INSERT INTO deal VALUES ('a', 'o', 'Won', 1000, '2025-12-31T15:00:00.000Z'),
                                    ('b', 'o', 'Won', NULL, '2025-12-31T14:59:59.000Z'),
                                    ('c', 'o', 'Lost', 5, '2025-12-31T15:00:00.000Z');
            INSERT INTO webform_history VALUES ('s', 'p', 'gone', '2026-01-01T00:00:00.000Z');
            """
        )
    quickstart.print_queries(database)
    said = capsys.readouterr().out
    assert "2026-01  1      1,000" in said
    assert "2025-12  1      -" in said
    assert "가상전자      2      1,000" in said


# -- serve and the browser ------------------------------------------------------------------------

SERVER_UNTIL_CTRL_C = """
import time
try:
    print("serving", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("stopped", flush=True)
"""


def test_serving_is_asked_for() -> None:
    """Without --serve nothing is served; with it, the usual port and the browser are meant."""
    assert not quickstart.parse([]).serve
    asked = quickstart.parse(["--serve"])
    assert (asked.serve, asked.port, asked.browser) == (True, 8000, True)
    assert not quickstart.parse(["--serve", "--no-browser"]).browser


@pytest.mark.parametrize(
    ("variables", "platform", "expected"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ""}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({}, "win32", True),
        ({}, "darwin", True),
    ],
)
def test_no_browser_is_opened_without_a_screen(
    variables: dict[str, str], platform: str, expected: bool
) -> None:
    """A machine without a display only prints the address."""
    assert serving.can_show_a_browser(variables, platform) is expected


def test_the_exit_code_of_the_server_is_the_script_s() -> None:
    """A port that is taken, for example."""
    assert serving.serve([sys.executable, "-c", "raise SystemExit(2)"]) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT to a child process needs POSIX")
@pytest.mark.parametrize("ignores", [False, True])
def test_ctrl_c_ends_the_server_and_is_no_failure(tmp_path: Path, ignores: bool) -> None:
    """Exit code 0, and no process stays, not even one that does not care for the Ctrl-C."""
    program = SERVER_UNTIL_CTRL_C
    if ignores:
        program = f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n{program}"
    script = (
        f"import sys; sys.path.insert(0, {str(environment.REPOSITORY)!r})\n"
        "from scripts import serving\n"
        "serving.GOODBYE_LIMIT_S = 0.5\n"
        f"raise SystemExit(serving.serve([sys.executable, '-c', {program!r}]))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "serving\n"
        if sys.platform != "win32":
            os.killpg(process.pid, signal.SIGINT)
        rest = process.stdout.read()  # ends when the last process of the group has ended
        assert process.wait(30) == 0
    assert rest == ("" if ignores else "stopped\n")


def test_a_browser_is_found_by_its_usual_names(tmp_path: Path) -> None:
    """Debian's name first; a variable names another one, and then only that counts."""
    for name in ("chromium", "google-chrome"):
        executable(tmp_path / name)
    path = {"PATH": str(tmp_path)}
    assert chromium.find_chromium(path) == str(tmp_path / "chromium")
    named = str(tmp_path / "google-chrome")
    assert chromium.find_chromium(path | {"TEST_CHROMIUM": named}) == named
    assert chromium.find_chromium(path | {"TEST_CHROMIUM": "nothing"}) is None


def test_a_found_browser_is_not_installed_again(tmp_path: Path) -> None:
    """Nothing is run."""
    executable(tmp_path / "chromium")
    executable(tmp_path / "apt-get")
    assert chromium.ensure_chromium({"PATH": str(tmp_path)}, never)


def test_without_a_browser_the_skip_is_said_aloud(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No apt-get: nothing is tried, and the person reads what is missing."""
    assert chromium.ensure_chromium({"PATH": str(tmp_path)}, never) is None
    assert "WILL BE SKIPPED" in capsys.readouterr().out


@pytest.mark.skipif(sys.platform == "win32", reason="users are counted otherwise there")
@pytest.mark.parametrize(("user", "rights"), [(0, []), (1000, ["sudo", "-n"])])
def test_chromium_is_installed_where_that_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: int, rights: list[str]
) -> None:
    """As root, or with a sudo that asks for no password; a failure does not end the checks."""
    for name in ("apt-get", "sudo"):
        executable(tmp_path / name)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    ran: list[list[str]] = []

    def run(command: list[str]) -> bool:
        ran.append(command)
        return "apt-get" not in command

    assert chromium.ensure_chromium({"PATH": str(tmp_path)}, run) is None
    installs = [command for command in ran if "install" in command]
    assert [command[: len(rights)] for command in installs] == [rights]
    assert installs[0][-1] == "chromium"


def test_a_refused_sudo_installs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A password is never asked for."""
    for name in ("apt-get", "sudo"):
        executable(tmp_path / name)
    monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)
    assert chromium.install_commands({"PATH": str(tmp_path)}, lambda _: False) == []


def never(command: list[str]) -> bool:
    """Fail where a command is run."""
    raise AssertionError(command)


def executable(path: Path) -> None:
    """Make a file that may be run."""
    path.write_text("#!/bin/sh\n", encoding="utf-8")
    path.chmod(0o755)


# -- bench ----------------------------------------------------------------------------------------


def test_bench_chooses_cases() -> None:
    assert bench.parse(["--case", "a, d"]).case == ["a", "d"]
    with pytest.raises(SystemExit):
        bench.parse(["--case", "z"])


@pytest.mark.parametrize(
    ("latency_s", "longest", "floor_s"),
    [(0.3, 100, 72.0), (0.3, 480, 480 * 0.36), (0.36, 480, 480 * 0.36), (1.0, 480, 480 * 1.08)],
)
def test_the_floor_is_the_larger_of_two(latency_s: float, longest: int, floor_s: float) -> None:
    """All pages at the pace, or the longest list page by page."""
    case = bench.Case(letter="x", title="x", records=1, latency_s=latency_s)
    survey = bench.Survey(requests=600, longest=longest)
    assert bench.floor_of(case, survey) == pytest.approx(floor_s)


def test_the_floor_of_a_shared_quota_is_what_is_left_of_it() -> None:
    case = bench.Case(letter="f", title="f", records=1, others=30)
    assert bench.floor_of(case, bench.Survey(requests=700, longest=1)) == pytest.approx(100.0)


def test_arrivals_are_summed_up() -> None:
    arrivals: list[dict[str, object]] = json.loads(
        '[{"at_s": 10.0, "status": 200}, {"at_s": 10.12, "status": 429},'
        ' {"at_s": 10.25, "status": 0}]'
    )
    usage = bench.Usage(wall_s=1.0, cpu_s=None, peak_mib=None)
    case = bench.Case(letter="x", title="x", records=1)
    result = bench.measured(case, bench.Survey(requests=2, longest=1), "run", arrivals, usage)
    assert (result.requests, result.plain, result.refused) == (3, 2, 1)
    assert result.first_to_last_s == pytest.approx(0.25)
    assert result.smallest_gap_ms == pytest.approx(120)
    assert "| -" in bench.as_table([result])


def test_medians_are_taken_per_run() -> None:
    one = bench.Measured(
        case="x",
        title="x",
        run="first",
        requests=1,
        plain=1,
        first_to_last_s=1.0,
        smallest_gap_ms=1,
        refused=0,
        wall_s=1,
        cpu_s=None,
        peak_mib=1,
    )
    results = [replace(one, wall_s=wall) for wall in (1, 5, 3)]
    assert [each.wall_s for each in bench.medians([*results, replace(one, run="second")])] == [
        3,
        1,
    ]


def test_paths_stay_relative_where_they_can() -> None:
    python = environment.python_in(Path.cwd() / ".venv", "posix")
    assert quickstart.shown(python, "-m", "x") == f"{PurePath('.venv/bin/python')} -m x"
