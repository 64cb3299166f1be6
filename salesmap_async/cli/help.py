"""How a command shows its help: options in groups, and three examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import click

from salesmap_async.cli.examples import EXAMPLES
from salesmap_async.cli.names import name_of
from salesmap_async.commandline import plain_command
from salesmap_async.settings import PATH_FIELDS

OPTION_GROUPS: Mapping[str, tuple[str, ...]] = {
    "Where things lie": PATH_FIELDS,
    "What is kept": ("keep_backups", "no_backup", "no_timeline", "keep_logs"),
    "What to read": (
        "only", "skip", "include", "webform_only", "webform_people", "continue_logs",
        "confirm_missing", "no_split",
    ),
    "Going on with a run": ("run_tag", "resume", "resume_run_tag", "max_resume_age_h"),
    "Connection": ("token_file", "base_url", "ca_file", "proxy"),
    "Pace and patience": (
        "min_interval_s", "quota_share", "concurrency", "checkpoint_interval", "max_retries",
        "backoff_s", "max_backoff_s", "max_429_wait_s", "request_timeout_s", "max_answer_mib",
    ),
    "Publishing": ("allow_shrink", "replace_damaged", "sql_after"),
    "Telling others": ("ping_url", "webhook_url", "on_failure", "metrics_file"),
    "Trying it out": ("sandbox", "days", "field_set"),
    "On the screen": ("progress", "quiet", "verbose", "as_json"),
    "Every command": ("settings_file", "lang", "_click_default_help"),
}  # fmt: skip
"""Heading -> parameters. What stands in none of them comes first, under the plain heading."""


class HelpfulCommand(click.Command):
    """A command whose help has its options in groups and ends with examples."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, each below the heading of its group."""
        records = {
            str(each.name): record
            for each in self.get_params(ctx)
            if isinstance(each, click.Option) and (record := each.get_help_record(ctx)) is not None
        }
        grouped = {name for names in OPTION_GROUPS.values() for name in names}
        own = [record for name, record in records.items() if name not in grouped]
        sections = {
            heading: [records[name] for name in names if name in records]
            for heading, names in OPTION_GROUPS.items()
        }
        for heading, rows in {"Options": own, **sections}.items():
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        lines = examples_of(ctx)
        if lines:
            with formatter.section("Examples"):
                for line in lines:
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


def examples_of(context: click.Context) -> list[str]:
    """Return the examples of a command as they are typed."""
    return [plain_command(*example.split()) for example in EXAMPLES.get(name_of(context), ())]


command: Callable[..., Callable[[Callable[..., Any]], HelpfulCommand]] = partial(
    click.command, cls=HelpfulCommand
)
"""`@command()` in the place of `@click.command()`."""
