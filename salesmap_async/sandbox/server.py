"""The Salesmap v2 API on loopback, over an invented workspace.

A request is recorded first; then it meets, in this order, the route (404, 405), the token (401),
the quota (429), the scripted faults, the latency, and at last the workspace.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from zlib import crc32

from aiohttp import web

from salesmap_async.errors import UsageError
from salesmap_async.sandbox import answers, broken
from salesmap_async.sandbox.arrivals import Arrival, ArrivalsLog
from salesmap_async.sandbox.faults import Fault, FaultScript, Shape
from salesmap_async.sandbox.lists import (
    PATHS_PATH,
    Data,
    ListReader,
    NoSuchFormError,
    NoSuchRecordError,
    UnknownCursor,
    endpoint_at,
    is_route,
    openapi_document,
)
from salesmap_async.sandbox.pages import BadParameterError, DateFilter, UnknownCursorError
from salesmap_async.sandbox.quota import Quota
from salesmap_async.sandbox.workspace import Workspace

HOST = "127.0.0.1"
API_ROOT = "/api/v2"
ARRIVALS_PATH = "/_arrivals"
SANDBOX_TOKEN = "sandbox-token"  # noqa: S105

_NO_FORM_SHAPES: tuple[Shape, ...] = ("reason", "message", "error", "reason_list")
_DATA_ACTIONS = frozenset({"no_list_key", "list_not_list", "drop_envelope", "success_false"})
_CURSOR_ACTIONS = frozenset({"loop", "cycle", "empty_with_cursor", "lose_page", "cached_page"})


@dataclass(frozen=True, slots=True)
class _Closed:
    """A refusal that a fault has made real: nothing is answered before `until_s`."""

    fault: Fault
    until_s: float


class Sandbox:
    """A running server; `async with` starts and stops it.

    `latency_s`: seconds before each answer. `unknown_cursor`: what a paged list says to a cursor
    it does not know. `date_filter`: what it makes of `startDate` and `endDate`. `offset_cursors`:
    its cursors count records instead of naming one.
    `quota_used_by_others`: what another client takes of each 100 requests.
    `arrivals_log`: file that gets one JSON line per arrival. `port` 0: any free one.
    """

    def __init__(
        self,
        workspace: Workspace,
        *,
        token: str = SANDBOX_TOKEN,
        quota: bool = True,
        latency_s: float = 0.0,
        faults: Iterable[Fault] = (),
        unknown_cursor: UnknownCursor = "refuse",
        date_filter: DateFilter = "exact",
        offset_cursors: bool = False,
        quota_used_by_others: int = 0,
        port: int = 0,
        arrivals_log: Path | None = None,
    ) -> None:
        self.workspace = workspace
        self.faults = list(faults)
        self.arrivals: list[Arrival] = []
        self.base_url = ""
        self._authorization = f"Bearer {token}"
        self._quota = Quota(used_by_others=quota_used_by_others) if quota else None
        self._latency_s = latency_s
        self._reader = ListReader(
            workspace,
            unknown_cursor=unknown_cursor,
            date_filter=date_filter,
            offset_cursors=offset_cursors,
        )
        self._port = port
        self._log = ArrivalsLog(arrivals_log) if arrivals_log else None
        self._script = FaultScript()
        self._closed: _Closed | None = None
        self._stopping = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{anything:.*}", self._handle)
        runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=1.0
        )
        await runner.setup()
        self._runner = runner
        try:
            await web.TCPSite(runner, HOST, self._port).start()
            if self._log is not None:
                self._log.open()
        except OSError:
            await runner.cleanup()
            raise
        self.base_url = f"http://{HOST}:{runner.addresses[0][1]}{API_ROOT}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        if self._runner is not None:
            await self._runner.cleanup()
        if self._log is not None:
            self._log.close()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.path == ARRIVALS_PATH:
            facts = [arrival.facts() for arrival in self.arrivals]
            return answers.json_response(answers.encode(facts))
        arrival = Arrival(
            at_s=time.monotonic(),
            path=request.path.removeprefix(API_ROOT),
            cursor=request.query.get("cursor"),
            method=request.method,
            query=dict(request.query),
        )
        self.arrivals.append(arrival)
        try:
            return await self._answer(request, arrival)
        finally:
            if self._log is not None:
                self._log.add(arrival)

    async def _answer(self, request: web.Request, arrival: Arrival) -> web.StreamResponse:
        is_open = request.path == f"{API_ROOT}{PATHS_PATH}"  # it needs no token
        refusal = None if is_open else self._refusal(request, arrival)
        if refusal is not None:
            arrival.status = refusal.status
            return refusal
        for fault in self._script.due(self.faults, arrival):
            arrival.fault = fault.action
            if fault.hook is not None:
                fault.hook(arrival)
            elif fault.action == "latency":
                await self._pause(fault.seconds)
            else:
                return await self._spoil(request, arrival, fault)
        await self._pause(self._latency_s)
        answer = self._good_answer(arrival)
        arrival.status = answer.status
        return answer

    def _refusal(self, request: web.Request, arrival: Arrival) -> web.Response | None:
        below_root = request.path.startswith(f"{API_ROOT}/")
        if not below_root or not is_route(arrival.path):
            return answers.html(404)
        if arrival.method != "GET":
            return answers.error(405, f"{arrival.method}는 지원하지 않습니다.")
        given = request.headers.get("Authorization")
        if given is None:
            return answers.error(401, answers.REASON_NO_AUTHORIZATION)
        if given != self._authorization:
            return answers.error(401, answers.REASON_WRONG_AUTHORIZATION)
        return self._quota_refusal(arrival.at_s)

    def _quota_refusal(self, now_s: float) -> web.Response | None:
        closed = self._closed
        if closed is not None and now_s < closed.until_s:
            return answers.too_many(
                closed.until_s - now_s, flavour=closed.fault.flavour, header=closed.fault.header
            )
        wait_s = self._quota.admit(now_s) if self._quota is not None else None
        return None if wait_s is None else answers.too_many(wait_s)

    def _good_answer(self, arrival: Arrival) -> web.Response:
        if arrival.path == PATHS_PATH:
            return answers.json_response(answers.encode(openapi_document(API_ROOT)))
        try:
            data = self._reader.data(arrival.path, arrival.query)
        except BadParameterError as error:
            return answers.error(400, str(error))
        except UnknownCursorError:
            return answers.error(400, answers.REASON_NO_CURSOR)
        except NoSuchRecordError as error:
            return answers.error(400, answers.reason_no_record(str(error)))
        except NoSuchFormError:
            shape = _NO_FORM_SHAPES[crc32(arrival.path.encode()) % len(_NO_FORM_SHAPES)]
            return answers.error(400, answers.REASON_NO_FORM, shape=shape)
        return answers.json_response(answers.encode(answers.success(data)))

    def _data_to_spoil(self, arrival: Arrival) -> Data:
        """Return the data of the good answer, nothing where that is an error too."""
        try:
            return self._reader.data(arrival.path, arrival.query)
        except (BadParameterError, UnknownCursorError, NoSuchFormError, NoSuchRecordError):
            return {}

    async def _spoil(
        self, request: web.Request, arrival: Arrival, fault: Fault
    ) -> web.StreamResponse:
        await self._pause(self._latency_s)
        match fault.action:
            case "hang":
                await self._stopping.wait()
                broken.reset(request)
            case "reset":
                broken.reset(request)
            case "truncate":
                arrival.status = 200
                body = answers.encode(answers.success(self._data_to_spoil(arrival)))
                broken.cut_off(request, body, fault.cut)
            case "huge":
                arrival.status = 200
                return await broken.send_huge(request, fault)
            case _:
                answer = self._spoiled_answer(arrival, fault)
                arrival.status = answer.status
                return answer
        return web.Response()

    def _spoiled_answer(self, arrival: Arrival, fault: Fault) -> web.Response:
        data = self._data_to_spoil(arrival)
        endpoint = endpoint_at(arrival.path)
        list_key = endpoint.list_key if endpoint is not None else "user"
        if fault.action in _CURSOR_ACTIONS:
            data = self._misled(fault, arrival, list_key, data)
            return answers.json_response(answers.encode(answers.success(data)))
        if fault.action in _DATA_ACTIONS:
            payload = broken.spoiled_data(fault, list_key, data)
            return answers.json_response(answers.encode(payload))
        if fault.action == "429" and fault.enforced:
            self._closed = _Closed(fault, time.monotonic() + fault.seconds)
        return broken.spoiled_response(fault, answers.encode(answers.success(data)))

    def _misled(self, fault: Fault, arrival: Arrival, list_key: str, data: Data) -> Data:
        """Return another page, or one whose cursor repeats, goes back or follows an empty list."""
        if fault.action in ("lose_page", "cached_page"):
            return self._other_page(fault, arrival, data)
        if fault.action == "empty_with_cursor":
            return broken.with_cursor({**data, list_key: []}, self._reader.detour(arrival.cursor))
        if fault.action == "loop":
            return broken.with_cursor(data, arrival.cursor)
        first = self._reader.first_cursor(arrival.path, arrival.query)
        return data if arrival.cursor == first else broken.with_cursor(data, first)

    def _other_page(self, fault: Fault, arrival: Arrival, data: Data) -> Data:
        """Return a page further on; the pages before it are never given.

        A lost page is one that the list passes over; a cached one is what was kept for the cursor
        two pages on.
        """
        for _ in range(2 if fault.action == "cached_page" else 1):
            cursor = data.get("nextCursor") or data.get("nextCurosr")
            if cursor is None:
                break
            data = self._reader.data(arrival.path, {**arrival.query, "cursor": cursor})
        return data

    async def _pause(self, seconds: float) -> None:
        if seconds > 0:
            try:
                async with asyncio.timeout(seconds):
                    await self._stopping.wait()
            except TimeoutError:
                return


async def serve(
    workspace: Workspace,
    *,
    port: int,
    latency_s: float,
    faults: Iterable[Fault],
    quota: bool,
    token: str,
    announce: Callable[[str], None],
    quota_used_by_others: int = 0,
    arrivals_log: Path | None = None,
) -> None:
    """Serve until cancelled; `announce` is told the base URL once the server listens.

    Raises UsageError when the port or the log file cannot be had.
    """
    sandbox = Sandbox(
        workspace,
        token=token,
        quota=quota,
        latency_s=latency_s,
        faults=faults,
        quota_used_by_others=quota_used_by_others,
        port=port,
        arrivals_log=arrivals_log,
    )
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(sandbox)
        except OSError as error:
            raise UsageError(f"the sandbox cannot start on port {port}: {error}") from None
        announce(sandbox.base_url)
        await asyncio.Event().wait()
