"""What an answer means for its chain, and what the writer is given of it. No I/O."""

from __future__ import annotations

from datetime import UTC, datetime

from salesmap_async.api.endpoints import SUBMISSION_TABLE
from salesmap_async.api.pages import FORM_GONE, Page
from salesmap_async.collect.chains import Chain, ChainBrokenError, Storable, record_id
from salesmap_async.errors import RequestRefusedError, UnusableAnswerError
from salesmap_async.store.page_write import PageWrite, StoredRecord, stored_record


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


def as_stored(page: Page, id_key: str) -> list[StoredRecord]:
    """Return the page's records as the work DB keeps them, before anything moves on.

    Raises UnusableAnswerError for one that it cannot hold.
    """
    try:
        return [stored_record(record_id(record, id_key), record) for record in page.records]
    except ValueError as error:
        raise UnusableAnswerError(f"a record cannot be stored: {error}", status=200) from None


def page_write(chain: Chain, storable: Storable, records: list[StoredRecord]) -> PageWrite:
    """Return what the writer stores: the records that count, and how far the chain is now."""
    return PageWrite(
        chain=chain.name,
        table=chain.endpoint.table,
        page=storable.page,
        pages=chain.pages,
        records=records[: len(storable.records)],
        state=chain.state,
        progress=chain.progress(),
        error=chain.error,
        at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        known_pages=storable.known_pages,
        restart=storable.restart,
    )
