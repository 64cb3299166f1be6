"""The files that one run leaves behind until it is published, and where each may lie.

Everything is found by the exact names that the run's tag gives; a file that only looks similar is
a user's own.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from salesmap_async.paths import RunPaths
from salesmap_async.settings import Settings
from salesmap_async.sqlite_file import SIDECAR_ENDINGS

_ANY_TAG = "\0"
"""Stands for the tag in the name of a file; no run has it."""

LeftoverKind = Literal["work DB", "new snapshot", "kept aside", "temporary"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """One such file. `new snapshot`: being built, or complete but not in place."""

    path: Path
    kind: LeftoverKind
    size_bytes: int


def leftovers_of(paths: RunPaths) -> tuple[Leftover, ...]:
    """Return the files of one run that are there; never its checkpoint.json, log or reports."""
    return tuple(
        Leftover(path=path, kind=kind, size_bytes=size)
        for kind, path in _candidates(paths)
        if (size := _size(path)) is not None
    )


def tags_with_traces(settings: Settings) -> frozenset[str]:
    """Return the tags that a file or folder bears where a run leaves some.

    A few listings tell them, however many runs there were. A tag may be no run's, and its files
    may be a user's own: ask `leftovers_of`.
    """
    any_run = settings.paths(_ANY_TAG)
    inside = {path.name for _, path in _candidates(any_run) if path.parent == any_run.work_dir}
    affixes: dict[Path, set[tuple[str, str]]] = {}
    for _, path in _candidates(any_run):
        if path.parent != any_run.work_dir:
            before, _, after = path.name.partition(_ANY_TAG)
            affixes.setdefault(path.parent, set()).add((before, after))
    folders = _names_in(settings.checkpoint_dir)
    tags = {
        tag for tag in folders if not inside.isdisjoint(_names_in(settings.checkpoint_dir / tag))
    }
    for folder, pairs in affixes.items():
        for name in _names_in(folder):
            tags |= {
                name[len(before) : len(name) - len(after)]
                for before, after in pairs
                if name.startswith(before) and name.endswith(after)
            }
    return frozenset(tags)


def bytes_of(leftovers: Iterable[Leftover]) -> int:
    """Return how much they take together."""
    return sum(each.size_bytes for each in leftovers)


def _candidates(paths: RunPaths) -> Iterator[tuple[LeftoverKind, Path]]:
    places: tuple[tuple[LeftoverKind, Iterable[Path]], ...] = (
        ("work DB", _with_sidecars(paths.work_db)),
        ("new snapshot", _with_sidecars(paths.building_db)),
        ("new snapshot", _with_sidecars(paths.work_dir / "webforms.db")),
        ("kept aside", _with_sidecars(paths.sibling_db)),
        ("temporary", _temporary(paths)),
    )
    for kind, candidates in places:
        for path in candidates:
            yield kind, path


def _temporary(paths: RunPaths) -> Iterator[Path]:
    yield paths.checkpoint_json.with_name(paths.checkpoint_json.name + ".tmp")
    for finished in (paths.sibling_db, paths.backup_db):
        yield from _with_sidecars(finished.with_name(f".{finished.name}.part"))
    for report in (paths.manifest_json, paths.run_info_json):
        yield report.with_name(f".{report.name}.part")


def _with_sidecars(path: Path) -> Iterator[Path]:
    yield path
    for ending in SIDECAR_ENDINGS:
        yield path.with_name(path.name + ending)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size if path.is_file() else None
    except OSError:
        return None


def _names_in(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries]
    except OSError:
        return []
