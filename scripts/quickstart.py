"""From a fresh clone to a first snapshot, without a token: install, run the sandbox, query it.

    python3 scripts/quickstart.py           # Windows: py scripts\\quickstart.py
    python3 scripts/quickstart.py --serve   # and look at it in the browser

Makes .venv in the repository, or reuses it, and leaves sandbox_latest.db in the current folder.
"""

import argparse
import os
import sqlite3
import subprocess
import sys
import unicodedata
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.python_version import require_python

require_python()

from scripts.environment import (  # noqa: E402
    REPOSITORY,
    EnvironmentFailedError,
    clean_variables,
    make_environment,
    make_streams_forgiving,
)
from scripts.serving import can_show_a_browser, serve  # noqa: E402

VENV = REPOSITORY / ".venv"
SNAPSHOT = Path("sandbox_latest.db")
RUN = ("-m", "salesmap_async", "run")
SERVE = ("-m", "salesmap_async", "serve")

QUERIES = {
    "Won amount by month (dates are UTC; Seoul is 9 hours ahead)": """
SELECT strftime('%Y-%m', "계약 체결일", '+9 hours') AS month,
       count(*) AS deals,
       CAST(sum("금액") AS INTEGER) AS amount
FROM deal
WHERE "상태" = 'Won'
GROUP BY month
ORDER BY month DESC
LIMIT 6;""",
    "The organizations that bought most": """
SELECT organization."이름" AS organization,
       count(*) AS deals,
       CAST(sum(deal."금액") AS INTEGER) AS amount
FROM deal JOIN organization ON organization.id = deal.organizationId
WHERE deal."상태" = 'Won'
GROUP BY organization.id
ORDER BY amount DESC, organization.id
LIMIT 5;""",
    "Web-form submissions by form": """
SELECT webform.name AS form,
       count(*) AS submissions,
       count(DISTINCT webform_history.peopleId) AS people,
       max(date(webform_history.createdAt, '+9 hours')) AS latest
FROM webform_history LEFT JOIN webform ON webform.id = webform_history.webFormId
GROUP BY webform_history.webFormId
ORDER BY submissions DESC, webform_history.webFormId
LIMIT 5;""",
}


def main(arguments: list[str] | None = None) -> int:
    """Install, run, query, serve where that is asked for; return the exit code."""
    make_streams_forgiving()
    asked = parse(arguments)
    try:
        python = make_environment(VENV, ".[dashboard]" if asked.serve else ".")
    except EnvironmentFailedError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"\n$ {shown(python, *RUN, '--sandbox')}", flush=True)
    command = [str(python), *RUN, "--sandbox"]
    code = subprocess.run(command, env=clean_variables(os.environ), check=False).returncode
    if code != 0:
        print(f"the sandbox run ended with exit code {code}", file=sys.stderr)
        return code
    print_queries(SNAPSHOT)
    print(next_steps(python))
    return show(python, asked) if asked.serve else 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Return `serve`, `port` and `browser`."""
    parser = argparse.ArgumentParser(
        description="Install into .venv, snapshot the built-in sandbox, query the result.",
    )
    parser.add_argument("--serve", action="store_true", help="then show it in the browser")
    parser.add_argument("--port", type=int, default=8000, help="for --serve; default 8000")
    parser.add_argument(
        "--no-browser",
        dest="browser",
        action="store_false",
        help="for --serve; only print the address",
    )
    return parser.parse_args(arguments)


def show(python: Path, asked: argparse.Namespace) -> int:
    """Serve the snapshot until Ctrl-C; return the exit code."""
    arguments = [*SERVE, "--db-path", str(SNAPSHOT), "--port", str(asked.port)]
    if asked.browser and can_show_a_browser(os.environ, sys.platform):
        arguments.append("--open")
    print(f"\n$ {shown(python, *arguments)}", flush=True)
    return serve([str(python), *arguments])


def print_queries(database: Path) -> None:
    """Run each of QUERIES and print it with its result."""
    uri = f"{database.resolve().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        for title, query in QUERIES.items():
            cursor = connection.execute(query)
            header = [column[0] for column in cursor.description]
            print(f"\n-- {title}{query}\n")
            print(as_table([header, *([_text(v) for v in row] for row in cursor)]))


def as_table(rows: list[list[str]]) -> str:
    """Align the columns; Korean letters take two places each."""
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    )


def next_steps(python: Path, os_name: str = os.name) -> str:
    """Say how to go on with a real workspace."""
    if os_name == "nt":
        set_token, ask = '$env:SALESMAP_TOKEN = "<your token>"', "PowerShell"
    else:
        set_token, ask = "export SALESMAP_TOKEN='<your token>'", "shell"
    return f"""
Open {SNAPSHOT} with any SQLite tool and try your own. Next, with your workspace ({ask}):

  {set_token}
  {shown(python, *RUN, os_name=os_name)}

The snapshot is then salesmap_latest.db. All options: docs reference, or run --help."""


def shown(python: Path, *arguments: str, os_name: str = os.name) -> str:
    """Return a command as a person would type it, with the interpreter's path kept short."""
    try:
        path = str(python.relative_to(Path.cwd()))
    except ValueError:
        path = str(python)
    if " " in path:
        path = f'& "{path}"' if os_name == "nt" else f'"{path}"'
    return " ".join([path, *arguments])


def _text(value: object) -> str:
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


if __name__ == "__main__":
    raise SystemExit(main())
