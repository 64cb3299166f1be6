"""`app`, for any ASGI server: `uvicorn salesmap_async.dashboard.main:app --reload`.

What `python -m salesmap_async serve` takes as options comes from the environment here:

- `DB_PATH` (or `SALESMAP_DB_PATH`): the published DB; default `salesmap_latest.db`
- `SALESMAP_LOG_DIR`, `SALESMAP_BACKUP_DIR`, `SALESMAP_CHECKPOINT_DIR`: what the runs have left
- `SALESMAP_DASHBOARD_CONFIG`: a `dashboard.toml`; default: the one in the working directory, if any
- `SALESMAP_DASHBOARD_TOKEN`, or `SALESMAP_DASHBOARD_USER` and `SALESMAP_DASHBOARD_PASSWORD`: what a
  visitor must prove. Without it only this machine is answered, whatever address the server has.
- `SALESMAP_DASHBOARD_ALLOW_FILE_ORIGIN=1`: the page may also be opened as a file
"""

from __future__ import annotations

import logging
import os

from salesmap_async.dashboard.app import create_app
from salesmap_async.dashboard.environment import access_from, config_from, settings_from
from salesmap_async.errors import SalesmapError

try:
    app = create_app(
        settings_from(os.environ), config=config_from(os.environ), access=access_from(os.environ)
    )
except SalesmapError as error:  # without an `app` the server ends, and needs no traceback
    logging.getLogger(__name__).error("%s%s", error, f"; {error.cure}" if error.cure else "")
