"""Serve a snapshot in a process of its own, until Ctrl-C."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping

from scripts.environment import clean_variables

GOODBYE_LIMIT_S = 5.0


def serve(command: list[str]) -> int:
    """Run the server until it ends or Ctrl-C; return its exit code, 0 after Ctrl-C."""
    with subprocess.Popen(command, env=clean_variables(os.environ)) as server:
        try:
            return server.wait()
        except KeyboardInterrupt:
            say_goodbye(server)
            return 0


def say_goodbye(server: subprocess.Popen[bytes]) -> None:
    """Wait for the server, which a terminal has told of the Ctrl-C too; else tell it."""
    try:
        server.wait(GOODBYE_LIMIT_S)
    except subprocess.TimeoutExpired:
        server.terminate()
        server.wait()


def can_show_a_browser(variables: Mapping[str, str], platform: str) -> bool:
    """Tell whether there is a screen: always on Windows and macOS, else with a display."""
    if platform in ("win32", "darwin"):
        return True
    return any(variables.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
