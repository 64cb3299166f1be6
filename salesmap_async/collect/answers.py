"""What an answer means for its chain, and what the writer is given of it. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from salesmap_async import exact_json
from salesmap_async.api.endpoints import LINKING_TABLES, LINKS, SUBMISSION_TABLE
from salesmap_async.api.pages import FORM_GONE
from salesmap_async.collect.chains import Chain, ChainBrokenError, Storable
from salesmap_async.collect.trail import record_id
from salesmap_async.errors import RequestRefusedError, SalesmapError, TokenRefusedError
from salesmap_async.store.laying import LaidPage, Laying
from salesmap_async.store.page_write import PageWrite


def is_not_to_be_had(chain: Chain, error: SalesmapError) -> bool:
    """Tell whether an optional list does not exist for this workspace: its plan has no such thing.

    Only its first page can say so, by 400, 403 or 404; a core list is never left out, a usual one
    whatever the error is, except a token that is refused everywhere.
    """
    if chain.endpoint.group == "core" or chain.pages:
        return False
    if chain.endpoint.group == "usual":
        return not (isinstance(error, TokenRefusedError) and error.status == 401)
    if not isinstance(error, RequestRefusedError | TokenRefusedError):
        return False
    if chain.cursor is not None:  # a log that goes on: by 400 its cursor is refused
        return error.status in (403, 404)
    return error.status in (400, 403, 404)


def after_refusal(chain: Chain, error: RequestRefusedError) -> Storable:
    """Decide what a refused page means for its chain."""
    if chain.endpoint.table == SUBMISSION_TABLE and FORM_GONE in error.reason:
        chain.leave_out(f"{chain.label} is gone upstream: skipped")
        return Storable(0, ())
    if error.status == 400 and chain.cursor is not None:
        try:
            return chain.cursor_refused(error.reason)
        except ChainBrokenError as broken:
            return given_up(chain, str(broken))
    return given_up(chain, str(error))


def given_up(chain: Chain, why: str) -> Storable:
    """Give `chain` up for this run; nothing of the answer is stored."""
    chain.fail(why)
    return Storable(0, ())


@dataclass(frozen=True, slots=True)
class Position:
    """How far a chain has got, to be written where its next answer cannot be stored."""

    pages: int
    progress: dict[str, Any]

    @classmethod
    def of(cls, chain: Chain) -> Self:
        return cls(chain.pages, chain.progress())


def page_write(chain: Chain, storable: Storable, before: Position, laying: Laying) -> PageWrite:
    """Return what the writer stores: the records that count, and how far the chain is now.

    Where the work DB cannot hold one of them, the list has failed, and stays where it was `before`.
    """
    id_key = chain.endpoint.id_key
    position = before
    laid = LaidPage()
    if storable.restart:
        laying.forget([chain.name])
    try:
        records = [(record_id(each, id_key), each) for each in storable.records]
        laid = laying.lay_out(chain.name, records)
        position = Position.of(chain)
    except ValueError as error:
        storable = given_up(chain, f"a record cannot be stored: {error}")
    return PageWrite(
        chain=chain.name,
        table=chain.endpoint.table,
        page=storable.page,
        pages=position.pages,
        laid=laid,
        links=_links_in(storable.records) if chain.endpoint.table in LINKING_TABLES else (),
        state=chain.state,
        progress=position.progress,
        error=chain.error,
        at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        known_pages=storable.known_pages,
        restart=storable.restart,
    )


def _links_in(records: Iterable[Mapping[str, Any]]) -> set[tuple[str, str]]:
    """Return (table, id) of every record that these name."""
    return {
        (target, exact_json.without_lone_surrogates(value))
        for record in records
        for key, target in LINKS.items()
        if isinstance(value := record.get(key), str) and value.strip()
    }
