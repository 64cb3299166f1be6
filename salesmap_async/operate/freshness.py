"""How old the data is, whether that is too old, and whether the starts since then went wrong."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from salesmap_async.operate.look import SnapshotFile
from salesmap_async.operate.runs import RunEntry, RunHistory
from salesmap_async.times import span


def freshness(final: SnapshotFile | None, history: RunHistory) -> Iterator[str]:
    """Yield a line on a start that was refused, if that was the last one, and a line on age."""
    refused = history.last_refused
    if refused is not None:
        yield f"The last start was refused{_ago(refused)}: {refused.error}"
    age = _age(final)
    failures = _failures(history.unpublished, said=refused is not None)
    if failures:
        yield f"{age}; {failures}"
    elif final is not None and not final.problem:
        yield f"{age}."


def too_old(final: SnapshotFile | None, max_age: timedelta, *, now: datetime) -> str:
    """Return why the data is not as fresh as it should be, in words; '' where it is."""
    if final is None or final.problem or final.captured_at is None:
        return _age(final)
    age = now - final.captured_at
    if age <= max_age:
        return ""
    return f"The snapshot is {span(age)} old, and at most {span(max_age)} are wanted"


def _age(final: SnapshotFile | None) -> str:
    if final is None:
        return "There is no snapshot"
    if final.problem:
        return "The snapshot cannot be read"
    if final.captured_at is None:
        return "The snapshot does not say how old it is"
    return f"The snapshot is {span(datetime.now(UTC) - final.captured_at)} old"


def _failures(unpublished: tuple[RunEntry, ...], *, said: bool) -> str:
    """Tell of the starts that published nothing; their reason, unless it is `said` already."""
    if not unpublished:
        return ""
    count = sum(max(run.starts, 1) for run in unpublished)
    starts = "the last start" if count == 1 else f"the last {count:,} starts"
    newest = unpublished[0]
    return f"{starts} failed" + ("." if said else f": {newest.error or newest.status}")


def _ago(refused: RunEntry) -> str:
    if refused.started_at is None:
        return ""
    return f" {span(datetime.now(UTC) - refused.started_at)} ago"
