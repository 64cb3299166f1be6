"""`/download/xlsx/<path>` and `/download/csv/<path>`: the answer of `/api/<path>` as a file."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, quote, urlencode

from anyio import from_thread
from fastapi import APIRouter, Request
from fastapi import Path as InPath
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, Response
from starlette.types import Message, Scope

from salesmap_async.dashboard.data.context import ThisDashboard
from salesmap_async.dashboard.downloads.tables import Download, as_table, download_of
from salesmap_async.dashboard.web.answers import Answer
from salesmap_async.export.excel import write_xlsx
from salesmap_async.export.losses import Losses
from salesmap_async.export.source import ExportTable, Source
from salesmap_async.export.text_files import write_csv
from salesmap_async.publish.manifest import read_one_row
from salesmap_async.publish.published import oldest_read_in

router = APIRouter()

Form = Literal["xlsx", "csv"]
_TYPES: dict[Form, str] = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv; charset=utf-8",
}


_PASSED_ON = frozenset({b"host", b"authorization", b"cookie"})
"""Headers that the answer from inside depends on."""


class _RefusedError(Exception):
    """The answer that was to become a file is none: it is passed on as it is."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(status)
        self.answer = Response(body, status, media_type="application/json")


@router.get("/download/{form}/{path:path}", include_in_schema=False)
def get_download(
    request: Request, here: ThisDashboard, form: Form, path: Annotated[str, InPath(max_length=500)]
) -> Response:
    """Return all rows of a table as a file. `list` names the table of an answer that has several;
    what else is in the query is for that answer.
    """
    query = dict(parse_qsl(request.url.query))
    listed = query.pop("list", "items")
    download = download_of(path, listed)
    if download is None:
        return Answer({"detail": f"There is no table at {path}"}, 404)
    title = download.titles[listed]
    try:
        table = as_table(title, _items(request, path, query, listed, download))
    except _RefusedError as refused:
        return refused.answer
    with here.database.open() as snapshot:
        source = Source(
            path=here.db_path,
            run_tag=read_one_row(snapshot.connection, "run_info").get("run_tag"),
            workspace_id=None,
            workspace_name=read_one_row(snapshot.connection, "run_info").get("workspace_name"),
            captured_at=oldest_read_in(snapshot.connection),
            tables=(table,),
        )
    return _file(form, title, source)


def _file(form: Form, title: str, source: Source) -> Response:
    handle, name = tempfile.mkstemp(suffix=f".{form}", prefix="salesmap_")
    os.close(handle)
    path = Path(name)
    try:
        _write(form, source, path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    shown = f"{title.replace(' ', '_')}_{source.run_tag or 'snapshot'}.{form}"
    return FileResponse(
        path,
        media_type=_TYPES[form],
        headers={
            "Cache-Control": "no-store",
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(shown)}",
        },
        background=BackgroundTask(path.unlink, missing_ok=True),
    )


def _write(form: Form, source: Source, path: Path) -> None:
    table: ExportTable = source.tables[0]
    if form == "xlsx":
        write_xlsx(source, path, Losses(), lambda _table, _rows: None)
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        write_csv(table, file, Losses(), lambda _rows: None, raw=False, bom=True)


def _items(
    request: Request, path: str, query: dict[str, str], listed: str, download: Download
) -> Iterator[dict[str, Any]]:
    """Yield all items, page by page where the answer has pages. Raises _RefusedError."""
    if not download.pages:
        limit = {"limit": str(download.limit)} if download.limit else {}
        yield from _ask(request, path, query | limit)[listed]
        return
    for offset in range(0, 10**9, download.pages):
        page = {"limit": str(download.pages), "offset": str(offset)}
        answer = _ask(request, path, query | page)
        items = answer[listed]
        for item in items:
            more = {download.beside: answer[download.beside][item["id"]]} if download.beside else {}
            yield item | more
        if len(items) < download.pages:
            return


def _ask(request: Request, path: str, query: dict[str, str]) -> dict[str, Any]:
    """Return what `/api/<path>` answers to whoever asked for the file."""
    status, body = from_thread.run(_answered, request, f"/api/{path}", urlencode(query).encode())
    if status != 200:
        raise _RefusedError(status, body)
    found: dict[str, Any] = json.loads(body)
    return found


async def _answered(request: Request, path: str, query: bytes) -> tuple[int, bytes]:
    scope: Scope = {
        "type": "http",
        "asgi": request.scope["asgi"],
        "http_version": "1.1",
        "method": "GET",
        "scheme": request.scope["scheme"],
        "server": request.scope.get("server"),
        "client": request.scope.get("client"),
        "root_path": "",
        "path": path,
        "raw_path": quote(path).encode(),
        "query_string": query,
        "headers": [each for each in request.scope["headers"] if each[0] in _PASSED_ON],
        "app": request.app,
    }
    answered: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def note(message: Message) -> None:
        answered.append(message)

    await request.app(scope, receive, note)
    start, *parts = answered
    return start["status"], b"".join(part.get("body", b"") for part in parts)
