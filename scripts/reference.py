"""Write the manual's page of options, from the commands themselves.

python scripts/reference.py            # rewrites salesmap_async/docs/reference.md
python scripts/reference.py --check    # exit code 1 where the page is not fresh
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from salesmap_async.cli.commands import load_command  # noqa: E402
from salesmap_async.cli.examples import EXAMPLES  # noqa: E402
from salesmap_async.cli.names import COMMANDS  # noqa: E402

PAGE = REPOSITORY / "salesmap_async" / "docs" / "reference.md"
COMMON = ("settings_file", "lang")
_TABLE_HEAD = ("| option | default | variable | meaning |", "| --- | --- | --- | --- |")
_HEAD = """# Commands and options

This page is made from the commands by `scripts/reference.py`. `python -m salesmap_async` and the
installed script `salesmap-async` are the same. An option that is given wins over its variable, a
variable over `salesmap.toml`, that over the default. Decisions for one run (a tag, a resume) have
no variable on purpose.
"""


def reference() -> str:
    """Return the page as Markdown."""
    sections = (_sections(name, load_command(name)) for name in COMMANDS)
    return "\n".join([_HEAD, _every_command(), *sections])


def _every_command() -> str:
    """Return the options that each command has, so that they are said once."""
    common = [each for each in load_command("run").params if each.name in COMMON]
    rows = [_row(each) for each in common if isinstance(each, click.Option)]
    return "\n".join(["## Every command\n", *_TABLE_HEAD, *rows]) + "\n"


def _sections(name: str, command: click.Command) -> str:
    if not isinstance(command, click.Group):
        return _section(name, command)
    own = f"## `{name}`\n\n{' '.join((command.help or '').split())}\n"
    below = (_section(f"{name} {each}", command.commands[each]) for each in command.commands)
    return "\n".join([own, *below])


def _section(name: str, command: click.Command) -> str:
    arguments = [each for each in command.params if isinstance(each, click.Argument)]
    usage = " ".join([f"{name} [OPTIONS]", *map(_argument, arguments)])
    lines = [
        f"## `{name}`\n",
        " ".join((command.help or "").split()),
        f"\n```text\npython -m salesmap_async {usage}\n```\n",
        *_TABLE_HEAD,
    ]
    options = (
        each
        for each in command.params
        if isinstance(each, click.Option) and not each.hidden and each.name not in COMMON
    )
    examples = ["", "```bash", *map(_example, EXAMPLES[name]), "```"]
    return "\n".join([*lines, *map(_row, options), *examples]) + "\n"


def _example(words: str) -> str:
    return f"python -m salesmap_async {words}"


def _argument(argument: click.Argument) -> str:
    name = str(argument.name).upper()
    return name if argument.required else f"[{name}]"


def _row(option: click.Option) -> str:
    flags = ", ".join(f"`{flag}`" for flag in (*option.opts, *option.secondary_opts))
    cells = (flags, _default(option.default, option), _variable(option), option.help or "")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(default: Any, option: click.Option) -> str:
    if option.is_flag:
        return "on" if default is True else "off"
    if default is None or default == () or not isinstance(default, str | int | float | Path):
        return "-"
    return f"`{default.as_posix() if isinstance(default, Path) else default}`"


def _variable(option: click.Option) -> str:
    return f"`{option.envvar}`" if option.envvar else "-"


def main() -> int:
    """Write or check the page; return the exit code."""
    text = reference()
    if "--check" in sys.argv:
        fresh = PAGE.read_text(encoding="utf-8") == text
        print("fresh" if fresh else f"{PAGE} is not fresh: run python scripts/reference.py")
        return 0 if fresh else 1
    PAGE.write_text(text, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
