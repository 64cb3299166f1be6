"""What goes with a run of `run`: who is told of it, what is tidied up after it, its metrics.

How the run ends does not depend on any of it.
"""

from __future__ import annotations

import signal

from salesmap_async.cli.console import warn
from salesmap_async.cli.summary import summary_lines
from salesmap_async.commandline import same_command_again
from salesmap_async.errors import SalesmapError, StoppedError, exit_code_of
from salesmap_async.notify.notifier import Failure, Notifier
from salesmap_async.operate.metrics import write_metrics_after_run
from salesmap_async.operate.upkeep import tidy_up
from salesmap_async.run.snapshot import RunReport
from salesmap_async.settings import Settings


class Attendance:
    """Tells of one run what `settings` ask for."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._notifier = Notifier(settings, warn=warn)

    def started(self) -> None:
        """Tell that the run begins."""
        self._notifier.started()

    def published(self, report: RunReport) -> None:
        """Tidy up, write the metrics, and tell that the run is published."""
        for problem in (*tidy_up(self.settings), write_metrics_after_run(self.settings)):
            warn(problem)
        self._notifier.published("\n".join(summary_lines(report)))

    def failed(self, error: SalesmapError, said: str, command: str) -> None:
        """Write the metrics, and tell that the run was not published."""
        warn(write_metrics_after_run(self.settings))
        self._notifier.failed(
            Failure(
                db_path=self.settings.db_path,
                run_tag=error.run.run_tag if error.run else "",
                exit_code=exit_code_of(error),
                reason=str(error),
                said=said,
                next_command=command,
            )
        )

    def stopped(self) -> None:
        """Tell of a run that signals ended before it had begun."""
        error = StoppedError("stopped; nothing was touched", signal_number=signal.SIGINT)
        self.failed(error, str(error), same_command_again())

    def broke(self, fault: Exception) -> None:
        """Tell of a run that a fault of this program has ended."""
        error = SalesmapError(f"{type(fault).__name__}: {fault}")
        self.failed(error, str(error), same_command_again())
