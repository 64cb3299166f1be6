"""The one paragraph that every non-zero end prints: what happened, what is safe, what next."""

from __future__ import annotations

from salesmap_async.errors import GateRefusedError, KeptAsideError, SalesmapError, UsageError
from salesmap_async.logs import printable
from salesmap_async.settings import Settings


def explain(error: SalesmapError, settings: Settings | None, command: str) -> str:
    """Return the paragraph for `error`; `command` is what to type next."""
    parts = [_sentence(str(error))]
    if settings is not None:
        parts.append(_what_is_safe(error, settings))
    if error.run is not None:
        parts.append(f"Log: {error.run.log_file}.")
    if error.cure:
        parts.append(_sentence(error.cure[0].upper() + error.cure[1:]))
    parts.append(f"Next: {command}")
    return printable(" ".join(parts))


def next_arguments(error: SalesmapError) -> tuple[str, ...] | None:
    """Return the arguments of `run` that lead on from `error`; None: the same ones again."""
    if error.run is None:
        return error.instead if isinstance(error, UsageError) else None
    tag = ("--resume-run-tag", error.run.run_tag)
    return (*tag, "--allow-shrink") if isinstance(error, GateRefusedError) else tag


def _what_is_safe(error: SalesmapError, settings: Settings) -> str:
    final_db = error.run.final_db if error.run else settings.db_path
    if error.published:
        return f"{final_db} holds the new, complete snapshot."
    if error.run is None:
        return f"Nothing was touched; {final_db} is as it was."
    if isinstance(error, KeptAsideError):
        return f"{final_db} is as it was; the new data lies complete at {error.kept_at}."
    return f"{final_db} is as it was; what was read is kept in {error.run.work_dir}."


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else text + "."
