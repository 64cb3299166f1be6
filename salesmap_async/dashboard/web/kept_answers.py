"""Answers that are kept encoded: a snapshot never changes, so neither does what it answers.

An answer belongs to one state of the file and to its path with the query; what tells of other files
too (runs, backups) is kept for a moment only. It is worked out once,
however many ask for it at the same moment, and leaves compressed where the client accepts that.
With its ETag a client that still has it is told so (304); `no-store` stays, for customer data is
not to lie on the disk of a browser. Only what can be answered (200) is kept, up to a number of
bytes, the least recently asked for leaving first.
"""

from __future__ import annotations

import asyncio
import gzip
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from hashlib import sha256
from weakref import WeakValueDictionary

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 32 * 2**20
MOMENT_S = 1.0
AT_ONCE = 4
"""Answers that are worked out side by side: more would take memory, and not be faster."""

_WORTH_PACKING_BYTES = 1024
_Key = tuple[str, bytes]


@dataclass(frozen=True, slots=True)
class _Kept:
    state: object
    headers: dict[str, str]
    plain: bytes
    packed: bytes
    etag: str

    @property
    def size(self) -> int:
        return len(self.plain) + len(self.packed)


class KeptAnswers:
    """Keeps the answers of `/api`; those of the paths `of_other_files` for MOMENT_S.

    `state` returns what the present state of the snapshot is, None where there is none.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        state: Callable[[], object | None],
        of_other_files: Collection[str],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._state = state
        self._of_other_files = of_other_files
        self._now = now
        self._answers: OrderedDict[_Key, _Kept] = OrderedDict()
        self._size = 0
        self._turns: WeakValueDictionary[_Key, asyncio.Lock] = WeakValueDictionary()
        self._places = asyncio.Semaphore(AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (
            scope["type"] != "http"
            or scope["method"] != "GET"
            or not scope["path"].startswith("/api/")
        ):
            await self._app(scope, receive, send)
            return
        key = (scope["path"], scope["query_string"])
        state = self._state_for(key)
        if state is None:
            await self._app(scope, receive, send)
            return
        async with self._turns.setdefault(key, asyncio.Lock()):
            answer = self._find(key, state) or await self._ask(scope, receive, key, state)
        await answer(scope, receive, send)

    def _state_for(self, key: _Key) -> object | None:
        state = self._state()
        if state is None or key[0] not in self._of_other_files:
            return state
        return state, int(self._now() / MOMENT_S)

    def _find(self, key: _Key, state: object) -> ASGIApp | None:
        kept = self._answers.get(key)
        if kept is None or kept.state != state:
            return None
        self._answers.move_to_end(key)
        return _sending(kept)

    async def _ask(self, scope: Scope, receive: Receive, key: _Key, state: object) -> ASGIApp:
        """Let the app answer; keep that where the file is still the same afterwards."""
        messages: list[Message] = []

        async def note(message: Message) -> None:
            messages.append(message)

        async with self._places:
            await self._app(scope, receive, note)
            start, *parts = messages
            if start["status"] != 200:
                return _replaying(messages)
            body = b"".join(part.get("body", b"") for part in parts)
            packed = b""
            if len(body) >= _WORTH_PACKING_BYTES:
                packed = await asyncio.to_thread(gzip.compress, body, 5, mtime=0)
        headers = dict(Headers(raw=start["headers"]))
        headers.pop("content-length", None)
        kept = _Kept(state, headers, body, packed, f'W/"{sha256(body).hexdigest()[:32]}"')
        if self._state_for(key) == state:
            self._keep(key, kept)
        return _sending(kept)

    def _keep(self, key: _Key, kept: _Kept) -> None:
        old = self._answers.pop(key, None)
        self._size += kept.size - (old.size if old else 0)
        self._answers[key] = kept
        while self._size > MOST_BYTES:
            _, gone = self._answers.popitem(last=False)
            self._size -= gone.size


def _sending(kept: _Kept) -> ASGIApp:
    async def send_kept(scope: Scope, receive: Receive, send: Send) -> None:
        asked = Headers(scope=scope)
        headers = kept.headers | {"ETag": kept.etag, "Vary": "Accept-Encoding"}
        if kept.etag in asked.get("if-none-match", ""):
            headers.pop("content-type", None)
            await Response(status_code=304, headers=headers)(scope, receive, send)
            return
        body = kept.plain
        if kept.packed and "gzip" in asked.get("accept-encoding", ""):
            body, headers["Content-Encoding"] = kept.packed, "gzip"
        await Response(body, headers=headers)(scope, receive, send)

    return send_kept


def _replaying(messages: list[Message]) -> ASGIApp:
    async def replay(_scope: Scope, _receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return replay
