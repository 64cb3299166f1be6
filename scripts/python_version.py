"""Refuse a Python that is too old, in words. This file must stay readable for old ones."""

import sys

OLDEST_PYTHON = (3, 11)


def refusal(version: "tuple[int, ...]", executable: str) -> str:
    """Return why this Python cannot be used; '' where it can."""
    if version[:2] >= OLDEST_PYTHON:
        return ""
    wanted, found = (".".join(map(str, each[:2])) for each in (OLDEST_PYTHON, version))
    return (
        f"Python {wanted} or newer is needed; this is Python {found} ({executable}).\n"
        f"Install a newer one (https://www.python.org/downloads/) and start this with it, e.g. "
        f"python{wanted} or, on Windows, py -{wanted}."
    )


def require_python() -> None:
    """Exit with code 2 and one message where this Python is too old."""
    message = refusal(tuple(sys.version_info[:3]), sys.executable)
    if message:
        sys.stderr.write(message + "\n")
        raise SystemExit(2)
