"""What the writer is given: one answered page, as the work DB will hold it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from salesmap_async.store.laying import LaidPage
from salesmap_async.store.work_db import ChainState


@dataclass(frozen=True, slots=True, kw_only=True)
class PageWrite:
    """One answered page and the progress of its chain after it; they are stored together.

    `page` numbers the pages of the chain from 0, `pages` counts them afterwards. `known_pages`,
    where given, is the range of stored pages (first, last) that this page was read again from:
    records that stand there as they came now are not stored again. `restart` first drops everything
    stored of the chain. `links`: (table, id) of what the records name in other lists.
    """

    chain: str
    table: str
    page: int
    pages: int
    laid: LaidPage
    links: Collection[tuple[str, str]] = ()
    state: ChainState
    progress: dict[str, Any]
    error: str
    at: str
    known_pages: tuple[int, int] | None = None
    restart: bool = False
