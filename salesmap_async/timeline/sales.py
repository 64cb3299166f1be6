"""What happened to the deals between two snapshots, in the words of sales.

New deals, won and lost ones, those that moved on or back in their pipeline, amounts that went up or
down, new owners, deals that are gone; each with its amount in KRW. A workspace without a field has
no line of what that field tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from salesmap_async.lenient import owner_labels, related
from salesmap_async.money import eok, krw
from salesmap_async.timeline.difference import Change, Comparison, TableDifference

DEALS = "deal"
STATUS, AMOUNT, EXPECTED = "상태", "금액", "예상 체결액"
OWNER, PIPELINE, STAGE = "담당자", "파이프라인", "파이프라인 단계"
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

_DEAL_FIELDS = (STATUS, AMOUNT, EXPECTED, OWNER, PIPELINE, STAGE, "organizationId")


@dataclass(frozen=True, slots=True, kw_only=True)
class SalesEvent:
    """One thing that happened to a deal. `amount_krw`: of the deal, or by how much it changed.

    `old` and `new` are what changed, as people read it; None where nothing did.
    """

    kind: str
    deal_id: str
    name: str | None
    organization: str | None
    owner: str | None
    amount_krw: int
    old: str | None = None
    new: str | None = None


def sales_events(comparison: Comparison, deals: TableDifference) -> Iterator[SalesEvent]:
    """Yield what happened to the deals, each kind where it applies; a deal may have several."""
    order = _stage_order(comparison)
    for change in comparison.added(deals):
        yield _event(comparison, "new", change, "main")
    for change in comparison.changed(deals):
        yield from _changes(comparison, change, order)
    for change in comparison.gone(deals):
        yield _event(comparison, "gone", change, "old")


def said_in_eok(amount_krw: int) -> str:
    """Return an amount as people say it: `1.25억`."""
    return f"{eok(amount_krw):,.2f}억"


def _changes(
    comparison: Comparison, change: Change, order: Mapping[tuple[str, str], int]
) -> Iterator[SalesEvent]:
    fields = change.fields
    if STATUS in fields:
        old, new = map(_said, fields[STATUS])
        if new in (WON, LOST):
            yield _event(comparison, new.lower(), change, "main", old=old, new=new)
    if STAGE in fields or PIPELINE in fields:
        before, after = (_stage(comparison, schema, change) for schema in ("old", "main"))
        back = before in order and after in order and order[after] < order[before]
        kind = "moved back" if back else "moved on"
        shown = {"old": " - ".join(before), "new": " - ".join(after)}
        yield _event(comparison, kind, change, "main", **shown)
    for name, (_, since) in fields.items():
        entered = _ENTERED.fullmatch(name)
        if entered and since is not None:
            yield _event(comparison, "moved on", change, "main", new=entered["where"])
    for name in (AMOUNT, EXPECTED):
        if name in fields:
            old_krw, new_krw = map(_krw, fields[name])
            if new_krw == old_krw:
                continue
            kind = "amount up" if new_krw > old_krw else "amount down"
            yield _event(
                comparison, kind, change, "main", amount_krw=new_krw - old_krw,
                old=f"{name} {old_krw:,}", new=f"{name} {new_krw:,}",
            )  # fmt: skip
    if OWNER in fields:
        old, new = map(_said, fields[OWNER])
        yield _event(comparison, "new owner", change, "main", old=old, new=new)


def _event(
    comparison: Comparison, kind: str, change: Change, schema: str, **more: Any
) -> SalesEvent:
    deal = comparison.values(schema, DEALS, change.key, _DEAL_FIELDS)
    amount = _krw(deal[AMOUNT]) or _krw(deal[EXPECTED])
    organization = deal["organizationId"]
    return SalesEvent(
        **{
            "kind": kind,
            "deal_id": str(change.key[-1]),
            "name": change.name,
            "organization": comparison.name_of("organization", organization)
            if organization
            else None,
            "owner": _said(deal[OWNER]) or None,
            "amount_krw": amount,
            **more,
        }
    )


def _stage(comparison: Comparison, schema: str, change: Change) -> tuple[str, str]:
    deal = comparison.values(schema, DEALS, change.key, (PIPELINE, STAGE))
    return _said(deal[PIPELINE]) or "-", _said(deal[STAGE]) or "-"


def _stage_order(comparison: Comparison) -> dict[tuple[str, str], int]:
    """Return the place of each (pipeline, stage), where the new snapshot has the pipelines."""
    order: dict[tuple[str, str], int] = {}
    if comparison.has("main", "deal_pipeline", "pipelineStageList"):
        for name, stages in comparison.rows(
            "main", "SELECT name, pipelineStageList FROM {}.deal_pipeline"
        ):
            for stage in related(stages):
                order[str(name), _said(stage)] = len(order)
    return order


def _said(value: Any) -> str:
    """Return a value as people read it: the names of related records, else the text."""
    return ", ".join(owner_labels(value))


def _krw(value: Any) -> int:
    return krw(value) or 0
