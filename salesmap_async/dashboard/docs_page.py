"""`/docs`: the list of endpoints to try out, from files in the package and no outside host."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

FILES = Path(__file__).parent / "swagger"
PREFIX = "/docs/files"
_PAGE = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>salesmap_async dashboard: API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{PREFIX}/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="{PREFIX}/swagger-ui-bundle.js" defer></script>
<script src="{PREFIX}/start.js" defer></script>
</body>
</html>
"""

router = APIRouter()


@router.get("/docs", include_in_schema=False)
async def docs() -> HTMLResponse:
    """Show the API."""
    return HTMLResponse(_PAGE)


def docs_files() -> StaticFiles:
    """Return what serves Swagger UI's own files."""
    return StaticFiles(directory=FILES)
