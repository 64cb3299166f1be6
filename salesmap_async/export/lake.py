"""A folder of partitions, `workspace=<id>/date=<day>/<table>.parquet`, as engines read them.

A partition is there whole or not at all. It belongs to one run: a second export of that run takes
its place, one of another run of the same day is refused unless that is forced. Names that begin
with a dot or `_` are what engines overlook.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from salesmap_async.errors import UsageError
from salesmap_async.export.parquet import Type
from salesmap_async.export.source import Source
from salesmap_async.files import place_folder, write_text_atomically
from salesmap_async.times import moment_of

_SCHEMA = "schema.json"
_RUN = "_run.json"


@dataclass(frozen=True, slots=True)
class Partition:
    """Where a run's files lie in the lake: `workspace`, `day` (UTC, YYYY-MM-DD)."""

    workspace: str
    day: str
    run_tag: str


def partition_of(source: Source) -> Partition:
    """Return the partition of a snapshot. Raises UsageError where it does not say its day."""
    captured = moment_of(source.captured_at)
    if captured is None or source.run_tag is None:
        raise UsageError("--partition needs a snapshot that says of which run and day it is")
    return Partition(source.workspace_id or "unknown", f"{captured:%Y-%m-%d}", source.run_tag)


class Lake:
    """The lake in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def types(self) -> dict[str, dict[str, Type]]:
        """Return the types that columns have got: table -> column -> type."""
        try:
            known: dict[str, dict[str, Type]] = json.loads(
                (self._folder / _SCHEMA).read_text(encoding="utf-8")
            )
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise UsageError(
                f"{self._folder / _SCHEMA} is damaged: {error}",
                cure="restore it, or export into a new folder",
            ) from None
        return known

    def remember(self, given: Mapping[str, Mapping[str, Type]]) -> None:
        """Keep the types of new columns; those that have one keep it."""
        known = self.types()
        for table, types in given.items():
            known[table] = {**types, **known.get(table, {})}
        write_text_atomically(
            self._folder / _SCHEMA, json.dumps(known, ensure_ascii=False, indent=1) + "\n"
        )

    @contextmanager
    def filling(self, partition: Partition, *, force: bool) -> Iterator[Path]:
        """Give a folder to fill; at the end of the block it is the partition.

        Raises UsageError where the partition is another run's.
        """
        dest = self._folder / f"workspace={partition.workspace}" / f"date={partition.day}"
        self._check_owner(dest, partition, force=force)
        dest.parent.mkdir(parents=True, exist_ok=True)
        temporary = dest.with_name(f".{dest.name}.{os.getpid()}.part")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        try:
            yield temporary
            (temporary / _RUN).write_text(
                json.dumps({"run_tag": partition.run_tag}) + "\n", encoding="utf-8"
            )
            place_folder(temporary, dest)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _check_owner(self, dest: Path, partition: Partition, *, force: bool) -> None:
        if not dest.exists() or force:
            return
        try:
            owner = json.loads((dest / _RUN).read_text(encoding="utf-8")).get("run_tag")
        except (OSError, ValueError, AttributeError):
            owner = None
        if owner != partition.run_tag:
            raise UsageError(
                f"{dest} holds run {owner or 'unknown'}, not {partition.run_tag}",
                cure="add --force to replace it",
            )
