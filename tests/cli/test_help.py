"""Help that fits a terminal: commands and options in groups, examples that work, completion."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from salesmap_async.__main__ import commands
from salesmap_async.cli.commands import load_command
from salesmap_async.cli.examples import EXAMPLES
from salesmap_async.cli.help import OPTION_GROUPS
from salesmap_async.cli.names import COMMANDS, GROUPS
from tests.support.cli_process import POSIX, cli, environment, no_process_is_left

__all__ = ["no_process_is_left"]


def leaves() -> dict[str, click.Command]:
    """Return every command that can be run, by its name."""
    found: dict[str, click.Command] = {}
    for name in COMMANDS:
        command = load_command(name)
        if isinstance(command, click.Group):
            found |= {f"{name} {below}": each for below, each in command.commands.items()}
        else:
            found[name] = command
    return found


def test_commands_stand_in_groups_a_line_each(tmp_path: Path) -> None:
    """Each once, with a sentence that is not cut off and not broken in 80 columns."""
    _, out, _ = cli(tmp_path, "--help", COLUMNS="80")
    for heading, lines in GROUPS.items():
        assert f"\n{heading}:\n" in out
        for name, line in lines.items():
            assert re.search(rf"^  {name} +{re.escape(line)}$", out, re.M)
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("name", [*leaves(), "timeline", "fleet", "schedule"])
def test_help_fits_80_columns(name: str) -> None:
    """Nothing is wider, no short help is cut off, and no argument stands among the options."""
    with CliRunner().isolation(env={"COLUMNS": "80"}):
        first, _, below = name.partition(" ")
        command = load_command(first)
        context = click.Context(commands, info_name="python -m salesmap_async")
        for each in filter(None, (first, below)):
            if each == below:
                assert isinstance(command, click.Group)
                command = command.commands[below]
            context = click.Context(
                command, info_name=each, parent=context, terminal_width=80, max_content_width=80
            )
        text = command.get_help(context)
    assert max(map(len, text.splitlines())) <= 80
    assert "..." not in text.replace("]...", "").replace("...]", "")


@pytest.mark.parametrize("name", leaves())
def test_a_command_has_three_examples_that_are_taken(name: str) -> None:
    """What the help shows is what the program takes."""
    command = leaves()[name]
    assert len(EXAMPLES[name]) == 3
    for example in EXAMPLES[name]:
        words = shlex.split(example)
        assert " ".join(words[: len(name.split())]) == name
        context = command.make_context(name, words[len(name.split()) :])
        assert context.params is not None


def test_examples_are_of_commands() -> None:
    assert set(EXAMPLES) == set(leaves())


def test_options_stand_in_groups(tmp_path: Path) -> None:
    """Each once; the examples at the end; nothing wider than the terminal."""
    _, out, _ = cli(tmp_path, "run", "--help", COLUMNS="80")
    run = load_command("run")
    for heading in ("Where things lie", "Telling others", "Going on with a run", "Every command"):
        assert f"\n{heading}:\n" in out
    for option in run.params:
        assert len(re.findall(rf"^  (?:-v, )?{option.opts[-1]}(?=[ /])", out, re.M)) == 1
    assert out.count("python -m salesmap_async run") == 4
    assert max(map(len, out.splitlines())) <= 80
    known = {param.name for command in leaves().values() for param in command.params}
    grouped = {name for names in OPTION_GROUPS.values() for name in names}
    assert grouped - known == {"_click_default_help"}


def program(folder: Path) -> dict[str, str]:
    """Make `salesmap-async` a program of the PATH; return the variables to start it with."""
    script = folder / "salesmap-async"
    script.write_text(f"#!{sys.executable}\nfrom salesmap_async.__main__ import main\nmain()\n")
    script.chmod(0o755)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return environment(PATH=path, PYTHONPATH=os.pathsep.join(sys.path))


BASH = """
eval "$(salesmap-async completion bash)"
COMP_WORDS=({words}); COMP_CWORD={at}
_salesmap_async_completion salesmap-async
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@POSIX
@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
@pytest.mark.parametrize(
    ("words", "at", "wanted"),
    [
        ("salesmap-async re", 1, {"restore"}),
        ("salesmap-async status --m", 2, {"--max-age", "--metrics-file"}),
        ("salesmap-async timeline as", 2, {"as-of"}),
        ("salesmap-async status --lang ''", 3, {"en", "ko"}),
    ],
)
def test_bash_completes(tmp_path: Path, words: str, at: int, wanted: set[str]) -> None:
    """A real bash, with what `completion bash` prints."""
    done = subprocess.run(
        ["bash", "--norc", "-c", BASH.format(words=words, at=at)],
        env=program(tmp_path), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert set(done.stdout.split()) == wanted


@pytest.mark.parametrize(
    ("shell", "more", "said"),
    [
        ("zsh", {"COMP_WORDS": "salesmap-async re", "COMP_CWORD": "1"}, "restore"),
        ("fish", {"COMP_WORDS": "salesmap-async re", "COMP_CWORD": "re"}, "restore"),
        ("powershell", {"COMP_WORDS": "salesmap-async\nre", "COMP_WORD": "re"}, "restore\tList"),
        ("powershell", {"COMP_WORDS": "salesmap-async\nstatus", "COMP_WORD": ""}, ""),
    ],
)
@POSIX
def test_other_shells_are_answered(
    tmp_path: Path, shell: str, more: dict[str, str], said: str
) -> None:
    """What each shell's script asks the program, in its own words."""
    done = subprocess.run(
        ["salesmap-async"],
        env={**program(tmp_path), "_SALESMAP_ASYNC_COMPLETE": f"{shell}_complete", **more},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said in done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_each_script_asks_this_program(tmp_path: Path, shell: str) -> None:
    """By the variable that the program looks at."""
    code, out, _ = cli(tmp_path, "completion", shell)
    assert code == 0
    assert "_SALESMAP_ASYNC_COMPLETE" in out
    assert "salesmap-async" in out
    assert f"{shell}_complete" in out


@pytest.mark.skipif(not shutil.which("pwsh"), reason="needs PowerShell")
def test_powershell_completes(tmp_path: Path) -> None:
    """A real PowerShell, with what `completion powershell` prints."""
    script = (
        "salesmap-async completion powershell | Out-String | Invoke-Expression; "
        "(TabExpansion2 'salesmap-async re' 17).CompletionMatches.CompletionText"
    )
    done = subprocess.run(
        ["pwsh", "-NoProfile", "-Command", script],
        env=program(tmp_path), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "restore" in done.stdout.split()


def test_the_program_has_no_command_outside_the_groups() -> None:
    assert list(COMMANDS) == commands.list_commands(click.Context(commands))
