"""README and manual say what the program does: options, commands, exit codes and tables."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from salesmap_async import errors
from salesmap_async.__main__ import commands
from salesmap_async.api.endpoints import ALL_TABLES, CORE_TABLES, USUAL_TABLES
from salesmap_async.cli.commands import load_command
from salesmap_async.cli.names import COMMANDS
from salesmap_async.docs import PAGES, read_page
from salesmap_async.publish.manifest import META_TABLES
from scripts.reference import COMMON, reference

REPOSITORY = Path(__file__).parent.parent
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
MANUAL = {name: read_page(name) for name in PAGES}
RUNBOOK = MANUAL["runbook"]
EVERYTHING = "\n".join([README, *MANUAL.values()])
STOPPED_BY_SIGNAL = {130, 143}

OPTIONS = [
    (command, option)
    for command in map(load_command, COMMANDS)
    for option in command.params
    if isinstance(option, click.Option) and not option.hidden and option.name not in COMMON
]
OPTION_IDS = [f"{command.name} {option.opts[-1]}" for command, option in OPTIONS]


def section(heading: str, text: str = README) -> str:
    """Return the text below a heading, up to the next one of any level."""
    found = re.search(rf"^#+ {re.escape(heading)}.*?$(.*?)(?=^#|\Z)", text, re.M | re.S)
    assert found, f"there is no section {heading}"
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
    """Return the row of each option in the command's table of the reference, by flag."""
    rows = table_rows(section(f"`{command}`", MANUAL["reference"]))
    return {flag: row for row in rows for flag in names_in(row[0])}


def code_lines(text: str, languages: str, containing: str) -> list[str]:
    """Return the lines with `containing` in code blocks of these `languages`, joined by |."""
    blocks = re.findall(rf"^```(?:{languages})\n(.*?)^```", text, re.M | re.S)
    return [line for block in blocks for line in block.splitlines() if containing in line]


def command_lines() -> list[str]:
    """Return every command line of this program that stands in a code block."""
    return code_lines(EVERYTHING, "bash|powershell|cron", "-m salesmap_async")


def arguments_of(line: str) -> list[str]:
    """Return the command and its arguments, as either shell would give them."""
    typed = line.split("-m salesmap_async", 1)[1].split(">>")[0]
    typed = typed.split(" #")[0].replace("\\", "/").replace('"', "").replace("./", "")
    return shlex.split(typed)


@pytest.mark.parametrize("command", list(map(load_command, COMMANDS)), ids=lambda each: each.name)
def test_every_command_is_documented_and_has_help(command: click.Command) -> None:
    """A command has a docstring and a section with its options."""
    assert command.help
    assert f"## `{command.name}`" in MANUAL["reference"]


@pytest.mark.parametrize(("command", "option"), OPTIONS, ids=OPTION_IDS)
def test_every_option_is_documented_and_has_help(
    command: click.Command, option: click.Option
) -> None:
    """An option stands in the reference with its environment variable, and has help of its own."""
    rows = documented_options(str(command.name))
    flags = [*option.opts, *option.secondary_opts]
    assert set(flags) <= set(rows)
    assert rows[flags[0]][2].strip("`") == (option.envvar or "-")
    assert option.help, f"{flags[0]} has no help"


@pytest.mark.parametrize("command", list(map(load_command, COMMANDS)), ids=lambda each: each.name)
def test_no_option_is_invented(command: click.Command) -> None:
    """What the reference documents exists."""
    known = {flag for each in command.params for flag in (*each.opts, *each.secondary_opts)}
    assert set(documented_options(str(command.name))) <= known


def test_the_options_of_every_command_are_said_once() -> None:
    """In a section of their own, and not in each command's."""
    rows = table_rows(section("Every command", MANUAL["reference"]))
    assert {flag for row in rows for flag in names_in(row[0])} >= {"--config", "--lang"}
    assert MANUAL["reference"].count("`--lang`") == 1


def test_the_table_of_commands_is_complete() -> None:
    """It names each command once."""
    rows = table_rows(section("The first real run"))
    assert sorted(row[0].strip("`") for row in rows if row[0] != "command") == sorted(COMMANDS)


@pytest.mark.parametrize("flag", ["--keep-backups", "--concurrency", "--min-interval", "--port"])
def test_documented_defaults_are_the_real_ones(flag: str) -> None:
    """A number in the default column is the option's default."""
    command, option = next(pair for pair in OPTIONS if flag in pair[1].opts)
    assert float(documented_options(str(command.name))[flag][1].strip("`")) == float(
        str(option.default)
    )


def test_there_are_command_lines_to_check() -> None:
    """The pattern below finds what it is meant to find, in both shells."""
    assert len(command_lines()) >= 10
    assert any(line.startswith(".\\.venv") for line in command_lines())


@pytest.mark.parametrize("line", command_lines())
def test_command_lines_parse(line: str) -> None:
    """A command that is shown is one that the program takes."""
    name, *arguments = arguments_of(line)
    command = load_command(name)
    if isinstance(command, click.Group):
        name, *arguments = arguments
        command = command.commands[name]
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
    assert re.findall(r"`([^`]+)`", rows["usual"]) == list(USUAL_TABLES)
    assert optional == [t for t in ALL_TABLES if t not in (*CORE_TABLES, *USUAL_TABLES)]
    assert names_in(rows["about the snapshot"]) == set(META_TABLES)


def test_every_guarantee_is_explained() -> None:
    """I1 to I9 stand in the manual in plain words."""
    text = section("What is guaranteed", MANUAL["data"])
    assert [f"I{number}" for number in range(1, 10)] == re.findall(r"\*\*(I\d)\b", text)


def test_the_runbook_has_each_command_in_both_shells() -> None:
    """What is typed in bash is typed in PowerShell too, in the same order."""
    bash = [arguments_of(line) for line in code_lines(RUNBOOK, "bash", "-m salesmap_async")]
    powershell = code_lines(RUNBOOK, "powershell", "-m salesmap_async")
    assert bash == list(map(arguments_of, powershell))
    assert {command for command, *_ in bash} == set(COMMANDS) - {"sandbox", "docs"}


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
    first_cells = " ".join(row[0] for row in table_rows(section("복구", RUNBOOK)))
    assert set(map(int, re.findall(r"\d+", first_cells))) == codes - {0}


@pytest.mark.parametrize("line", code_lines(EVERYTHING, "bash", "scripts/torture.py"))
def test_torture_lines_name_what_it_takes(line: str) -> None:
    """Each shown kind of torture exists, and so do the options shown with it."""
    script = REPOSITORY / "scripts" / "torture.py"
    kind, *arguments = shlex.split(line.split("torture.py", 1)[1], comments=True)
    helped = subprocess.run(
        [sys.executable, script, kind, "--help"], capture_output=True, text=True, check=True
    )
    flags = {argument for argument in arguments if argument.startswith("--")}
    assert flags <= set(re.findall(r"--\w+", helped.stdout))


def test_the_reference_is_fresh() -> None:
    """It is made from the commands: `python scripts/reference.py` writes it anew."""
    assert reference() == MANUAL["reference"]


def test_the_readme_is_for_newcomers_and_links_the_rest() -> None:
    """At most 250 lines; line 3 links the Korean runbook; every page is linked and there."""
    lines = README.splitlines()
    assert len(lines) <= 250
    assert "docs/runbook.ko.md" in lines[2]
    links = set(re.findall(r"\((salesmap_async/docs/[^)]+|\.screenshots/[^)]+)\)", README))
    assert links >= {f"salesmap_async/docs/{name}" for name in PAGES.values()}
    assert all((REPOSITORY / link).is_file() for link in links)


@pytest.mark.parametrize("name", PAGES)
def test_docs_shows_a_page(name: str) -> None:
    """Where the output is no terminal, the page as it is."""
    shown = CliRunner().invoke(commands, ["docs", name])
    assert (shown.exit_code, shown.output) == (0, MANUAL[name])


def test_docs_lists_the_pages_and_refuses_others() -> None:
    """An unknown page is one paragraph with the names, exit code 2."""
    listed = CliRunner().invoke(commands, ["docs"])
    assert [line.split()[0] for line in listed.output.splitlines()[: len(PAGES)]] == list(PAGES)
    refused = CliRunner().invoke(commands, ["docs", "runbok"])
    assert refused.exit_code == 2
    assert all(name in refused.output for name in PAGES)


def test_every_file_of_the_package_is_shipped() -> None:
    """An installed program has its pages, schemas and screens as a clone does."""
    table = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    package = REPOSITORY / "salesmap_async"
    patterns = table["tool"]["setuptools"]["package-data"]["salesmap_async"]
    shipped = {path for pattern in patterns for path in package.glob(pattern)}
    others = {
        path
        for path in package.rglob("*")
        if path.is_file() and path.suffix != ".py" and "__pycache__" not in path.parts
    }
    assert others <= shipped
