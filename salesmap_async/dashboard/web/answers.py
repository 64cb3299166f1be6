"""How an answer leaves: as JSON, also when it is that something is wrong."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from salesmap_async import exact_json
from salesmap_async.dashboard.web.errors import (
    MissingTablesError,
    NotFoundError,
    UnavailableError,
    UnknownStateError,
    UnknownTeamError,
)
from salesmap_async.errors import SalesmapError
from salesmap_async.sqlite_file import is_locked

logger = logging.getLogger(__name__)


class Answer(JSONResponse):
    """JSON of any value, whole numbers of any size included. Never kept by a browser."""

    def __init__(self, content: Any, status_code: int = 200) -> None:
        super().__init__(content, status_code, headers={"Cache-Control": "no-store"})

    def render(self, content: Any) -> bytes:
        return exact_json.dumps(content).encode()


class Failures:
    """Answers what was not expected with 500, inside of what adds headers to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_begun = False

        async def send_noting(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        except Exception:
            if has_begun or scope["type"] != "http":
                raise
            logger.exception("an endpoint failed")
            answer = Answer({"detail": "The dashboard failed; its log says why."}, 500)
            await answer(scope, receive, send)


def add_error_answers(app: FastAPI, doctor_command: str) -> None:
    """Let `app` answer each kind of error with its status and a JSON `detail`."""

    def on(kind: type[Exception], answer: Callable[[Any], Answer]) -> None:
        async def handle(_request: Request, error: Exception) -> Answer:
            return answer(error)

        app.add_exception_handler(kind, handle)

    on(NotFoundError, lambda error: Answer({"detail": str(error)}, 404))
    for unknown in (UnknownTeamError, UnknownStateError):
        on(unknown, lambda error: Answer({"detail": str(error)}, 400))
    on(MissingTablesError, lambda error: Answer({"detail": {"missing": error.missing}}, 503))
    on(UnavailableError, _unavailable)
    on(SalesmapError, lambda error: Answer({"detail": _with_cure(error)}, 503))
    on(sqlite3.Error, lambda error: _unreadable(error, doctor_command))
    on(RequestValidationError, _wrong_parameter)


def _unavailable(error: UnavailableError) -> Answer:
    return Answer({"detail": str(error), "command": error.command}, 503)


def _with_cure(error: SalesmapError) -> str:
    return f"{error}; {error.cure}" if error.cure else str(error)


def _unreadable(error: sqlite3.Error, doctor_command: str) -> Answer:
    if is_locked(error):
        return Answer({"detail": "The database is locked by another program; try again."}, 503)
    return Answer(
        {"detail": f"The database cannot be read: {error}", "command": doctor_command}, 503
    )


def _wrong_parameter(error: RequestValidationError) -> Answer:
    """Say which parameter is wrong and why, without repeating what was sent."""
    details = [{key: each[key] for key in ("loc", "msg", "type")} for each in error.errors()]
    return Answer({"detail": details}, 422)
