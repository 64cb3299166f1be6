"""Commands that are printed: the right program, the right paths, whatever lies about."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from salesmap_async.commandline import path_command, plain_command, run_command
from salesmap_async.settings import Settings
from tests.support.canary import run_cli
from tests.support.cli_process import cli


@pytest.mark.parametrize(
    ("argv0", "begins"),
    [
        ("/home/a/.local/bin/salesmap-async", "salesmap-async status"),
        ("salesmap-async.exe", "salesmap-async status"),
        ("/x/salesmap_async/__main__.py", "python -m salesmap_async status"),
        ("/usr/bin/uvicorn", "python -m salesmap_async status"),
    ],
)
def test_the_program_has_the_name_it_was_started_with(
    monkeypatch: pytest.MonkeyPatch, argv0: str, begins: str
) -> None:
    """An installed tool is on the PATH under its name; the module may be nowhere there."""
    monkeypatch.setattr(sys, "argv", [argv0])
    assert plain_command("status") == begins


def test_only_what_differs_from_the_defaults_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A usual run needs no option; another DB and another log folder are named."""
    monkeypatch.chdir(tmp_path)
    assert path_command(Settings(), "doctor", "--offline") == (
        "python -m salesmap_async doctor --offline"
    )
    named = Settings(db_path=Path("other.db"), log_dir=Path("records"))
    assert path_command(named, "doctor").split()[4:] == [
        "--db-path", str(tmp_path / "other.db"), "--log-dir", str(tmp_path / "records"),
    ]  # fmt: skip
    again = run_command(named, "--resume-run-tag", "t", sandbox=True, token_file=None)
    assert "--resume-run-tag t --sandbox --db-path" in again


ODD = ("logs", "backups", "salesmap_latest.db")


def make_odd(folder: Path, name: str) -> None:
    """A file where the usual folder would be, or a folder where the usual DB would be."""
    (folder / name).mkdir() if name.endswith(".db") else (folder / name).write_text("mine")


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("command", ["status", "runs", "doctor", "restore", "prune", "serve"])
def test_what_lies_at_a_usual_path_breaks_no_message(
    tmp_path: Path, name: str, command: str
) -> None:
    """The usual paths are taken: every command says so in words, with exit code 2."""
    make_odd(tmp_path, name)
    code, _, said = cli(tmp_path, command)
    assert code == 2, said
    assert "Traceback" not in said
    assert name in said
    assert "Next: python -m salesmap_async" in said


@pytest.mark.parametrize("name", ODD)
async def test_a_run_elsewhere_is_told_in_words_too(tmp_path: Path, name: str) -> None:
    """All paths are named, so the odd thing is in nobody's way; only the token is missing."""
    make_odd(tmp_path, name)
    folder = tmp_path / "elsewhere"
    ended = await run_cli(
        tmp_path,
        *("--db-path", str(folder / "a.db"), "--backup-dir", str(folder / "b")),
        *("--log-dir", str(folder / "l"), "--checkpoint-dir", str(folder / "c")),
    )
    assert ended.code == 2, ended.error
    assert "Traceback" not in ended.error
    assert "Next: python -m salesmap_async run" in ended.error
