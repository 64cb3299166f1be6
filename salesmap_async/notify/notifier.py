"""Who is told of a run, and what: a monitor when it starts and ends, a channel and a command when
it ends. How the run ends does not depend on any of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from salesmap_async.notify.deliver import HttpSender, run_command
from salesmap_async.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A run that was not published. `run_tag` is '' where it had not begun; `said` is the whole
    paragraph, `next_command` what to type.
    """

    db_path: Path
    run_tag: str
    exit_code: int
    reason: str
    said: str
    next_command: str


class Notifier:
    """Tells of one run what `settings` ask for; each call takes seconds at most.

    What cannot be told goes to `warn`, as words; never an exception.
    """

    def __init__(self, settings: Settings, *, warn: Callable[[str], None]) -> None:
        self._ping_url = settings.ping_url
        self._webhook_url = settings.webhook_url
        self._on_failure = settings.on_failure
        self._http = HttpSender(proxy=settings.proxy, ca_file=settings.ca_file)
        self._warn = warn
        self._start: threading.Thread | None = None

    def started(self) -> None:
        """Tell the monitor, without waiting for its answer."""
        self._start = threading.Thread(target=lambda: self._ping("start", ""), daemon=True)
        self._start.start()

    def published(self, said: str) -> None:
        """Tell of a published run; `said` has a line or more."""
        self._ping("", said)
        self._post(said)

    def failed(self, failure: Failure) -> None:
        """Tell of a run that was not published."""
        self._ping("fail", failure.said)
        self._post(failure.said)
        if self._on_failure is not None:
            problem = run_command(
                self._on_failure,
                {
                    "SALESMAP_RUN_TAG": failure.run_tag,
                    "SALESMAP_EXIT_CODE": str(failure.exit_code),
                    "SALESMAP_REASON": failure.reason,
                    "SALESMAP_NEXT": failure.next_command,
                    "SALESMAP_DB_PATH": str(failure.db_path),
                },
            )
            self._say("--on-failure", problem)

    def _ping(self, event: str, body: str) -> None:
        if event != "start" and self._start is not None:
            self._start.join()  # bounded by its own limit; the end never comes before the start
        if self._ping_url is not None:
            self._say("--ping-url", self._http.ping(self._ping_url, event, body))

    def _post(self, text: str) -> None:
        if self._webhook_url is not None:
            self._say("--webhook-url", self._http.post_text(self._webhook_url, text))

    def _say(self, flag: str, problem: str) -> None:
        if problem:
            self._warn(f"{flag} was not told: {problem}")
