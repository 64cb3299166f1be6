"""Scripted faults: which request goes wrong, and how.

Of the faults that match a request, the first one due spoils it; `call` and `latency` let the ones
behind them act too. The faults of a list that want the same request therefore take turns.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, get_args

from salesmap_async.errors import UsageError
from salesmap_async.sandbox.arrivals import Arrival

Action = Literal[
    "status",
    "429",
    "success_false",
    "html",
    "empty_200",
    "reset",
    "truncate",
    "gzip_cut",
    "garbage",
    "hang",
    "latency",
    "loop",
    "cycle",
    "no_list_key",
    "list_not_list",
    "drop_envelope",
    "redirect",
    "huge",
    "empty_with_cursor",
    "lose_page",
    "cached_page",
    "call",
]
Flavour = Literal["retry_after", "retry_after_date", "reason", "message", "none"]
Shape = Literal["reason", "reason_list", "message", "error", "html"]
Cut = Literal["length", "chunked", "close"]

_GOES_ON = ("call", "latency")
_NEED_A_CURSOR = ("loop", "cycle")
_CHOICES = {
    "action": get_args(Action),
    "flavour": get_args(Flavour),
    "shape": get_args(Shape),
    "cut": get_args(Cut),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way to go wrong. Which requests:

    `path`: glob on the path below the API root. `cursor`: only this cursor; "" is the first page.
    `nth`: from the nth matching request on, counted from 1. `times`: how often; None: always.
    "loop" (the cursor asked for comes back) and "cycle" (every page from the third on leads back
    to the second; wants `times=None`) never match a first page.

    How, where the action has a choice: `status`, `reason` and `shape` for "status";
    `flavour`, `seconds`, `header` (a raw Retry-After) and `enforced` (everything is refused until
    the seconds have passed) for "429"; `seconds` for "latency"; `cut` for "truncate"; `url` for
    "redirect"; `size_bytes` and `compressed` for "huge"; `body` replaces the text of "html",
    "garbage" and "status"; `hook` is what "call" calls before the answer is made.
    """

    action: Action
    path: str = "*"
    cursor: str | None = None
    nth: int = 1
    times: int | None = 1
    status: int = 500
    reason: str = "샌드박스 오류"
    shape: Shape = "reason"
    flavour: Flavour = "reason"
    seconds: float = 1.0
    header: str | None = None
    enforced: bool = False
    cut: Cut = "length"
    url: str = "http://127.0.0.1:9/"
    size_bytes: int = 64 * 1024 * 1024
    compressed: bool = False
    body: str | None = None
    hook: Callable[[Arrival], None] | None = None

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} is one of {', '.join(choices)}")
        if self.nth < 1:
            raise ValueError("nth counts from 1")
        if not 200 <= self.status <= 599:
            raise ValueError("status is a number from 200 to 599")
        if not (math.isfinite(self.seconds) and self.seconds >= 0):
            raise ValueError("seconds is a number from 0 on")
        if (self.action == "call") != (self.hook is not None):
            raise ValueError("a hook belongs to the action call, and to no other")

    def matches(self, arrival: Arrival) -> bool:
        """Tell whether this request is of the kind that this fault spoils."""
        if not fnmatchcase(arrival.path, self.path):
            return False
        if self.action in _NEED_A_CURSOR and not arrival.cursor:
            return False
        return self.cursor is None or self.cursor == (arrival.cursor or "")


@dataclass(slots=True)
class _Turn:
    fault: Fault
    seen: int = 0
    used: int = 0


class FaultScript:
    """Counts, for each fault in a list, the requests it has seen and spoiled."""

    def __init__(self) -> None:
        self._turns: dict[int, _Turn] = {}

    def due(self, faults: Sequence[Fault], arrival: Arrival) -> list[Fault]:
        """Return the faults that act on this request, in order; only the last one spoils it."""
        acting: list[Fault] = []
        spoiled = False
        for fault in faults:
            if not fault.matches(arrival):
                continue
            turn = self._turns.setdefault(id(fault), _Turn(fault))
            turn.seen += 1
            used_up = fault.times is not None and turn.used >= fault.times
            if spoiled or used_up or turn.seen < fault.nth:
                continue
            turn.used += 1
            acting.append(fault)
            spoiled = fault.action not in _GOES_ON
        return acting


def load_faults(path: Path) -> tuple[Fault, ...]:
    """Read faults from a JSON file: a list of objects with the names of Fault's fields.

    Raises UsageError with one line that names the file and the entry.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"faults file {path}: {error.strerror or error}") from None
    except ValueError as error:
        raise UsageError(f"faults file {path} is not JSON: {error}") from None
    if not isinstance(entries, list):
        raise UsageError(f"faults file {path}: a list of faults is needed")
    return tuple(
        _fault_of(f"faults file {path}, entry {number}", entry)
        for number, entry in enumerate(entries, start=1)
    )


def _fault_of(where: str, entry: Any) -> Fault:
    if not isinstance(entry, dict) or "action" not in entry:
        raise UsageError(f"{where}: an object with an action is needed")
    if entry["action"] == "call" or "hook" in entry:
        raise UsageError(f"{where}: call works in Python only")
    kinds = {each.name: str(each.type) for each in fields(Fault)}
    for name, value in entry.items():
        if name not in kinds:
            raise UsageError(f"{where}: there is no {name!r}; known: {', '.join(sorted(kinds))}")
        if not _fits(kinds[name], value):
            raise UsageError(f"{where}: {name} must be {kinds[name]}, not {value!r}")
    try:
        return Fault(**entry)
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from None


def _fits(kind: str, value: Any) -> bool:
    if value is None:
        return kind.endswith("| None")
    match kind.removesuffix(" | None"):
        case "bool":
            return isinstance(value, bool)
        case "int":
            return isinstance(value, int) and not isinstance(value, bool)
        case "float":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case _:
            return isinstance(value, str)
