"""The web application: endpoints, the page's files, and the guards in front of them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.staticfiles import StaticFiles

from salesmap_async.commandline import path_command
from salesmap_async.dashboard.changes import routes as changes_routes
from salesmap_async.dashboard.crm import routes as crm_routes
from salesmap_async.dashboard.data.config import DashboardConfig
from salesmap_async.dashboard.data.context import Dashboard
from salesmap_async.dashboard.data.database import Database
from salesmap_async.dashboard.deals import routes as deals_routes
from salesmap_async.dashboard.downloads import routes as downloads_routes
from salesmap_async.dashboard.everything import routes as everything_routes
from salesmap_async.dashboard.operations import routes as operations_routes
from salesmap_async.dashboard.sales import routes as sales_routes
from salesmap_async.dashboard.web import docs_page, help_page
from salesmap_async.dashboard.web.access import Access
from salesmap_async.dashboard.web.answers import Failures, add_error_answers
from salesmap_async.dashboard.web.kept_answers import KeptAnswers
from salesmap_async.dashboard.web.proof import Proof
from salesmap_async.dashboard.web.security import (
    FILE_ORIGIN,
    PAGE_ORIGINS,
    HeadAsGet,
    KnownPlaces,
    SafeHeaders,
)
from salesmap_async.paths import SANDBOX_DB
from salesmap_async.settings import Settings
from salesmap_async.version import VERSION

STATIC = Path(__file__).parent / "static"
PAGE = STATIC / "org_tables_v2.html"


def create_app(
    settings: Settings, *, config: DashboardConfig | None = None, access: Access | None = None
) -> FastAPI:
    """Return the application over `settings.db_path`; nothing is opened before a request."""
    config = config or DashboardConfig()
    access = access or Access()
    command = partial(_command, settings)
    doctor = command("doctor", "--offline")
    database = Database(
        settings.db_path, config.columns, run_command=command("run"), doctor_command=doctor
    )
    app = FastAPI(
        title="salesmap_async dashboard",
        description="Read-only, over the published snapshot. Money is KRW unless named `_eok`.",
        version=VERSION,
        docs_url=None,
        redoc_url=None,
        middleware=[*_guards(access, config), _kept_answers(database)],
    )
    app.state.dashboard = Dashboard(
        settings=settings,
        config=config,
        database=database,
        command=command,
    )
    add_error_answers(app, doctor_command=doctor)
    app.include_router(crm_routes.router)
    app.include_router(sales_routes.router)
    app.include_router(deals_routes.router)
    app.include_router(changes_routes.router)
    app.include_router(operations_routes.router)
    app.include_router(everything_routes.router)
    app.include_router(downloads_routes.router)
    app.include_router(docs_page.router)
    app.include_router(help_page.router)
    app.add_api_route("/", _page, methods=["GET", "HEAD"], include_in_schema=False)
    app.mount(docs_page.PREFIX, docs_page.docs_files(), name="docs files")
    app.mount("/", StaticFiles(directory=STATIC, check_dir=False), name="page files")
    return app


def _command(settings: Settings, command: str, *arguments: str) -> str:
    """Return a command over the files of this dashboard; a run of the sandbox's DB asks that."""
    of_sandbox = command == "run" and settings.db_path.name == SANDBOX_DB.name
    sandbox = ("--sandbox",) if of_sandbox else ()
    return path_command(settings, command, *arguments, *sandbox)


def _guards(access: Access, config: DashboardConfig) -> list[Middleware]:
    """Return what a request passes, from the outside in.

    Other origins' preflights carry no proof, so they are answered before it is asked for.
    """
    origins = [*PAGE_ORIGINS, *([FILE_ORIGIN] if access.allow_file_origin else [])]
    known = replace(access, hosts=(*access.hosts, *config.allowed_hosts))
    return [
        Middleware(HeadAsGet),
        Middleware(SafeHeaders),
        Middleware(KnownPlaces, access=known),
        Middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "HEAD"],
            allow_headers=["Authorization"],
            expose_headers=["Content-Disposition"],
        ),
        Middleware(Failures),
        Middleware(Proof, access=known),
    ]


def _kept_answers(database: Database) -> Middleware:
    """Keep answers; those about runs, backups and changes tell of more files than the snapshot."""
    routers = (operations_routes.router, changes_routes.router)
    of_other_files = {getattr(route, "path", "") for each in routers for route in each.routes}
    return Middleware(KeptAnswers, state=database.state, of_other_files=of_other_files)


async def _page() -> FileResponse:
    return FileResponse(PAGE)
