"""The README says what the program does: options, commands, exit codes and tables are compared."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from salesmap_async import errors
from salesmap_async.__main__ import commands
from salesmap_async.api.endpoints import ALL_TABLES, CORE_TABLES
from salesmap_async.publish.manifest import META_TABLES

REPOSITORY = Path(__file__).parent.parent
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
RUNBOOK = README.partition("\n## 운영 런북\n")[2]
STOPPED_BY_SIGNAL = {130, 143}
SHARED = {
    "Where things lie": frozenset(commands.commands) - {"sandbox"},
    "How to reach the API": frozenset({"run", "doctor"}),
}
"""Tables of options that several commands take: heading -> those commands."""

OPTIONS = [
    (command, option)
    for command in commands.commands.values()
    for option in command.params
    if isinstance(option, click.Option)
]
OPTION_IDS = [f"{command.name} {option.opts[-1]}" for command, option in OPTIONS]


def section(heading: str) -> str:
    """Return the text below a heading, up to the next one of any level."""
    found = re.search(rf"^#+ {re.escape(heading)}.*?$(.*?)(?=^#|\Z)", README, re.M | re.S)
    assert found, f"README has no section {heading}"
    return found[1]


def table_rows(text: str) -> list[list[str]]:
    """Return the cells of the Markdown tables in `text`."""
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|") and not set(line) <= set("|- ")
    ]


def names_in(text: str) -> set[str]:
    """Return what stands between backticks."""
    return set(re.findall(r"`([^`]+)`", text))


def documented_options(command: str) -> dict[str, list[str]]:
    """Return the row of each option in the command's table and the shared ones, by flag."""
    headings = [heading for heading, sharing in SHARED.items() if command in sharing]
    tables = [section(f"`{command}`"), *map(section, headings)]
    return {flag: row for table in tables for row in table_rows(table) for flag in names_in(row[0])}


def code_lines(text: str, languages: str, containing: str) -> list[str]:
    """Return the lines with `containing` in code blocks of these `languages`, joined by |."""
    blocks = re.findall(rf"^```(?:{languages})\n(.*?)^```", text, re.M | re.S)
    return [line for block in blocks for line in block.splitlines() if containing in line]


def command_lines() -> list[str]:
    """Return every command line of this program that stands in a code block of the README."""
    return code_lines(README, "bash|powershell|cron", "-m salesmap_async")


def arguments_of(line: str) -> list[str]:
    """Return the command and its arguments, as either shell would give them."""
    typed = line.split("-m salesmap_async", 1)[1].split(">>")[0]
    typed = typed.split(" #")[0].replace("\\", "/").replace('"', "").replace("./", "")
    return shlex.split(typed)


@pytest.mark.parametrize("command", commands.commands.values(), ids=lambda each: each.name)
def test_every_command_is_documented_and_has_help(command: click.Command) -> None:
    """A command has a docstring and a section with its options."""
    assert command.help
    assert documented_options(str(command.name))


@pytest.mark.parametrize(("command", "option"), OPTIONS, ids=OPTION_IDS)
def test_every_option_is_documented_and_has_help(
    command: click.Command, option: click.Option
) -> None:
    """An option stands in the README with its environment variable, and has help of its own."""
    rows = documented_options(str(command.name))
    flags = [*option.opts, *option.secondary_opts]
    assert set(flags) <= set(rows)
    assert rows[flags[0]][2].strip("`") == (option.envvar or "-")
    assert option.help, f"{flags[0]} has no help"


@pytest.mark.parametrize("command", commands.commands.values(), ids=lambda each: each.name)
def test_no_option_is_invented(command: click.Command) -> None:
    """What the README documents exists."""
    known = {flag for each in command.params for flag in (*each.opts, *each.secondary_opts)}
    assert set(documented_options(str(command.name))) <= known


def test_the_table_of_commands_is_complete() -> None:
    """It names each command once."""
    rows = table_rows(section("Commands and options"))
    assert sorted(name for row in rows for name in names_in(row[0])) == sorted(commands.commands)


@pytest.mark.parametrize("flag", ["--keep-backups", "--concurrency", "--min-interval", "--port"])
def test_documented_defaults_are_the_real_ones(flag: str) -> None:
    """A number in the default column is the option's default."""
    command, option = next(pair for pair in OPTIONS if flag in pair[1].opts)
    assert float(documented_options(str(command.name))[flag][1]) == float(str(option.default))


def test_there_are_command_lines_to_check() -> None:
    """The pattern below finds what it is meant to find, in both shells."""
    assert len(command_lines()) >= 10
    assert any(line.startswith(".\\.venv") for line in command_lines())


@pytest.mark.parametrize("line", command_lines())
def test_command_lines_parse(line: str) -> None:
    """A command that is shown is one that the program takes."""
    name, *arguments = arguments_of(line)
    command = commands.commands[name]
    with command.make_context(name, arguments, resilient_parsing=False) as context:
        assert context.params


def test_exit_codes_are_those_of_the_errors() -> None:
    """Each exit code of errors.py has its row, and no other has one."""
    documented = {int(row[0]) for row in table_rows(section("Exit codes")) if row[0].isdigit()}
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    real = {kind.exit_code for kind in kinds if issubclass(kind, errors.SalesmapError)}
    assert documented == real | {0} | STOPPED_BY_SIGNAL


def test_tables_are_those_of_the_catalogue() -> None:
    """Core, optional and descriptive tables are listed, in the catalogue's order."""
    rows = {row[0].split(",")[0]: row[1] for row in table_rows(section("What is in the DB"))}
    core = re.findall(r"`([^`]+)`", rows["core"])
    optional = re.findall(r"`([^`]+)`", rows["optional"])
    assert core == list(CORE_TABLES)
    assert optional == [table for table in ALL_TABLES if table not in CORE_TABLES]
    assert names_in(rows["about the snapshot"]) == set(META_TABLES)


def test_every_guarantee_is_explained() -> None:
    """I1 to I8 stand in the README in plain words."""
    text = section("What is guaranteed")
    assert [f"I{number}" for number in range(1, 9)] == re.findall(r"\*\*(I\d)\b", text)


def test_the_runbook_has_each_command_in_both_shells() -> None:
    """What is typed in bash is typed in PowerShell too, in the same order."""
    bash = [arguments_of(line) for line in code_lines(RUNBOOK, "bash", "-m salesmap_async")]
    powershell = code_lines(RUNBOOK, "powershell", "-m salesmap_async")
    assert bash == list(map(arguments_of, powershell))
    assert {command for command, *_ in bash} == set(commands.commands) - {"sandbox"}


def test_the_runbook_explains_every_line_of_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each thing that `status` looks at has its row."""
    monkeypatch.chdir(tmp_path)
    explained = {name for row in table_rows(RUNBOOK) if len(row) == 4 for name in names_in(row[2])}
    shown = CliRunner().invoke(commands, ["status"])
    labels = set(re.findall(r"^(\S.{1,9}?) {2,}\S", shown.output, re.M))
    assert "checkpoint" in labels
    assert labels <= explained


def test_the_runbook_explains_every_exit_code() -> None:
    """An operator finds each code that is not 0."""
    codes = {int(row[0]) for row in table_rows(section("Exit codes")) if row[0].isdigit()}
    first_cells = " ".join(row[0] for row in table_rows(section("복구")))
    assert set(map(int, re.findall(r"\d+", first_cells))) == codes - {0}


@pytest.mark.parametrize("line", code_lines(README, "bash", "scripts/torture.py"))
def test_torture_lines_name_what_it_takes(line: str) -> None:
    """Each shown kind of torture exists, and so do the options shown with it."""
    script = REPOSITORY / "scripts" / "torture.py"
    kind, *arguments = shlex.split(line.split("torture.py", 1)[1], comments=True)
    helped = subprocess.run(
        [sys.executable, script, kind, "--help"], capture_output=True, text=True, check=True
    )
    flags = {argument for argument in arguments if argument.startswith("--")}
    assert flags <= set(re.findall(r"--\w+", helped.stdout))
