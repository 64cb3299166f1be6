"""In which stage of which pipeline an open deal stands.

A workspace may have fields for it. Otherwise the stage-tracking fields tell: of the stages that
were entered and not left, the one entered last. Where nothing tells, the deal's status does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from salesmap_async.dashboard.data.database import Snapshot
from salesmap_async.lenient import NOT_GIVEN, name_of, parsed, related
from salesmap_async.sqlite_file import quoted

Stage = tuple[str, str]
"""(pipeline, stage)"""

NO_PIPELINE = "-"
_ENTERED = re.compile(r"(?P<where>.+?)으?로 진입한 날짜")
_LEFT = "에서 퇴장한 날짜"
_PIPELINE_TABLE = "deal_pipeline"


@dataclass(frozen=True, slots=True)
class StageTeller:
    """How to tell the stage of a deal: the SQL of `columns` to read, and what their values mean.

    `entered`: the SQL of the columns that say when a stage was entered; () where there are none.
    """

    columns: tuple[str, ...]
    entered: tuple[str, ...]
    stage_of: Callable[[list[Any]], Stage]


@dataclass(frozen=True, slots=True)
class _Tracked:
    """One stage and the columns that say when it was entered and left."""

    stage: Stage
    entered: str
    left: str


def open_deals(snapshot: Snapshot, closed: tuple[str, str]) -> Iterator[tuple[Stage, Any]]:
    """Yield (stage, expected amount) of each deal whose status is none of `closed`."""
    teller = stage_teller(snapshot)
    for amount, *values in snapshot.each(
        f"""
        SELECT {{deal.open_amount}}, {", ".join(teller.columns)} FROM deal
        WHERE ifnull({{deal.status}}, '') NOT IN (?, ?)
        """,
        *closed,
    ):
        yield teller.stage_of(values), amount


def in_pipeline_order(snapshot: Snapshot) -> Mapping[Stage, int]:
    """Return the place of each stage: as the pipelines list them, else as deals went through."""
    return snapshot.remembered(
        "pipeline order", lambda each: _listed_order(each) or _walked_order(each)
    )


def _walked_order(snapshot: Snapshot) -> Mapping[Stage, int]:
    """Return the stages of each pipeline by how early deals entered them, on the average."""
    tracked = _tracked(snapshot.columns.of_table("deal"))
    if not tracked:
        return {}
    early: dict[Stage, list[float]] = {each.stage: [] for each in tracked}
    columns = ", ".join(quoted(each.entered) for each in tracked)
    for row in snapshot.each(f"SELECT {columns} FROM deal"):
        walked: dict[str, list[tuple[str, Stage]]] = {}
        for each, since in zip(tracked, row, strict=True):
            if since is not None:
                walked.setdefault(each.stage[0], []).append((str(since), each.stage))
        for steps in walked.values():
            for place, (_, stage) in enumerate(sorted(steps)):
                early[stage].append((place + 1) / (len(steps) + 1))
    means = {stage: fmean(places) if places else 1.0 for stage, places in early.items()}
    ranked = sorted(means, key=lambda stage: (stage[0], means[stage], stage))
    return {stage: place for place, stage in enumerate(ranked)}


def _listed_order(snapshot: Snapshot) -> Mapping[Stage, int]:
    order: dict[Stage, int] = {}
    if snapshot.columns.has_table(_PIPELINE_TABLE):
        for pipeline, stages in snapshot.rows(
            "SELECT {deal_pipeline.name}, {deal_pipeline.pipelineStageList} FROM deal_pipeline"
        ):
            for stage in related(stages):
                order[str(name_of(pipeline)), str(name_of(stage))] = len(order)
    return order


def stage_teller(snapshot: Snapshot) -> StageTeller:
    """Return how to tell the stages of this snapshot's deals."""
    tracked = _tracked(snapshot.columns.of_table("deal"))
    entered = tuple(quoted(each.entered) for each in tracked)
    has_stage = snapshot.columns.has("deal", "stage")
    if has_stage or snapshot.columns.has("deal", "pipeline"):
        return StageTeller(("{deal.pipeline}", "{deal.stage}"), entered, _by_field)
    if not tracked:
        return StageTeller(("{deal.status}",), (), _by_status)
    names = [quoted(name) for each in tracked for name in (each.entered, each.left)]
    return StageTeller(
        (*names, "{deal.status}"), entered, lambda values: _by_tracking(tracked, values)
    )


def _by_status(values: list[Any]) -> Stage:
    return NO_PIPELINE, name_of(values[0]) or NOT_GIVEN


def _by_field(values: list[Any]) -> Stage:
    pipeline, stage = (name_of(parsed(value)) for value in values)
    return pipeline or NO_PIPELINE, stage or NOT_GIVEN


def _by_tracking(tracked: list[_Tracked], values: list[Any]) -> Stage:
    times = zip(tracked, values[0::2], values[1::2], strict=False)
    entered = [
        (left is None, str(since), number, each.stage)
        for number, (each, since, left) in enumerate(times)
        if since is not None
    ]
    return max(entered)[-1] if entered else (NO_PIPELINE, name_of(values[-1]) or NOT_GIVEN)


def _tracked(columns: tuple[str, ...]) -> list[_Tracked]:
    found = []
    for entered in columns:
        match = _ENTERED.fullmatch(entered)
        if match and (left := match["where"] + _LEFT) in columns:
            pipeline, _, stage = match["where"].rpartition(" - ")
            found.append(_Tracked((pipeline or NO_PIPELINE, stage), entered, left))
    return found
