"""A chain as a resume finds it."""

from __future__ import annotations

import json

from salesmap_async.collect.chains import (
    Chain,
    restored_chain,
)
from salesmap_async.store.work_db import ChainRow


def resumed(chain: Chain) -> Chain:
    """Go through the stored form, as a resume does."""
    row = ChainRow(
        name=chain.name,
        table=chain.endpoint.table,
        path=chain.endpoint.path,
        added={},
        since=chain.span.since.isoformat() if chain.span.since else None,
        state=chain.state,
        pages=chain.pages,
        rows=chain.rows,
        progress=json.loads(json.dumps(chain.progress())),
        error=chain.error,
        started_at=None,
        ended_at=None,
    )
    return restored_chain(chain.endpoint, row)
