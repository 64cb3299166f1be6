"""What every endpoint works with: the DB, the configuration, and where the runs' files lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request

from salesmap_async.dashboard.data.config import DashboardConfig
from salesmap_async.dashboard.data.database import Database
from salesmap_async.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """`settings` say where DB, logs, backups and checkpoints lie.

    `command` gives any command of this program with the paths of this dashboard.
    """

    settings: Settings
    config: DashboardConfig
    database: Database
    command: Callable[..., str]

    @property
    def db_path(self) -> Path:
        """The published DB."""
        return self.settings.db_path


async def _dashboard(request: Request) -> Dashboard:
    dashboard: Dashboard = request.app.state.dashboard
    return dashboard


ThisDashboard = Annotated[Dashboard, Depends(_dashboard)]
"""Declares that an endpoint wants the dashboard it belongs to."""
