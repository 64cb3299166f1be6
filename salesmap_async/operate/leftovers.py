"""The files that one run leaves behind until it is published, and where each may lie.

Everything is found by the exact names that the run's tag gives; a file that only looks similar is
somebody's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from salesmap_async.paths import RunPaths
from salesmap_async.sqlite_file import SIDECAR_ENDINGS

LeftoverKind = Literal["work DB", "new snapshot", "kept aside", "temporary"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """One such file. `new snapshot`: being built, or complete but not in place."""

    path: Path
    kind: LeftoverKind
    size_bytes: int


def leftovers_of(paths: RunPaths) -> tuple[Leftover, ...]:
    """Return the files of one run that are there; never its checkpoint.json, log or reports."""
    places: tuple[tuple[LeftoverKind, Iterable[Path]], ...] = (
        ("work DB", _with_sidecars(paths.work_db)),
        ("new snapshot", _with_sidecars(paths.building_db)),
        ("new snapshot", _with_sidecars(paths.work_dir / "webforms.db")),
        ("kept aside", _with_sidecars(paths.sibling_db)),
        ("temporary", _temporary(paths)),
    )
    return tuple(
        Leftover(path=path, kind=kind, size_bytes=size)
        for kind, candidates in places
        for path in candidates
        if (size := _size(path)) is not None
    )


def bytes_of(leftovers: Iterable[Leftover]) -> int:
    """Return how much they take together."""
    return sum(each.size_bytes for each in leftovers)


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
