"""What can go wrong, one class for each thing its reader does next.

    SalesmapError             1  failed; the run can be resumed
    ├── UsageError            2  an option, the configuration or the preflight: nothing was touched
    │   ├── StartRefusedError 2  options and paths are good; token, final DB or disk are not
    │   │   └── DamagedError  2  the final DB is damaged
    │   └── TagTakenError     2  (a generated tag is made anew instead)
    ├── TokenRefusedError     1  401 or 403 (the preflight turns it into a UsageError)
    ├── QuotaExhaustedError   1  refused with 429 for longer than the run may wait
    ├── RequestRefusedError   1  an answer that no retry can mend (400, 404, 3xx ...)
    ├── UnusableAnswerError   1  an answer or a connection that a retry may mend
    ├── TablesFailedError     1  some tables could not be read to their end
    ├── StoreError            1  the work DB cannot be written or read
    ├── PublishError          1  build, backup or verification failed
    │   └── DamagedLateError  1  damage of the final DB that showed only then
    ├── LockedError           3  the final DB stayed locked
    │   └── KeptAsideError    3  complete, but kept aside for that reason
    ├── GateRefusedError      4  complete, but suspiciously small
    ├── RunLockedError        5  another run works on the same final DB
    └── StoppedError    130/143  stopped by a signal; the run can be resumed

The exit codes are part of the command's contract. Nothing here prints or exits.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from salesmap_async.paths import RunPaths


class SalesmapError(Exception):
    """Base of all errors that a user can meet.

    `str(error)` says what happened. `cure` says what helps, where the program knows it.
    `run` names the files of the run that met it, once a run exists.
    `published` is true when the final DB already holds the new snapshot.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, cure: str = "") -> None:
        super().__init__(message)
        self.cure = cure
        self.run: RunPaths | None = None
        self.published = False


class UsageError(SalesmapError):
    """An option, the configuration or the preflight does not allow this run.

    `instead` are arguments of `run` to use next, where the same ones cannot work (() for none);
    options of the fields `without` must then be left out.
    """

    exit_code = 2

    def __init__(
        self,
        message: str,
        *,
        cure: str = "",
        instead: tuple[str, ...] | None = None,
        without: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message, cure=cure)
        self.instead = instead
        self.without = without


class StartRefusedError(UsageError):
    """The token, the final DB or the disk does not allow the start; the history tells of it."""


class DamagedError(StartRefusedError):
    """The final DB is damaged, or no database at all."""


class TagTakenError(UsageError):
    """Another run, perhaps of another DB, has taken the run tag."""


class TokenRefusedError(SalesmapError):
    """The server refuses the token (401) or this client (403): `status`."""

    def __init__(self, message: str, *, status: int, cure: str = "") -> None:
        super().__init__(message, cure=cure)
        self.status = status


class QuotaExhaustedError(SalesmapError):
    """The server refused every request with 429 for longer than the run may wait."""


class RequestRefusedError(SalesmapError):
    """An answer that asking again cannot change: `status` and the server's own `reason`."""

    def __init__(self, message: str, *, status: int, reason: str = "", cure: str = "") -> None:
        super().__init__(message, cure=cure)
        self.status = status
        self.reason = reason


class UnusableAnswerError(SalesmapError):
    """A broken connection (`status` None) or an answer that is not a page; a retry may help."""

    def __init__(self, message: str, *, status: int | None, cure: str = "") -> None:
        super().__init__(message, cure=cure)
        self.status = status


class TablesFailedError(SalesmapError):
    """Some tables could not be read to their end; `failures` maps table to reason."""

    def __init__(self, failures: Mapping[str, str], *, cure: str = "") -> None:
        lines = "; ".join(f"{table}: {reason}" for table, reason in failures.items())
        super().__init__(f"not every table could be read to its end: {lines}", cure=cure)
        self.failures = dict(failures)


class StoreError(SalesmapError):
    """The work DB cannot be read or written (disk full, damaged, vanished)."""


class PublishError(SalesmapError):
    """Building, backing up, replacing or verifying the final DB failed."""


class DamagedLateError(PublishError):
    """The final DB turned out to be damaged when it was to be kept as a backup."""


class LockedError(SalesmapError):
    """The final DB stayed locked by another program."""

    exit_code = 3


class KeptAsideError(LockedError):
    """The snapshot is complete, but the final path stayed locked.

    `kept_at` is where the new data lies: a sibling of the final DB, or the work DB.
    """

    def __init__(self, message: str, *, kept_at: Path, cure: str = "") -> None:
        super().__init__(message, cure=cure)
        self.kept_at = kept_at


class GateRefusedError(SalesmapError):
    """The snapshot is complete, but tables shrank suspiciously; `reasons` has one line each."""

    exit_code = 4

    def __init__(self, reasons: tuple[str, ...]) -> None:
        super().__init__(
            "the gate refused the snapshot: " + "; ".join(reasons),
            cure="look at the CRM first; if so much is really gone, publish it as below",
        )
        self.reasons = reasons


class RunLockedError(SalesmapError):
    """Another run holds the lock of this final DB."""

    exit_code = 5


class StoppedError(SalesmapError):
    """A signal asked the run to stop; `signal_number` as the operating system gives it."""

    def __init__(self, message: str, *, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number


def exit_code_of(error: SalesmapError) -> int:
    """Return the process exit code for `error` (128 + signal for a stop)."""
    if isinstance(error, StoppedError):
        return 128 + error.signal_number
    return error.exit_code
