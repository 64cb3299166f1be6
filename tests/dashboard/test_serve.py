"""The command `serve` and uvicorn over the app, each as a process that somebody would start."""

from __future__ import annotations

import http.client
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from salesmap_async.sqlite_file import opened
from tests.support.dashboard_db import VECTOR, make_db
from tests.support.dashboard_process import (
    LIMIT_S,
    POSIX,
    address_of,
    get,
    no_process_is_left,
    served,
    start,
    stop,
    wait_for,
    wait_until_answered,
)

__all__ = ["no_process_is_left"]
pytestmark = POSIX
SERVE = ("salesmap_async", "serve")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working directory with a snapshot of the usual name."""
    make_db(tmp_path / "salesmap_latest.db", VECTOR)
    return tmp_path


def test_serve_answers_until_ctrl_c(folder: Path) -> None:
    """Page, API and docs, from the DB in the working directory; then exit code 0."""
    process = start(folder, *SERVE, "--port", "0")
    address = address_of(process)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", address)
    assert get(address, "/api/health") == (200, {"status": "ok"})
    status, found = get(address, "/api/orgs/o1/statepath")
    assert (status, found["item"]["year_states"]["2025"]["total_eok"]) == (200, 2.49001)
    assert [get(address, path)[0] for path in ("/", "/docs", "/openapi.json")] == [200, 200, 200]
    assert stop(process) == (0, "stopped\n")


def test_a_second_ctrl_c_waits_for_no_request(folder: Path) -> None:
    """One that is still being answered is cut short, without a traceback."""
    process = start(folder, *SERVE, "--port", "0")
    address = address_of(process)
    port = int(address.rpartition(":")[2])
    with opened(folder / "salesmap_latest.db", "rw") as writer:
        writer.execute("BEGIN EXCLUSIVE")
        with socket.create_connection(("127.0.0.1", port)) as waiting:
            waiting.sendall(b"GET /api/orgs HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert get(address, "/api/health")[0] == 200
            process.send_signal(signal.SIGINT)
            wait_until_refused(port)
            process.send_signal(signal.SIGINT)
            code, said = wait_for(process)
    assert (code, said) == (0, "stopped\n")


def wait_until_refused(port: int) -> None:
    """Wait until the first Ctrl-C has closed the port."""
    ends_at = time.monotonic() + LIMIT_S
    while time.monotonic() < ends_at:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionError:
            return
        time.sleep(0.02)  # polling a port that another process closes, bounded above
    raise AssertionError("the port stays open")


def test_sigterm_ends_it(folder: Path) -> None:
    """A service manager stops it without a traceback."""
    process = start(folder, *SERVE, "--port", "0")
    address_of(process)
    process.send_signal(signal.SIGTERM)
    code, said = wait_for(process)
    assert (code, said) == (-signal.SIGTERM, "")


@pytest.mark.parametrize(
    ("options", "variables", "name"),
    [
        (("--db-path", "other.db"), {}, "other.db"),
        ((), {"SALESMAP_DB_PATH": "other.db"}, "other.db"),
        ((), {"DB_PATH": "other.db"}, "other.db"),
        (("--db-path", "salesmap_latest.db"), {"DB_PATH": "other.db"}, "salesmap_latest.db"),
    ],
)
def test_the_db_is_named_by_option_or_variable(
    folder: Path, options: tuple[str, ...], variables: dict[str, str], name: str
) -> None:
    """A DB that is not there yet is 503 with the command that makes it, not a failure to start."""
    with served(folder, *options, **variables) as address:
        status, found = get(address, "/api/orgs")
    assert status == (200 if name == "salesmap_latest.db" else 503)
    if status == 503:
        command = f"python -m salesmap_async run --db-path {folder / name}"
        assert found == {"detail": f"Database not found at {folder / name}", "command": command}


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "dashboard.example.com"])
def test_another_host_needs_a_proof(folder: Path, host: str) -> None:
    """Customer data is never offered to a network by accident: exit code 2 and the way out."""
    code, said = wait_for(start(folder, *SERVE, "--host", host, "--port", "0"))
    assert code == 2
    assert host in said
    assert "SALESMAP_DASHBOARD_TOKEN" in said
    assert "Traceback" not in said


def test_another_host_with_a_proof_serves(folder: Path) -> None:
    """With the token of a file before that of the environment; it is never printed.

    What others write is printed beside the address for this machine.
    """
    (folder / "token.txt").write_text("a-secret-of-tests\n")
    options = ("--host", "0.0.0.0", "--auth-token-file", "token.txt")
    process = start(
        folder, *SERVE, "--port", "0", *options, SALESMAP_DASHBOARD_TOKEN="another-token-than-that"
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    here, others = re.findall(r"http://(.+?):(\d+)/", line)
    assert (here[0], others[0] in ("localhost", "0.0.0.0"), others[1]) == (
        "localhost",
        False,
        here[1],
    )
    address = f"http://localhost:{here[1]}"
    assert get(address, "/api/sizes")[0] == 401
    assert get(address, "/api/sizes", Authorization="Bearer a-secret-of-tests")[0] == 200
    code, said = stop(process)
    assert (code, "a-secret-of-tests" in said) == (0, False)


WHO_ENDS_IT = """
import signal
from salesmap_async.dashboard.server import serve_app

async def app(scope, receive, send):
    pass

def announce(_here, _others):
    print(signal.getsignal(signal.SIGINT).__qualname__)
    signal.raise_signal(signal.SIGINT)

serve_app(app, "127.0.0.1", 0, announce=announce)
"""


def test_it_says_that_it_serves_once_a_signal_ends_it() -> None:
    """One that came before the server listens to signals would be lost."""
    command = [sys.executable, "-c", WHO_ENDS_IT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "Server.handle_exit\n"), done.stderr


def test_a_token_is_made_and_opened(folder: Path) -> None:
    """The address that is printed carries it, leads to the page once, and is needed."""
    process = start(folder, *SERVE, "--port", "0", "--with-token", BROWSER="true")
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r"(http://127\.0\.0\.1:\d+)/\?token=([\w-]{16,})", line)
    assert found, line
    assert get(found[1], "/api/sizes")[0] == 401
    assert get(found[1], "/api/sizes", Authorization=f"Bearer {found[2]}")[0] == 200
    code, said = stop(process)
    assert (code, found[2] in said) == (0, False)


def test_without_a_token_it_is_said_what_cannot_be_told(folder: Path) -> None:
    """A relay on this machine that adds nothing looks like this machine."""
    process = start(folder, *SERVE, "--port", "0")
    assert process.stdout is not None
    said = process.stdout.readline()
    assert "relay" in said
    assert "--with-token" in said
    assert stop(process)[0] == 0


def test_user_and_password_come_from_the_environment(folder: Path) -> None:
    """The password has no option: process lists would show it."""
    secret = {"SALESMAP_DASHBOARD_PASSWORD": "pw"}
    with served(folder, "--auth-user", "sales", **secret) as address:
        assert get(address, "/api/sizes")[0] == 401
        assert get(address, "/api/sizes", Authorization="Basic c2FsZXM6cHc=")[0] == 200


def test_a_page_in_a_file_is_answered_only_where_that_is_wanted(folder: Path) -> None:
    """`--allow-file-origin` reaches the app."""
    with served(folder, "--allow-file-origin") as address:
        connection = http.client.HTTPConnection("127.0.0.1", int(address.rpartition(":")[2]))
        connection.request("GET", "/api/sizes", headers={"Origin": "null"})
        allowed = connection.getresponse().getheader("Access-Control-Allow-Origin")
        connection.close()
    assert allowed == "null"


def test_a_port_in_use_is_said(folder: Path) -> None:
    """One sentence and exit code 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, said = wait_for(start(folder, *SERVE, "--port", port))
    assert (code, f"port {port} on 127.0.0.1 is in use" in said) == (2, True)
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--config", "none.toml"), "none.toml cannot be read"),
        (("--config", "bad.toml"), "there is no key basis_year"),
        (("--auth-token-file", "none.txt"), "--auth-token-file none.txt cannot be read"),
        (("--auth-token-file", "empty.txt"), "--auth-token-file empty.txt is empty"),
        (("--auth-token", "a", "--auth-token-file", "token.txt"), "give one of them"),
        (("--auth-token", "비밀"), "ASCII"),
        (("--auth-token", "fifteen-letters"), "can be guessed"),
        (("--with-token", "--auth-token", "sixteen-letters!"), "there is one already"),
        (("--auth-user", "sales"), "SALESMAP_DASHBOARD_PASSWORD is not"),
        (
            ("--host", "no such host", "--auth-token", "sixteen-letters!"),
            "is no address of this machine",
        ),
        (("--db-path", "."), "is a directory"),
        (("--port", "70000"), "--port"),
    ],
)
def test_a_wrong_option_is_one_line(folder: Path, options: tuple[str, ...], words: str) -> None:
    """Exit code 2, what is wrong, and no traceback."""
    (folder / "bad.toml").write_text("basis_year = 2025")
    (folder / "empty.txt").write_text("\n")
    (folder / "token.txt").write_text("a-secret-of-tests\n")
    code, said = wait_for(start(folder, *SERVE, *options))
    assert (code, words in said, "Traceback" in said) == (2, True, False), said


def test_the_configuration_beside_the_db_is_used(folder: Path) -> None:
    """`dashboard.toml` of the working directory needs no option."""
    (folder / "dashboard.toml").write_text("base_year = 2024")
    with served(folder) as address:
        assert get(address, "/api/meta")[1]["base_year"] == 2024


@pytest.mark.parametrize("reload", [(), ("--reload",)])
def test_uvicorn_serves_the_app(folder: Path, reload: tuple[str, ...]) -> None:
    """Its options come from the environment; on any address only this machine is answered."""
    make_db(folder / "other.db", VECTOR)
    process = start(
        folder, "uvicorn", "salesmap_async.dashboard.main:app", "--host", "0.0.0.0", "--port", "0",
        *reload, DB_PATH="other.db",
    )  # fmt: skip
    port = address_of(process).rpartition(":")[2]
    address = f"http://127.0.0.1:{port}"
    wait_until_answered(address)
    status, found = get(address, "/api/meta")
    assert (status, found["snapshot"]["file"]) == (200, str(folder / "other.db"))
    forwarded = {"X-Forwarded-For": "203.0.113.9"}
    assert get(address, "/api/meta", **forwarded)[0] == 403
    assert get(address, "/api/meta", Host="evil.example")[0] == 400
    code, said = stop(process)
    assert (code in (0, 130, -signal.SIGINT), "Traceback" in said) == (True, False), said


@pytest.mark.parametrize(
    ("content", "variables", "words"),
    [
        ("basis_year = 2025", {}, "there is no key basis_year"),
        ("", {"SALESMAP_DASHBOARD_USER": "sales"}, "set both, or a token"),
    ],
)
def test_uvicorn_says_what_is_wrong_with_an_option(
    folder: Path, content: str, variables: dict[str, str], words: str
) -> None:
    """One line with the way out, and no traceback."""
    (folder / "dashboard.toml").write_text(content)
    app = ("uvicorn", "salesmap_async.dashboard.main:app", "--port", "0")
    code, said = wait_for(start(folder, *app, **variables))
    assert (code != 0, words in said, "Traceback" in said) == (True, True, False), said


def test_without_the_extra_the_command_says_what_to_install(folder: Path) -> None:
    """As in an environment where nothing of the extra is installed."""
    blocker = (
        "import sys; sys.argv = ['x', 'serve']\n"
        "for name in ('fastapi', 'starlette', 'pydantic', 'uvicorn', 'nh3'):\n"
        "    sys.modules[name] = None\n"
    )
    (folder / "without_extra.py").write_text(
        blocker + "from salesmap_async.__main__ import main; main()"
    )
    code, said = wait_for(start(folder, "without_extra"))
    assert code == 2
    assert 'pip install "salesmap-async[dashboard]"' in said
    assert "Traceback" not in said
