"""What happened to the deals between two snapshots, in the words of sales.

New deals, won and lost ones, those that moved on or back in their pipeline, amounts that went up or
down, new owners, deals that are gone; each with its amount in KRW. A workspace without a field has
no line of what that field tells.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from salesmap_async.lenient import owner_labels, related
from salesmap_async.money import krw
from salesmap_async.timeline.difference import Change, Comparison, TableDifference

DEALS = "deal"
STATUS, AMOUNT, EXPECTED = "상태", "금액", "예상 체결액"
OWNER, TEAM = "담당자", "팀"
PIPELINE, STAGE = "파이프라인", "파이프라인 단계"
ORGANIZATION, PERSON = "organizationId", "peopleId"
PIPELINES = "deal_pipeline"
WON, LOST = "Won", "Lost"

KINDS = (
    "new",
    "won",
    "lost",
    "moved on",
    "moved back",
    "amount up",
    "amount down",
    "new owner",
    "gone",
)
"""In the order in which they are told."""

_ENTERED = re.compile(r"(?P<where>.+?)으?로 진입한 날짜")
"""A field that says when a deal entered a stage."""

_DEAL_FIELDS = (STATUS, AMOUNT, EXPECTED, OWNER, TEAM, PIPELINE, STAGE, ORGANIZATION, PERSON)


@dataclass(frozen=True, slots=True, kw_only=True)
class SalesEvent:
    """One thing that happened to a deal. `amount_krw`: of the deal, or by how much it changed.

    `old` and `new` are what changed, as people read it; None where nothing did.
    """

    kind: str
    deal_id: str
    name: str | None
    organization: str | None
    organization_id: str | None
    person_id: str | None
    owner: str | None
    team: str | None
    amount_krw: int
    old: str | None = None
    new: str | None = None


@dataclass(frozen=True, slots=True)
class DealChange:
    """A deal before and after, in the fields of `fields_told_by`; None where it was not there."""

    deal_id: str
    name: str | None
    old: Mapping[str, Any] | None
    new: Mapping[str, Any] | None


def fields_told_by(columns: Iterable[str]) -> list[str]:
    """Return the columns of `deal` that sales events are read from."""
    return [each for each in columns if each in _DEAL_FIELDS or _ENTERED.fullmatch(each)]


def deal_changes(comparison: Comparison, deals: TableDifference) -> Iterator[DealChange]:
    """Yield the deals that are new, changed or gone between two snapshots."""
    fields = fields_told_by(comparison.columns(DEALS))
    for change in comparison.added(deals):
        yield _deal_change(comparison, change, fields, ("main",))
    for change in comparison.changed(deals):
        yield _deal_change(comparison, change, fields, ("old", "main"))
    for change in comparison.gone(deals):
        yield _deal_change(comparison, change, fields, ("old",))


def _deal_change(
    comparison: Comparison, change: Change, fields: Sequence[str], schemas: tuple[str, ...]
) -> DealChange:
    old, new = (
        comparison.values(schema, DEALS, change.key, fields) if schema in schemas else None
        for schema in ("old", "main")
    )
    return DealChange(str(change.key[-1]), change.name, old, new)


def sales_events(
    changes: Iterable[DealChange],
    *,
    pipelines: Iterable[tuple[Any, Any]],
    organization: Callable[[Any], str | None],
) -> Iterator[SalesEvent]:
    """Yield what happened to the deals, each kind where it applies; a deal may have several.

    `pipelines`: name and stage list of each, for what is on and what is back. `organization`
    returns the name of one.
    """
    order = _stage_order(pipelines)
    for change in changes:
        deal = change.new or change.old or {}
        event = SalesEvent(
            kind="new" if change.old is None else "gone",
            deal_id=change.deal_id,
            name=change.name,
            organization=organization(deal.get(ORGANIZATION)),
            organization_id=_id(deal.get(ORGANIZATION)),
            person_id=_id(deal.get(PERSON)),
            owner=_said(deal.get(OWNER)) or None,
            team=_said(deal.get(TEAM)) or None,
            amount_krw=amount_of(deal),
        )
        if change.old is None or change.new is None:
            yield event
        else:
            yield from _happened(event, change.old, change.new, order)


def amount_of(deal: Mapping[str, Any]) -> int:
    """Return what a deal is worth in KRW: its amount, else what is expected of it."""
    return _krw(deal.get(AMOUNT)) or _krw(deal.get(EXPECTED))


def _happened(
    event: SalesEvent,
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    order: Mapping[tuple[str, str], int],
) -> Iterator[SalesEvent]:
    """Yield what made `old` `new`; `event` has what all of it has in common."""
    status, owner = ((_said(old.get(f)), _said(new.get(f))) for f in (STATUS, OWNER))
    if status[0] != status[1] and status[1] in (WON, LOST):
        yield replace(event, kind=status[1].lower(), old=status[0], new=status[1])
    before, after = _stage(old), _stage(new)
    if before != after:
        back = before in order and after in order and order[after] < order[before]
        kind = "moved back" if back else "moved on"
        yield replace(event, kind=kind, old=" - ".join(before), new=" - ".join(after))
    elif STAGE not in new:  # what a workspace without that field has are the dates of its stages
        for name, since in new.items():
            entered = _ENTERED.fullmatch(name)
            if entered and since is not None and since != old.get(name):
                kind = "moved on" if old.get(name) is None else "moved back"  # it was there before
                yield replace(event, kind=kind, new=entered["where"])
    for name in (AMOUNT, EXPECTED):
        old_krw, new_krw = _krw(old.get(name)), _krw(new.get(name))
        if old_krw != new_krw:
            kind = "amount up" if new_krw > old_krw else "amount down"
            yield replace(
                event, kind=kind, amount_krw=new_krw - old_krw,
                old=f"{name} {old_krw:,}", new=f"{name} {new_krw:,}",
            )  # fmt: skip
    if owner[0] != owner[1]:
        yield replace(event, kind="new owner", old=owner[0], new=owner[1])


def _stage(deal: Mapping[str, Any]) -> tuple[str, str]:
    return _said(deal.get(PIPELINE)) or "-", _said(deal.get(STAGE)) or "-"


def _stage_order(pipelines: Iterable[tuple[Any, Any]]) -> dict[tuple[str, str], int]:
    """Return the place of each (pipeline, stage)."""
    places = [(str(name), _said(stage)) for name, stages in pipelines for stage in related(stages)]
    return {place: number for number, place in enumerate(places)}


def _said(value: Any) -> str:
    """Return a value as people read it: the names of related records, else the text."""
    return ", ".join(owner_labels(value))


def _id(value: Any) -> str | None:
    return None if value is None else str(value)


def _krw(value: Any) -> int:
    return krw(value) or 0
