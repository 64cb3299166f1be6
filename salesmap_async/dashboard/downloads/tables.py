"""Which answers can be had as a file, and how their values and columns are written there.

A file has what the answer has: the same filters, the same order, all rows. A related record is its
name, a list is its names, a yes is 예; amounts are numbers in KRW. Ids are kept, so that a file can
be joined with others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from salesmap_async.export.source import Column, ExportTable, Row
from salesmap_async.lenient import name_of


@dataclass(frozen=True, slots=True)
class Download:
    """One answer that is a table. `pages`: how many rows it gives at once, 0: all.

    `limit`: what is asked of an answer that gives its first rows only. `beside`: a part of the
    answer with one more value for the id of each row.
    """

    pattern: str
    titles: Mapping[str, str]
    pages: int = 0
    limit: int = 0
    beside: str = ""


_ITEMS = "items"
DOWNLOADS = (
    Download("deals", {_ITEMS: "딜"}, pages=10_000),
    Download("deal-owners", {_ITEMS: "담당자별 딜"}),
    Download("orgs", {_ITEMS: "조직"}, pages=500, beside="won"),
    Download("orgs/[^/]+/people", {_ITEMS: "사람"}),
    Download("orgs/[^/]+/won-summary", {_ITEMS: "상위 조직별 Won"}),
    Download("(orgs|people|deals)/[^/]+/memos", {_ITEMS: "메모"}, limit=500),
    Download("people/[^/]+/deals", {_ITEMS: "사람의 딜"}),
    Download("people/[^/]+/webforms", {_ITEMS: "웹폼 내역"}),
    Download("deal-check/[^/]+", {_ITEMS: "딜체크"}),
    Download(
        "pipeline",
        {
            "won_by_month": "월별 Won",
            "won_by_year": "연도별 Won",
            "open_by_stage": "단계별 진행 중 딜",
            "win_rate_by_size": "기업 규모별 수주율",
        },
    ),
    Download("changes", {"events": "딜 변경", "tables": "표별 변경"}),
    Download("timeline", {"sums": "시점별 합계"}),
    Download("life", {_ITEMS: "이력"}),
    Download("search", {_ITEMS: "검색"}, limit=500),
    Download("runs", {_ITEMS: "최근 실행"}, limit=500),
    Download("tables", {_ITEMS: "테이블"}),
    Download("backups", {_ITEMS: "백업"}),
)

LABELS = {
    "id": "ID",
    "name": "이름",
    "organization": "조직",
    "organization_id": "조직 ID",
    "organizationId": "조직 ID",
    "person": "사람",
    "person_id": "사람 ID",
    "organization_of_person": "사람의 조직 ID",
    "peopleId": "사람 ID",
    "status": "상태",
    "pipeline": "파이프라인",
    "stage": "단계",
    "owner": "담당자",
    "owners": "담당자",
    "ownerName": "작성자/담당자",
    "ownerId": "담당자 ID",
    "team": "팀",
    "teams": "팀",
    "worth": "금액",
    "amount": "금액",
    "amount_krw": "금액",
    "expected_amount": "예상 체결액",
    "expectedAmount": "예상 체결액",
    "expected_close": "수주 예정일",
    "expectedCloseDate": "수주 예정일",
    "created": "생성일",
    "created_at": "생성일",
    "createdAt": "작성일",
    "updatedAt": "수정일",
    "contract": "계약 체결일",
    "contract_date": "계약 체결일",
    "active_on": "마지막 활동",
    "is_overdue": "예정일 지남",
    "is_stale": "오래 멈춤",
    "size": "기업 규모",
    "upper_org": "소속 상위 조직",
    "upperOrg": "소속 상위 조직",
    "team_signature": "팀(명함/메일서명)",
    "teamSignature": "팀(명함/메일서명)",
    "title_signature": "직급(명함/메일서명)",
    "edu_area": "담당 교육 영역",
    "email": "이메일",
    "phone": "전화",
    "deal_count": "딜 수",
    "dealCount": "딜 수",
    "webforms": "웹폼",
    "webform_count": "웹폼 수",
    "total": "합계",
    "contacts": "고객 담당자",
    "text": "본문",
    "date": "날짜",
    "dealId": "딜 ID",
    "deal_id": "딜 ID",
    "dealName": "딜",
    "orgId": "조직 ID",
    "orgName": "조직",
    "isRetention": "리텐션",
    "courseFormat": "과정포맷",
    "probability": "가능성",
    "memoCount": "메모 수",
    "personId": "사람 ID",
    "personName": "고객 담당자",
    "part": "파트",
    "year": "연도",
    "month": "월",
    "count": "건수",
    "won": "Won",
    "lost": "Lost",
    "rate": "수주율",
    "open_count": "진행 중 건수",
    "open_worth": "진행 중 금액",
    "won_count": "Won 건수",
    "won_worth": "Won 금액",
    "overdue": "예정일 지난 건수",
    "stale": "오래 멈춘 건수",
    "next_closings": "다음 수주 예정",
    "kind": "종류",
    "old": "이전",
    "new": "이후",
    "at": "수집 시각",
    "open_krw": "진행 중 합계",
    "won_krw": "Won 합계",
    "field": "항목",
    "run_tag": "Run tag",
    "table": "테이블",
    "rows": "행",
    "columns": "열",
    "errors": "오류",
    "error": "오류",
    "snippet": "내용",
}
_LEFT_OUT = frozenset({"html"})


def download_of(path: str, listed: str) -> Download | None:
    """Return the download of a path below /api; None where that answer is no table."""
    found = (each for each in DOWNLOADS if re.fullmatch(each.pattern, path))
    return next((each for each in found if listed in each.titles), None)


def as_table(title: str, items: Iterable[Mapping[str, Any]]) -> ExportTable:
    """Return items as a table; its columns are the keys of the first one, in their order."""
    remaining = iter(items)
    first = next(remaining, {})
    keys = [key for key in first if key not in _LEFT_OUT]

    def read() -> Iterator[Row]:
        if first:
            yield _row(keys, first)
        for item in remaining:
            yield _row(keys, item)

    return ExportTable(name=title, columns=tuple(map(Column, _labels(keys))), read=read)


def _labels(keys: Iterable[str]) -> list[str]:
    """Return the heads of the columns; two of one label keep their own names."""
    labels = [LABELS.get(key, key) for key in keys]
    return [
        f"{label} ({key})" if labels.count(label) > 1 else label
        for key, label in zip(keys, labels, strict=True)
    ]


def _row(keys: Iterable[str], item: Mapping[str, Any]) -> Row:
    return tuple(_written(item.get(key)) for key in keys)


def _written(value: Any) -> str | int | float | None:
    if isinstance(value, bool):
        return "예" if value else "아니오"
    if value is None or isinstance(value, str | int | float):
        return value
    each = value if isinstance(value, list) else [value]
    return ", ".join(text for one in each if (text := name_of(one))) or None
