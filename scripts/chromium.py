"""The browser of the browser tests: find Chromium, or let Debian install it.

The variable `TEST_CHROMIUM` names another one. Without a browser these tests are skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping

NAMES = ("chromium", "chromium-browser", "google-chrome")
INSTALL_LIMIT_S = 900.0

MISSING = (
    "NO CHROMIUM: the browser tests WILL BE SKIPPED.\n"
    "Install one (Debian: apt-get install chromium) or name one: TEST_CHROMIUM=/path/to/chromium"
)


def find_chromium(variables: Mapping[str, str]) -> str | None:
    """Return the path of the browser to test with, or None."""
    named = variables.get("TEST_CHROMIUM")
    names = (named,) if named else NAMES
    return next(filter(None, (_which(name, variables) for name in names)), None)


def ensure_chromium(
    variables: Mapping[str, str], run: Callable[[list[str]], bool] | None = None
) -> str | None:
    """Return the browser, installed first where it is missing and can be; say so where it cannot.

    `run` runs one command and tells whether it succeeded.
    """
    run = run or succeeds
    if not find_chromium(variables):
        for command in install_commands(variables, run):
            run(command)
    found = find_chromium(variables)
    if not found:
        print(f"\n{MISSING}", flush=True)
    return found


def install_commands(
    variables: Mapping[str, str], run: Callable[[list[str]], bool]
) -> list[list[str]]:
    """Return what installs Chromium here: nothing without apt-get or without the right to."""
    if not _which("apt-get", variables):
        return []
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        rights = []
    elif _which("sudo", variables) and run(["sudo", "-n", "true"]):
        rights = ["sudo", "-n"]
    else:
        return []
    print("installing chromium for the browser tests ...", flush=True)
    apt = [*rights, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
    return [[*apt, "update"], [*apt, "install", "-y", "--no-install-recommends", "chromium"]]


def succeeds(command: list[str]) -> bool:
    """Run a command in silence and tell whether it succeeded; it never fails the caller."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=INSTALL_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _which(name: str, variables: Mapping[str, str]) -> str | None:
    return shutil.which(name, path=variables.get("PATH", ""))
