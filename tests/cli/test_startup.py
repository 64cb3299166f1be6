"""What a command imports before it has anything to do: start-up is most of a short command."""

from __future__ import annotations

import json
import subprocess
import sys

import click
import pytest

from salesmap_async.cli.commands import load_command
from salesmap_async.cli.names import COMMANDS
from tests.support.cli_process import environment

HEAVY = ("aiohttp", "aiosqlite", "fastapi", "uvicorn", "pydantic", "rich.progress",
         "salesmap_async.sandbox", "salesmap_async.run.snapshot", "importlib.metadata")  # fmt: skip
NEEDED = {
    "sandbox": {"aiohttp", "salesmap_async.sandbox"},
    "restore": {"rich.progress"},
}
"""What the module of a command cannot do without."""

_PROGRAM = """
import json, sys
sys.argv[0] = "salesmap-async"
from salesmap_async.__main__ import main
try:
    main()
except SystemExit:
    pass
print("\\n" + json.dumps(sorted(sys.modules)))
"""


def modules_after(*arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *arguments],
        env=environment(), capture_output=True, text=True, check=True, encoding="utf-8",
    )  # fmt: skip
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_version_and_help_import_no_command(option: str) -> None:
    """Nor what commands are made of."""
    found = modules_after(option)
    commands = {f"salesmap_async.cli.{name}" for name in COMMANDS}
    assert not found & {*HEAVY, *commands, "sqlite3", "asyncio", "rich"}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_imports_little(name: str) -> None:
    """Its options are shown without what it will work with."""
    allowed = NEEDED.get(name, set())
    assert not modules_after(name, "--help") & (set(HEAVY) - allowed)


@pytest.mark.parametrize("arguments", [["status"], ["runs"], ["restore"], ["prune", "--dry-run"]])
def test_commands_that_only_look_import_no_network(arguments: list[str]) -> None:
    """Nor the sandbox, nor the machinery of a run."""
    heavy = set(HEAVY) - NEEDED.get(arguments[0], set())
    assert not modules_after(*arguments) & heavy


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_each_one_says_of_itself(name: str) -> None:
    """The text of the list is written apart, so that no command has to be imported for it."""
    command = load_command(name)
    assert isinstance(command, click.Command)
    first, *_ = (command.help or "").split("\n\n")
    assert " ".join(first.split()).startswith(COMMANDS[name].removesuffix("."))
