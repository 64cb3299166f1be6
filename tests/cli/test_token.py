"""I6: the token is in one HTTP header and nowhere else, however a run ends."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from salesmap_async.sandbox import Fault, Sandbox, Workspace
from tests.support.canary import CANARY, FAST, assert_no_canary, run_cli

WORKSPACE = Workspace.generate(records=120, forms=2, wide_fields=2)


async def test_a_run_that_succeeds_keeps_the_token_to_itself(tmp_path: Path) -> None:
    """Twice, so that there are backups too; verbose, so that everything is said."""
    async with Sandbox(WORKSPACE, token=CANARY, quota=False) as sandbox:
        arguments = (*FAST, "-v", "--base-url", sandbox.base_url)
        for _ in range(2):
            ended = await run_cli(tmp_path, *arguments, SALESMAP_TOKEN=CANARY)
            assert ended.code == 0, ended.error
    assert (tmp_path / "salesmap_latest.db").stat().st_size > 0
    assert len(list((tmp_path / "backups").iterdir())) == 1
    assert len(list((tmp_path / "logs").glob("*.log"))) == 2
    assert_no_canary(tmp_path, ended)


FAILURES: dict[str, tuple[int, dict[str, Any]]] = {
    "401 in the run": (1, {"action": "status", "status": 401, "path": "/memo"}),
    "401 at the start": (2, {"action": "status", "status": 401, "path": "/user/me"}),
    "403 at the start": (2, {"action": "status", "status": 403, "path": "/user/me"}),
    "500": (1, {"action": "status", "status": 500, "path": "/memo"}),
    "500 at the start": (1, {"action": "status", "status": 500, "path": "/user/me"}),
    "404": (1, {"action": "status", "status": 404, "shape": "html", "path": "/memo"}),
    "reset": (1, {"action": "reset", "path": "/memo"}),
    "garbage": (1, {"action": "garbage", "path": "/memo"}),
    "html": (1, {"action": "html", "path": "/memo"}),
    "truncate": (1, {"action": "truncate", "path": "/memo"}),
    "redirect": (1, {"action": "redirect", "path": "/memo"}),
    "429 for ever": (1, {"action": "429", "seconds": 600, "flavour": "reason", "path": "/memo"}),
    "echo": (
        1,
        {"action": "status", "status": 400, "reason": "헤더가 이상합니다", "path": "/memo"},
    ),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_a_run_that_fails_keeps_the_token_to_itself(tmp_path: Path, name: str) -> None:
    """Messages, logs, history, checkpoint and work DB of every kind of failure are free of it."""
    code, fault = FAILURES[name]
    faults = [Fault(**fault, times=None)]
    async with Sandbox(WORKSPACE, token=CANARY, quota=False, faults=faults) as sandbox:
        ended = await run_cli(
            tmp_path, *FAST, "-v", "--base-url", sandbox.base_url, SALESMAP_TOKEN=CANARY
        )
    assert ended.code == code, ended.error
    assert "Traceback" not in ended.error
    assert "salesmap-async: " in ended.error
    assert_no_canary(tmp_path, ended)


async def test_a_server_that_repeats_the_token_does_not_spread_it(tmp_path: Path) -> None:
    """An error text in which the server quotes the header reaches no log and no terminal."""
    faults = [
        Fault(action="status", status=400, reason=f"Bearer {CANARY}?", path="/memo", times=None),
        Fault(action="success_false", reason=f"token {CANARY}", path="/deal", times=None),
    ]
    async with Sandbox(WORKSPACE, token=CANARY, quota=False, faults=faults) as sandbox:
        ended = await run_cli(
            tmp_path, *FAST, "-v", "--base-url", sandbox.base_url, SALESMAP_TOKEN=CANARY
        )
    assert ended.code == 1, ended.error
    assert_no_canary(tmp_path, ended)


async def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    """A refused connection is exit 1 and no leak."""
    async with Sandbox(WORKSPACE, token=CANARY) as sandbox:
        gone = sandbox.base_url
    ended = await run_cli(tmp_path, *FAST, "-v", "--base-url", gone, SALESMAP_TOKEN=CANARY)
    assert ended.code == 1, ended.error
    assert "cannot be reached" in ended.error
    assert_no_canary(tmp_path, ended)


async def test_a_base_url_with_the_token_in_it_is_refused_unprinted(tmp_path: Path) -> None:
    """Credentials in the URL are exit 2, and the message does not repeat them."""
    ended = await run_cli(tmp_path, "--base-url", f"https://me:{CANARY}@salesmap.kr/api")
    assert ended.code == 2, ended.error
    assert_no_canary(tmp_path, ended)
    assert list(tmp_path.iterdir()) == []


# The token file


@pytest.mark.parametrize(
    "content",
    [
        CANARY.encode() + b"\n",
        b"  " + CANARY.encode() + b"\r\n\r\n",
        b"\xef\xbb\xbf" + CANARY.encode() + b"\n",
        (CANARY + "\r\n").encode("utf-16"),
        b"\xfe\xff" + CANARY.encode("utf-16-be"),
    ],
    ids=["newline", "CRLF and spaces", "BOM", "PowerShell", "UTF-16, big end first"],
)
async def test_a_token_file_as_editors_write_it_works(tmp_path: Path, content: bytes) -> None:
    """A line end, spaces and Notepad's byte order mark are not part of the token."""
    file = tmp_path / "my token.txt"
    file.write_bytes(content)
    async with Sandbox(WORKSPACE, token=CANARY, quota=False) as sandbox:
        ended = await run_cli(
            tmp_path,
            *(*FAST, "--only", "user", "--base-url", sandbox.base_url),
            *("--token-file", str(file)),
        )
    assert ended.code == 0, ended.error
    assert_no_canary(tmp_path, ended, besides=(file,))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the token is empty"),
        (b" \n", "the token is empty"),
        ("토큰토큰\n".encode(), "character that no token has"),
        (CANARY.encode() + b" and more\n", "character that no token has"),
        (CANARY.encode() + b"\nsecond line\n", "character that no token has"),
        (CANARY.encode() + b"\xb0\xed", "is not UTF-8 text"),
        (f'"{CANARY}"'.encode(), "quotes around it"),
        (f"'{CANARY}'\n".encode(), "quotes around it"),
        (f"SALESMAP_TOKEN={CANARY}\n".encode(), "`SALESMAP_TOKEN=` before it"),
        (None, "cannot be read"),
    ],
    ids=[
        *("empty", "blank", "Korean", "words", "two lines", "CP949"),
        *("double quotes", "quotes", "a name before it", "missing"),
    ],
)
async def test_a_token_file_that_cannot_be_used_is_exit_2(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    """One clear line, nothing sent, nothing published, and not a letter of the token shown."""
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    async with Sandbox(WORKSPACE, token=CANARY, quota=False) as sandbox:
        ended = await run_cli(
            tmp_path, *FAST, "--base-url", sandbox.base_url, "--token-file", str(file)
        )
        assert sandbox.arrivals == []
    assert ended.code == 2, ended.error
    assert said in ended.error
    assert "Traceback" not in ended.error
    assert_no_canary(tmp_path, ended, besides=(file,))
    assert not (tmp_path / "salesmap_latest.db").exists()


@pytest.mark.parametrize("value", [None, "", "   "])
async def test_no_token_at_all_is_exit_2(tmp_path: Path, value: str | None) -> None:
    """The message names the variable, the option and the sandbox."""
    variables = {} if value is None else {"SALESMAP_TOKEN": value}
    ended = await run_cli(tmp_path, "--base-url", "http://127.0.0.1:9", **variables)
    assert ended.code == 2, ended.error
    for hint in ("there is no token", "SALESMAP_TOKEN", "--token-file", "--sandbox"):
        assert hint in ended.error


async def test_without_a_token_nothing_is_made_at_any_path(tmp_path: Path) -> None:
    """A path that was mistyped leaves no folder, no lock file and no history."""
    places = (
        "--db-path",
        "typo/x.db",
        "--log-dir",
        "l",
        "--checkpoint-dir",
        "c",
        "--backup-dir",
        "b",
    )
    ended = await run_cli(tmp_path, *places, "--base-url", "http://127.0.0.1:9")
    assert ended.code == 2, ended.error
    assert list(tmp_path.iterdir()) == []


async def test_there_is_no_option_that_takes_the_token_itself(tmp_path: Path) -> None:
    """`--token VALUE` would stand in the process list."""
    ended = await run_cli(tmp_path, "--token", CANARY)
    assert ended.code == 2
    assert_no_canary(tmp_path, ended)


@pytest.mark.skipif(os.name != "posix", reason="needs modes")
@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o640, True), (0o604, True)])
async def test_a_token_file_that_others_can_read_is_warned_about(
    tmp_path: Path, mode: int, warned: bool
) -> None:
    """The run goes on; the warning says what to type."""
    file = tmp_path / "token.txt"
    file.write_text(CANARY)
    file.chmod(mode)
    async with Sandbox(WORKSPACE, token=CANARY, quota=False) as sandbox:
        ended = await run_cli(
            tmp_path,
            *(*FAST, "--only", "user", "--base-url", sandbox.base_url),
            *("--token-file", str(file)),
        )
    assert ended.code == 0, ended.error
    assert ("other accounts can read" in ended.error) is warned


async def test_a_redirect_to_a_host_with_the_token_in_it_does_not_show_it(tmp_path: Path) -> None:
    """A host is shown in lower case: the token is not, in any case of letters."""
    location = f"https://{CANARY.upper()}.example.com/"
    fault = Fault(action="redirect", url=location, path="/user", times=None)
    async with Sandbox(WORKSPACE, token=CANARY, quota=False, faults=[fault]) as sandbox:
        ended = await run_cli(
            tmp_path,
            *(*FAST, "--max-retries", "0", "--base-url", sandbox.base_url),
            SALESMAP_TOKEN=CANARY,
        )
    assert ended.code == 1, ended.error
    assert CANARY.lower() not in ended.error.lower()


@pytest.mark.parametrize(
    ("role", "warned"),
    [(None, False), ("어드민", False), ("멤버", True), ({"name": "멤버"}, True)],
)
async def test_the_role_of_the_token_s_user_is_recorded(
    tmp_path: Path, role: object, warned: bool
) -> None:
    """One that is told and is no administrator's may see less: a warning, once."""
    workspace = Workspace.generate(records=60, forms=1)
    workspace.table("user")[0]["role"] = role
    async with Sandbox(workspace, token=CANARY, quota=False) as sandbox:
        ended = await run_cli(
            tmp_path, *FAST, "--base-url", sandbox.base_url, SALESMAP_TOKEN=CANARY
        )
    assert ended.code == 0, ended.error
    assert ended.out.decode().count("lists may be narrower") == warned
    with closing(sqlite3.connect(tmp_path / "salesmap_latest.db")) as connection:
        [recorded] = connection.execute("SELECT role FROM run_info").fetchone()
    assert recorded == (role["name"] if isinstance(role, dict) else role)
