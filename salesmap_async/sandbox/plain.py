"""A workspace with the fields that every Salesmap workspace has, and none of its own.

The vendor's guide names them under "데이터 필드 관리": what an account begins with.
"""

from __future__ import annotations

from salesmap_async.sandbox import words
from salesmap_async.sandbox.dice import Dice
from salesmap_async.sandbox.table import Record

_HEAD = {"id", "RecordId", "이름", "담당자", "팀", "생성 날짜", "createdAt", "updatedAt"}
_FORMS = "제출된 웹폼 목록"
FIELDS: dict[str, frozenset[str]] = {
    "organization": frozenset(_HEAD | {"전화", "주소", _FORMS}),
    "people": frozenset(_HEAD | {"organizationId", "전화", "이메일", _FORMS}),
    "deal": frozenset(
        _HEAD
        | {"organizationId", "peopleId", "상태", "금액", "수주 예정일", "파이프라인"}
        | {"파이프라인 단계"}
    ),
    "lead": frozenset(_HEAD | {"organizationId", "peopleId"}),
}
"""The fields of each core list; a list that is not here has the same ones in every workspace."""

_STATUS_OF = {"SQL": "In progress"}
_EXPECTED = "예상 체결액"


def only_plain(table: str, record: Record) -> Record:
    """Return `record` without the fields that one company has added.

    A deal says its worth under `금액`, also while it is open, and never a status of one company.
    """
    if table not in FIELDS:
        return record
    kept = {key: value for key, value in record.items() if key in FIELDS[table]}
    if table == "deal":
        kept |= {"상태": _STATUS_OF.get(kept.get("상태", ""), kept.get("상태"))}
        if kept.get("금액") is None:
            kept["금액"] = record.get(_EXPECTED)
    return kept


def stage_of_deal(seed: int, index: int) -> Record:
    """Return in which stage of which pipeline deal `index` stands."""
    dice = Dice(seed, "stage of a plain deal", index)
    return {
        "파이프라인": {"name": dice.pick(words.PIPELINES)},
        "파이프라인 단계": {"name": dice.pick(words.STAGES)},
    }
