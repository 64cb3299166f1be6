"""`completion`: names of commands and options at the press of the tab key.

click knows bash, zsh and fish; PowerShell is added here in click's own way. The installed program
`salesmap-async` is what is completed: a shell cannot tell `python -m` from any other module.
"""

from __future__ import annotations

import os

import click
from click.shell_completion import (
    CompletionItem,
    ShellComplete,
    add_completion_class,
    get_completion_class,
)

from salesmap_async.cli.help import command

_PROGRAM = "salesmap-async"
_VARIABLE = "_SALESMAP_ASYNC_COMPLETE"
"""Asked for by click in the environment of the program, before it does anything else."""

_POWERSHELL = """\
Register-ArgumentCompleter -Native -CommandName %(prog_name)s -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = $commandAst.CommandElements | ForEach-Object { $_.ToString() }
    $env:%(complete_var)s = "powershell_complete"
    $env:COMP_WORDS = $words -join "`n"
    $env:COMP_WORD = $wordToComplete
    try {
        %(prog_name)s | ForEach-Object {
            $value, $help = $_ -split "`t", 2
            if (-not $help) { $help = $value }
            $kind = "ParameterValue"
            [System.Management.Automation.CompletionResult]::new($value, $value, $kind, $help)
        }
    } finally {
        $env:%(complete_var)s = $env:COMP_WORDS = $env:COMP_WORD = $null
    }
}
"""


@add_completion_class
class PowerShellComplete(ShellComplete):
    """Words come in COMP_WORDS, a line each, the one at the cursor in COMP_WORD."""

    name = "powershell"
    source_template = _POWERSHELL

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the complete words behind the program, and the one that is being typed."""
        words = os.environ.get("COMP_WORDS", "").split("\n")[1:]
        incomplete = os.environ.get("COMP_WORD", "")
        if incomplete and words and words[-1] == incomplete:
            words = words[:-1]
        return words, incomplete

    def format_completion(self, item: CompletionItem) -> str:
        """Return the value, a tab and its help."""
        return f"{item.value}\t{item.help or ''}"


@command()
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish", "powershell")))
def completion(shell: str) -> None:
    """Print what lets your shell complete commands.

    It is for the installed program, `salesmap-async`. Let the shell read it when it starts: bash
    with `eval "$(salesmap-async completion bash)"` in ~/.bashrc, zsh the same in ~/.zshrc, fish
    with `salesmap-async completion fish | source` in config.fish, PowerShell with
    `salesmap-async completion powershell | Out-String | Invoke-Expression` in $PROFILE.
    """
    found = get_completion_class(shell)
    if found is None:  # a Choice admits only known ones
        raise click.UsageError(f"{shell} is not known")
    program = click.get_current_context().find_root().command
    click.echo(found(program, {}, _PROGRAM, _VARIABLE).source())
