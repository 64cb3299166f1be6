"""도움말: the manual's pages for operators and for this dashboard, rendered here.

HTML in a page would be shown as text, so that nothing has to be cleaned; the pages need no script.
"""

from __future__ import annotations

from functools import cache
from html import escape

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from markdown_it import MarkdownIt

from salesmap_async.dashboard.web.errors import NotFoundError
from salesmap_async.docs import read_page, title_of

_SHOWN = {"runbook": "운영 런북", "dashboard": "대시보드"}
_PAGE = """<!DOCTYPE html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} - 도움말</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/files/help.css">
</head>
<body>
<nav aria-label="도움말"><a href="/">← 대시보드로</a>{links}</nav>
<main>{body}</main>
</body>
</html>
"""

router = APIRouter()


@router.get("/help", include_in_schema=False)
async def help_start() -> HTMLResponse:
    """Show the runbook."""
    return HTMLResponse(_rendered("runbook"))


@router.get("/help/{page}", include_in_schema=False)
async def help_page(page: str) -> HTMLResponse:
    """Show a page of the manual."""
    if page not in _SHOWN:
        raise NotFoundError("help page", page)
    return HTMLResponse(_rendered(page))


@cache
def _rendered(name: str) -> str:
    links = "".join(
        f'<a href="/help/{each}"{" aria-current=page" if each == name else ""}>{label}</a>'
        for each, label in _SHOWN.items()
    )
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    return _PAGE.format(
        language="ko" if name == "runbook" else "en",
        title=escape(title_of(name)),
        links=links,
        body=markdown.render(read_page(name)),
    )
