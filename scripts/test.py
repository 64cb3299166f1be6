"""Run every check of this project in an environment of its own: lint, format, types, tests.

    python3 scripts/test.py                 # Windows: py scripts\\test.py
    python3 scripts/test.py -k throttle     # what follows goes to pytest

All checks run, whatever the earlier ones said; the exit code is that of the first that failed.
Where no Chromium is found, Debian's is installed if that is allowed; else the browser tests are
skipped, and that is said.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.python_version import require_python

require_python()

from scripts.chromium import ensure_chromium  # noqa: E402
from scripts.environment import (  # noqa: E402
    REPOSITORY,
    EnvironmentFailedError,
    clean_variables,
    make_environment,
    make_streams_forgiving,
)

VENV = REPOSITORY / ".venv-test"
SOURCES = ("salesmap_async", "tests", "scripts")
_ON_ALL_CORES = ("--numprocesses", str((os.cpu_count() or 1) + 1), "--dist", "loadfile")
"""One more than there are cores: many tests wait for processes and locks. A file's tests stay
together: some share a served DB, a browser or a port."""


def main(arguments: list[str] | None = None) -> int:
    """Make the environment, run the checks, say which failed; return the exit code."""
    make_streams_forgiving()
    pytest_arguments = parse(arguments)
    try:
        python = make_environment(VENV, ".[dev]")
    except EnvironmentFailedError as error:
        print(error, file=sys.stderr)
        return 1
    ensure_chromium(os.environ)
    codes = {
        name: run_check(python, name, command) for name, command in checks(pytest_arguments).items()
    }
    return report(codes)


def parse(arguments: list[str] | None) -> list[str]:
    """Return what is meant for pytest."""
    parser = argparse.ArgumentParser(
        description="Run ruff, mypy and pytest in .venv-test.",
        epilog="All other arguments go to pytest.",
        allow_abbrev=False,
    )
    return parser.parse_known_args(arguments)[1]


def checks(pytest_arguments: list[str]) -> dict[str, list[str]]:
    """Return the checks in their order: name and arguments of `python -m`."""
    return {
        "ruff check": ["ruff", "check", *SOURCES],
        "ruff format": ["ruff", "format", "--check", *SOURCES],
        "mypy": ["mypy"],
        "pytest": ["pytest", *_ON_ALL_CORES, *pytest_arguments],
    }


def run_check(python: Path, name: str, module_and_arguments: list[str]) -> int:
    """Run one check with its output shown; return its exit code."""
    print(f"\n== {name}", flush=True)
    command = [str(python), "-m", *module_and_arguments]
    variables = clean_variables(os.environ)
    return subprocess.run(command, cwd=REPOSITORY, env=variables, check=False).returncode


def report(codes: dict[str, int]) -> int:
    """Print one line per check; return the first exit code that is not 0."""
    print()
    for name, code in codes.items():
        print(f"{name:12} {'ok' if code == 0 else f'FAILED (exit code {code})'}")
    return next((code for code in codes.values() if code != 0), 0)


if __name__ == "__main__":
    raise SystemExit(main())
