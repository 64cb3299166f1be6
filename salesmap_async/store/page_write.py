"""What the writer is given: one answered page, as the work DB will hold it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from salesmap_async import exact_json
from salesmap_async.store.work_db import ChainState


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRecord:
    """One record as it came, and its id as text (None: it has none).

    `body` is the JSON list of its values.
    """

    id: str | None
    record: Mapping[str, Any]
    body: str


def stored_record(record_id: str | None, record: Mapping[str, Any]) -> StoredRecord:
    """Return `record` as the work DB keeps it. Raises ValueError where JSON cannot hold it."""
    body = exact_json.dumps(list(record.values()))
    return StoredRecord(id=record_id, record=record, body=body)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageWrite:
    """One answered page and the progress of its chain after it; they are stored together.

    `page` numbers the pages of the chain from 0, `pages` counts them afterwards. `known_pages`,
    where given, is the range of stored pages (first, last) that this page was read again from:
    records that stand there byte for byte are not stored again. `restart` first drops everything
    stored of the chain. `links`: (table, id) of what the records name in other lists.
    """

    chain: str
    table: str
    page: int
    pages: int
    records: Sequence[StoredRecord]
    links: Collection[tuple[str, str]] = ()
    state: ChainState
    progress: dict[str, Any]
    error: str
    at: str
    known_pages: tuple[int, int] | None = None
    restart: bool = False
