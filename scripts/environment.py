"""A virtual environment of this repository, made or reused. Standard library only."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent

_STRAY_VARIABLES = frozenset({"PYTHONPATH", "PYTHONHOME", "PYTEST_ADDOPTS", "MYPYPATH"})
_IS_GOOD = (
    "import pip, sys; sys.exit(sys.version_info < (3, 11) or "
    "not __import__('os').path.samefile(sys.prefix, sys.argv[1]))"
)


class EnvironmentFailedError(Exception):
    """The environment could not be made or filled; the text is for a person."""


def python_in(venv: Path, os_name: str = os.name) -> Path:
    """Return the interpreter of a virtual environment."""
    return venv / "Scripts" / "python.exe" if os_name == "nt" else venv / "bin" / "python"


def clean_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables without those that would change what is run."""
    return {name: value for name, value in variables.items() if not _is_stray(name)}


def make_environment(venv: Path, requirement: str) -> Path:
    """Make `venv` or reuse it, install `requirement` of this repository; return its Python.

    Raises EnvironmentFailedError with what pip said, shortened to its errors.
    """
    python = python_in(venv)
    if not _is_good(python, venv):
        print(f"making {venv} ...", flush=True)
        _run(
            [sys.executable, "-m", "venv", "--clear", str(venv)],
            failure=f"the virtual environment {venv} cannot be made",
        )
    print(f"installing {requirement} ...", flush=True)
    _run(
        [str(python), "-m", "pip", "install", "--quiet", "--editable", requirement],
        failure="the installation failed; is the package index within reach?",
    )
    return python


def error_lines(output: str, limit: int = 6) -> list[str]:
    """Return the lines of a program's output that name its errors, without tracebacks."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("ERROR:", "Error:"))]
    if not errors and "Traceback" in output:
        return lines[-1:]
    return list(dict.fromkeys(errors or lines))[-limit:]


def make_streams_forgiving() -> None:
    """Let no character that the console cannot show end the program (Windows, cp949)."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def _is_stray(name: str) -> bool:
    return name in _STRAY_VARIABLES or name.startswith("SALESMAP_")


def _is_good(python: Path, venv: Path) -> bool:
    """Tell whether the environment exists, is of this place and has a pip that can be imported."""
    if not python.is_file():
        return False
    try:
        done = subprocess.run(
            [str(python), "-c", _IS_GOOD, str(venv)],
            env=clean_variables(os.environ),
            capture_output=True,
            check=False,
        )
    except OSError:
        return False
    return done.returncode == 0


def _run(command: list[str], *, failure: str) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=REPOSITORY,
            env=clean_variables(os.environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise EnvironmentFailedError(f"{failure}\n  {error}") from None
    if done.returncode != 0:
        said = "\n".join(f"  {line}" for line in error_lines(done.stdout))
        raise EnvironmentFailedError(f"{failure}\n{said}")
