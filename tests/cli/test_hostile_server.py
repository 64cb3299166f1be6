"""The real command against a hostile server: exit code, words, no token anywhere, the old DB.

What each answer means to the client alone stands in test_client.py; here it meets a whole run that
would replace an existing snapshot.
"""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest

from tests.support.bad_server import BadServer, Reply, Request, Script, answer
from tests.support.broken_answers import BROKEN
from tests.support.canary import CANARY, assert_no_canary, run_cli
from tests.support.runs import table_hashes

WHOAMI = {"success": True, "data": {"user": {"name": "a", "room": {"id": "w", "name": "예시"}}}}
USERS = {"success": True, "data": {"userList": [{"id": "u1", "name": "하나"}], "nextCursor": None}}
BOMB = gzip.compress(b" " * (70 << 20))

HOSTILE: dict[str, tuple[Reply, str]] = BROKEN | {
    "gzip bomb": (
        Reply(data=answer(BOMB, headers="Content-Encoding: gzip\r\n"), close=True),
        "the answer is larger than 64 MiB",
    ),
    "trickle": (Reply(data=answer(b" " * 100_000), drip_s=0.05), "Timeout"),
    "hang": (Reply(hang=True), "Timeout"),
    "list is null": (
        Reply(data=answer({"success": True, "data": {"userList": None}})),
        "userList is not a list",
    ),
    "record is no object": (
        Reply(data=answer({"success": True, "data": {"userList": ["u1"]}})),
        r"userList\[0\] is not an object",
    ),
    "cursor is no text": (
        Reply(data=answer({"success": True, "data": {"userList": [], "nextCursor": 7}})),
        "nextCursor is not a cursor",
    ),
    "NaN": (Reply(data=answer(b'{"success":true,"data":{"userList":[{"n":NaN}]}}')), "valid JSON"),
}
QUICK = ("--only", "user", "--min-interval", "0", "--backoff", "0.01", "--max-retries", "1")


def workspace_with(users: Reply) -> Script:
    """Return a server that knows who asks, and answers the list of users with `users`."""

    def script(request: Request) -> Reply:
        return Reply(data=answer(WHOAMI)) if request.target == "/user/me" else users

    return script


async def published(folder: Path) -> dict[str, str]:
    """Take a good snapshot first; return its content."""
    async with BadServer(workspace_with(Reply(data=answer(USERS)))) as server:
        ended = await run_cli(folder, *QUICK, "--base-url", server.base_url, SALESMAP_TOKEN=CANARY)
    assert ended.code == 0, ended.error
    return table_hashes(folder / "salesmap_latest.db")


def words_for(name: str) -> str:
    """Return what the command must say; the client's tests speak of the list of memos."""
    return HOSTILE[name][1].replace("memoList", "userList")


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_answer_ends_the_run_in_order(tmp_path: Path, name: str) -> None:
    """Exit 1, the table and the cause by name, the way on, no token, the old content."""
    before = await published(tmp_path)
    async with BadServer(workspace_with(HOSTILE[name][0])) as server:
        ended = await run_cli(
            tmp_path,
            *QUICK,
            *("--request-timeout", "0.2", "--base-url", server.base_url),
            SALESMAP_TOKEN=CANARY,
        )
    assert ended.code == 1, ended.error
    assert "Traceback" not in ended.error
    paragraph = ended.error.strip().splitlines()[-1]
    assert "user: " in paragraph
    assert re.search(words_for(name), paragraph), paragraph
    assert "is as it was" in paragraph
    assert "Next: python -m salesmap_async run --resume-run-tag" in paragraph
    assert_no_canary(tmp_path, ended)
    assert table_hashes(tmp_path / "salesmap_latest.db") == before


async def test_a_redirect_takes_the_token_nowhere(tmp_path: Path) -> None:
    """The other host sees no request at all; the run says whither it was sent."""
    before = await published(tmp_path)
    async with BadServer(lambda request: Reply(data=answer(USERS))) as other:
        location = f"Location: {other.base_url}/user\r\n"
        away = Reply(data=answer(b"", status="302 Found", headers=location))
        async with BadServer(workspace_with(away)) as server:
            ended = await run_cli(
                tmp_path, *QUICK, "--base-url", server.base_url, SALESMAP_TOKEN=CANARY
            )
        assert other.requests == []
    assert (ended.code, "redirect to 127.0.0.1" in ended.error) == (1, True)
    assert_no_canary(tmp_path, ended)
    assert table_hashes(tmp_path / "salesmap_latest.db") == before


async def test_a_wrong_charset_is_read_all_the_same(tmp_path: Path) -> None:
    """JSON is UTF-8, whatever the header says."""
    headers = "Content-Type: application/json; charset=nope\r\n"
    users = Reply(data=answer(json.dumps(USERS, ensure_ascii=False).encode(), headers=headers))
    async with BadServer(workspace_with(users)) as server:
        ended = await run_cli(
            tmp_path, *QUICK, "--base-url", server.base_url, SALESMAP_TOKEN=CANARY
        )
    assert ended.code == 0, ended.error


async def test_connections_closed_on_reuse_cost_no_page(tmp_path: Path) -> None:
    """The keep-alive race: a connection that is gone when it is used again is opened anew."""
    seen: set[int] = set()

    def script(request: Request) -> Reply:
        reused = request.connection in seen
        seen.add(request.connection)
        if reused:
            return Reply(abort=True)
        return Reply(data=answer(WHOAMI if request.target == "/user/me" else USERS))

    async with BadServer(script) as server:
        ended = await run_cli(
            tmp_path, *QUICK, "--base-url", server.base_url, SALESMAP_TOKEN=CANARY
        )
    assert ended.code == 0, ended.error
