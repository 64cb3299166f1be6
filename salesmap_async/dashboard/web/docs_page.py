"""`/docs`: the list of endpoints to try out, from files in the package and no outside host."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse
from starlette.staticfiles import StaticFiles

FILES = Path(__file__).parent / "docs"
PREFIX = "/docs/files"

router = APIRouter()


@router.get("/docs", include_in_schema=False)
async def docs() -> FileResponse:
    """Show the API."""
    return FileResponse(FILES / "docs.html")


def docs_files() -> StaticFiles:
    """Return what serves the page's script and style."""
    return StaticFiles(directory=FILES)
