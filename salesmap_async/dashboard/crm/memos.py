"""Memos: of an organization, a person or a deal; the newest first.

The CRM does not sanitise a memo's HTML. What leaves here has formatting alone: no script, no
image, no link, no attribute.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import nh3

from salesmap_async.dashboard.crm.models import Memo
from salesmap_async.dashboard.data.database import Snapshot
from salesmap_async.dashboard.data.existence import check_deal, check_organization, check_person
from salesmap_async.dashboard.data.summary import owner_names
from salesmap_async.lenient import text_or_none

_KEPT_TAGS = {
    "p", "br", "div", "span", "hr", "b", "strong", "i", "em", "u", "s", "sub", "sup", "ul", "ol",
    "li", "blockquote", "pre", "code", "h1", "h2", "h3", "h4", "h5", "h6", "table", "thead",
    "tbody", "tr", "th", "td",
}  # fmt: skip
_DROPPED_WITH_CONTENT = {"script", "style", "title", "template", "noscript", "iframe", "svg"}


def memos_of_organization(snapshot: Snapshot, org_id: str, limit: int) -> list[Memo]:
    """Return the memos on the organization itself. Raises NotFoundError."""
    check_organization(snapshot, org_id)
    where = "{memo.organizationId} = ? AND {memo.peopleId} IS NULL AND {memo.dealId} IS NULL"
    return _memos(snapshot, where, org_id, limit)


def memos_of_person(snapshot: Snapshot, person_id: str, limit: int) -> list[Memo]:
    """Return the memos on a person that belong to no deal. Raises NotFoundError."""
    check_person(snapshot, person_id)
    where = "{memo.peopleId} = ? AND ifnull({memo.dealId}, '') = ''"
    return _memos(snapshot, where, person_id, limit)


def memos_of_deal(snapshot: Snapshot, deal_id: str, limit: int) -> list[Memo]:
    """Return the memos on a deal. Raises NotFoundError."""
    check_deal(snapshot, deal_id)
    return _memos(snapshot, "{memo.dealId} = ?", deal_id, limit)


def clean_html(html: object) -> str | None:
    """Return the formatting of a memo and nothing that could act; None where there is none."""
    if not isinstance(html, str) or not html.strip():
        return None
    return nh3.clean(
        html,
        tags=_KEPT_TAGS,
        clean_content_tags=_DROPPED_WITH_CONTENT,
        attributes={},
        link_rel=None,
    )


def _memos(snapshot: Snapshot, where: str, record_id: str, limit: int) -> list[Memo]:
    names = owner_names(snapshot)
    rows = snapshot.rows(
        f"""
        SELECT {{memo.id}}, {{memo.text}}, {{memo.html}}, {{memo.owner_id}}, {{memo.created_at}},
               {{memo.updated_at}}
        FROM memo WHERE {where}
        ORDER BY {{memo.created_at}} DESC, {{memo.id}} LIMIT ?
        """,
        record_id,
        limit,
    )
    return [_memo(row, names) for row in rows]


def _memo(row: tuple[Any, ...], names: Mapping[str, str]) -> Memo:
    memo_id, text, html, owner_id, created_at, updated_at = row
    return {
        "id": memo_id,
        "text": text_or_none(text),
        "html": clean_html(html),
        "ownerId": text_or_none(owner_id),
        "ownerName": names.get(owner_id, text_or_none(owner_id)),
        "createdAt": text_or_none(created_at),
        "updatedAt": text_or_none(updated_at),
    }
