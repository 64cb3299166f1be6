"""The endpoints about the snapshot itself: runs, tables, backups, what is left behind."""

from __future__ import annotations

from fastapi import APIRouter

from salesmap_async.dashboard import operations_models
from salesmap_async.dashboard.answers import Answer
from salesmap_async.dashboard.checklist import checklist
from salesmap_async.dashboard.context import Here
from salesmap_async.dashboard.operations import backups, runs, tables
from salesmap_async.dashboard.parameters import UNAVAILABLE, Limit
from salesmap_async.operate.status import read_status

router = APIRouter(prefix="/api", default_response_class=Answer)


@router.get("/runs", response_model=operations_models.Runs, responses=UNAVAILABLE)
def get_runs(here: Here, limit: Limit = 30) -> Answer:
    """Return the last runs, the newest first."""
    return Answer(runs(here.settings, limit))


@router.get("/tables", response_model=operations_models.Tables, responses=UNAVAILABLE)
def get_tables(here: Here) -> Answer:
    """Return what each table holds, and how many rows it had after each published run."""
    with here.database.open() as snapshot:
        return Answer(tables(snapshot, here.settings))


@router.get("/backups", response_model=operations_models.Backups, responses=UNAVAILABLE)
def get_backups(here: Here) -> Answer:
    """Return the backups of the DB, the newest first."""
    return Answer({"items": backups(here.settings)})


@router.get("/checklist", response_model=operations_models.Checklist, responses=UNAVAILABLE)
def get_checklist(here: Here) -> Answer:
    """Return what the last run has left behind, and what to type next."""
    return Answer(checklist(read_status(here.settings), here.command))
