"""What keeps the dashboard from answering, and the shape in which that is told.

`answers` turns each error into its status code.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict


class NotFoundError(Exception):
    """No such record: 404."""

    def __init__(self, kind: str, record_id: str) -> None:
        super().__init__(f"There is no {kind} {record_id}")


class UnknownTeamError(Exception):
    """No such team in the configuration: 400."""

    def __init__(self, key: str, known: Iterable[str]) -> None:
        super().__init__(f"There is no team {key}; configured: {', '.join(known)}")


class UnknownStateError(Exception):
    """The timeline has no such state, or no such record in any: 400."""


class UnavailableError(Exception):
    """The snapshot cannot be read now: 503. `command` is what to type, if anything helps."""

    def __init__(self, message: str, *, command: str | None = None) -> None:
        super().__init__(message)
        self.command = command


class NoDatabaseError(UnavailableError):
    """There is no DB file yet."""

    def __init__(self, path: Path, *, command: str) -> None:
        super().__init__(f"Database not found at {path}", command=command)


class MissingTablesError(Exception):
    """The snapshot lacks tables that the answer needs: 503. `missing` has their names."""

    def __init__(self, missing: Iterable[str]) -> None:
        self.missing = sorted(set(missing))
        super().__init__(", ".join(self.missing))


class Problem(BaseModel):
    """What went wrong, for a person; `command`: what to type."""

    detail: str
    command: str | None = None


class Missing(BaseModel):
    model_config = ConfigDict(extra="forbid")

    missing: list[str]


class Unavailable(BaseModel):
    """The DB or a table is missing, or the file cannot be read."""

    detail: str | Missing
    command: str | None = None
