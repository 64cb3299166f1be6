"""The README says what the program does: options, commands, exit codes and tables are compared."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from salesmap_async import errors
from salesmap_async.__main__ import commands
from salesmap_async.api.endpoints import ALL_TABLES, CORE_TABLES
from salesmap_async.publish.manifest import META_TABLES

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
STOPPED_BY_SIGNAL = {130, 143}

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
    """Return the row of each option in the command's table, by flag."""
    return {flag: row for row in table_rows(section(f"`{command}`")) for flag in names_in(row[0])}


def command_lines() -> list[str]:
    """Return every command line of this program that stands in a code block of the README."""
    blocks = re.findall(r"^```(?:bash|powershell|cron)\n(.*?)^```", README, re.M | re.S)
    lines = [line for block in blocks for line in block.splitlines()]
    return [line for line in lines if "-m salesmap_async" in line]


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
    typed = line.split("-m salesmap_async", 1)[1].split(">>")[0]
    typed = typed.split(" #")[0].replace("\\", "/").replace('"', "")
    name, *arguments = shlex.split(typed)
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
