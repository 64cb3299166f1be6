"""Which figures cannot be worked out because the snapshot lacks a field that decides them.

What is only shown is null where its field is missing. What decides a figure makes that figure say
which field it lacks and which key of `dashboard.toml` names it; its neighbours stay what they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NotRequired

from typing_extensions import TypedDict

from salesmap_async.dashboard.data.columns import Columns
from salesmap_async.dashboard.data.shapes import exact

_Field = tuple[str, str]
"""(table, meaning)"""


@dataclass(frozen=True, slots=True)
class _Figure:
    """`label`: how the page calls it. `decided_by`: (table, meaning) of each field it needs."""

    label: str
    decided_by: tuple[_Field, ...]


def _figure(label: str, *names: str) -> _Figure:
    return _Figure(label, tuple(_field(name) for name in names))


def _field(name: str) -> _Field:
    table, _, meaning = name.partition(".")
    return table, meaning


_WON = ("deal.status", "deal.contract_date")

FIGURES: Mapping[str, _Figure] = {
    "sizes": _figure("기업 규모 구분", "organization.size"),
    "won_count": _figure("Won 건수", *_WON),
    "won_amount": _figure("Won 금액", *_WON, "deal.amount"),
    "retention": _figure("리텐션 구분", *_WON, "deal.amount", "deal.organizationId"),
    "won_of_organization": _figure("조직의 Won 금액", *_WON, "deal.amount", "deal.organizationId"),
    "won_deals": _figure("Won 딜", *_WON, "deal.organizationId"),
    "rails": _figure("온라인·오프라인 구분", "deal.course_format"),
    "won_total": _figure("Won 누계", "deal.status", "deal.amount"),
    "upper_orgs": _figure("상위 조직 구분", "people.upper_org", "deal.peopleId"),
    "statepath": _figure(
        "StatePath",
        *_WON,
        "deal.amount",
        "deal.course_format",
        "people.upper_org",
        "deal.organizationId",
    ),
    "open_deals": _figure("진행 중인 딜", "deal.status"),
    "open_amount": _figure("진행 중인 딜의 금액", "deal.open_amount"),
    "open_worth": _figure("진행 중인 딜의 금액", "deal.status", "deal.open_amount"),
    "team_deals": _figure("팀의 진행 중인 딜", "deal.status", "deal.owner"),
    "win_rates": _figure("기업 규모별 수주율", "deal.status", "organization.size"),
    "deals_of_people": _figure("사람별 딜", "deal.peopleId"),
    "memos": _figure("메모", "memo.text"),
    "owners": _figure("담당자별 집계", "deal.owner"),
    "overdue": _figure("예정일 지난 딜", "deal.status", "deal.expected_close_date"),
}


@exact
class LackedField(TypedDict):
    """`key`: what names the field in `dashboard.toml`; '' where nothing does."""

    column: str
    key: str


@exact
class Lack(TypedDict):
    """A figure that is not there, and why."""

    figure: str
    label: str
    fields: list[LackedField]
    text: str


class Lacks(TypedDict):
    """What an answer says beside its figures, where some are not there."""

    lacking: NotRequired[list[Lack]]


def can_tell(columns: Columns, figure: str) -> bool:
    """Tell whether the snapshot has every field that decides this figure."""
    return not any(columns.lacks(*each) for each in FIGURES[figure].decided_by)


def lacks(columns: Columns, *figures: str) -> Lacks:
    """Return why these figures are not there, as a part of an answer; {} where they all are."""
    found = [_lack(columns, figure) for figure in figures if not can_tell(columns, figure)]
    return {"lacking": found} if found else {}


def _lack(columns: Columns, figure: str) -> Lack:
    missing = [each for each in FIGURES[figure].decided_by if columns.lacks(*each)]
    fields: list[LackedField] = [
        {"column": columns.full_name(*each), "key": columns.key_of(*each)} for each in missing
    ]
    label = FIGURES[figure].label
    return {"figure": figure, "label": label, "fields": fields, "text": _text(label, fields)}


def _text(label: str, fields: list[LackedField]) -> str:
    names = ", ".join(field["column"] for field in fields)
    keys = ", ".join(field["key"] for field in fields if field["key"])
    said = f"{label}: 스냅샷에 {names} 항목이 없어 계산할 수 없습니다"
    return f"{said} (dashboard.toml의 {keys})" if keys else said
