"""The endpoints about the snapshot itself: runs, tables, backups, what is left behind."""

from __future__ import annotations

from fastapi import APIRouter

from salesmap_async.dashboard.data import shapes
from salesmap_async.dashboard.data.context import ThisDashboard
from salesmap_async.dashboard.operations import models
from salesmap_async.dashboard.operations.about import about
from salesmap_async.dashboard.operations.checklist import checklist
from salesmap_async.dashboard.operations.health import check_health
from salesmap_async.dashboard.operations.queries import backups, runs, tables
from salesmap_async.dashboard.web.answers import Answer
from salesmap_async.dashboard.web.parameters import UNAVAILABLE, Limit
from salesmap_async.operate.status import read_status

router = APIRouter(prefix="/api", default_response_class=Answer)


@router.get("/health", response_model=shapes.Health, responses=UNAVAILABLE)
def health(here: ThisDashboard) -> Answer:
    """Say that the server is up and has a snapshot that is not damaged; 503 without one."""
    check_health(here)
    return Answer({"status": "ok"})


@router.get("/meta", response_model=models.About, responses=UNAVAILABLE)
def get_meta(here: ThisDashboard) -> Answer:
    """Return years, labels, teams and the age of the snapshot."""
    with here.database.open() as snapshot:
        last = runs(here.settings, 1)["items"]
        return Answer({**about(snapshot, here.config), "last_run": last[0] if last else None})


@router.get("/runs", response_model=models.Runs, responses=UNAVAILABLE)
def get_runs(here: ThisDashboard, limit: Limit = 30) -> Answer:
    """Return the last runs, the newest first."""
    return Answer(runs(here.settings, limit))


@router.get("/tables", response_model=models.Tables, responses=UNAVAILABLE)
def get_tables(here: ThisDashboard) -> Answer:
    """Return what each table holds, and how many rows it had after each published run."""
    with here.database.open() as snapshot:
        return Answer(tables(snapshot, here.settings))


@router.get("/backups", response_model=models.Backups, responses=UNAVAILABLE)
def get_backups(here: ThisDashboard) -> Answer:
    """Return the backups of the DB, the newest first."""
    return Answer({"items": backups(here.settings)})


@router.get("/checklist", response_model=models.Checklist, responses=UNAVAILABLE)
def get_checklist(here: ThisDashboard) -> Answer:
    """Return what the last run has left behind, and what to type next."""
    return Answer(checklist(read_status(here.settings), here.command))
