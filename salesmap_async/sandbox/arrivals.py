"""What arrived at the server and when: the other side's proof of a client's pacing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO


@dataclass(slots=True, kw_only=True)
class Arrival:
    """One request. `status` is 0 until it is answered, and stays 0 when it never is.

    `at_s`: monotonic clock. `path`: below the API root. `fault`: the action that spoiled it.
    """

    at_s: float
    path: str
    cursor: str | None
    status: int = 0
    method: str = "GET"
    query: Mapping[str, str] = field(default_factory=dict)
    fault: str | None = None

    def facts(self) -> dict[str, Any]:
        """Return what other processes are told of this arrival."""
        return {
            "at_s": self.at_s,
            "path": self.path,
            "cursor": self.cursor,
            "since": self.query.get("startDate"),
            "status": self.status,
        }


class ArrivalsLog:
    """One JSON line for each arrival, in order of answers, flushed at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None

    def open(self) -> None:
        self._file = self._path.open("a", encoding="utf-8")

    def add(self, arrival: Arrival) -> None:
        if self._file is not None:
            self._file.write(json.dumps(arrival.facts(), ensure_ascii=False) + "\n")
            self._file.flush()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
