"""Who is told of a run: real requests to a real server, and a real command.

No way of telling can change how a run ends, or hold it up for long; none ever holds the token.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from salesmap_async import Settings
from salesmap_async.notify import deliver
from salesmap_async.notify.deliver import HttpSender, run_command
from salesmap_async.notify.notifier import Failure, Notifier
from salesmap_async.sandbox import SANDBOX_TOKEN
from tests.support.cli_process import POSIX, QUICK, ServedSandbox, cli, env_of, no_process_is_left
from tests.support.told import Told

__all__ = ["no_process_is_left"]


@pytest.fixture
def told() -> Iterator[Told]:
    with Told() as server:
        yield server


def urls(told: Told) -> tuple[str, ...]:
    return ("--ping-url", f"{told.url}/ping/abc?x=1", "--webhook-url", f"{told.url}/hook")


def test_a_published_run_pings_start_and_success_and_posts(tmp_path: Path, told: Told) -> None:
    """healthchecks' convention, and a message that Slack takes, with what changed."""
    with ServedSandbox(tmp_path) as server:
        for _ in range(2):
            code, out, err = cli(
                tmp_path, "run", *QUICK, "--quiet", "--json", *urls(told), **env_of(server)
            )
            assert (code, err) == (0, "")
            run_tag = json.loads(out)["run_tag"]
    once = ["/ping/abc/start?x=1", "/ping/abc?x=1", "/hook"]
    assert told.paths == once * 2
    body = json.loads(told.messages[-1][1])
    assert set(body) == {"text"}
    assert f"salesmap_latest.db is published: run {run_tag}" in body["text"]
    assert SANDBOX_TOKEN not in str(told.messages) + str(told.headers)


def test_a_failed_run_tells_with_its_next_command(tmp_path: Path, told: Told) -> None:
    """A token that has expired: monitor, channel and command all hear of it."""
    command = "env | grep ^SALESMAP_ | sort > told.txt"
    with ServedSandbox(tmp_path) as server:
        env = env_of(server) | {"SALESMAP_TOKEN": "expired-token-0001"}
        code, _, err = cli(
            tmp_path, "run", *QUICK, *urls(told), "--on-failure", command, "--metrics-file",
            "m.prom", **env,
        )  # fmt: skip
    assert code == 2
    assert told.paths == ["/ping/abc/start?x=1", "/ping/abc/fail?x=1", "/hook"]
    said = json.loads(told.messages[-1][1])["text"]
    assert "the token is not accepted" in said
    assert said.rstrip() in err.replace("salesmap-async: ", "")
    assert "Next: python -m salesmap_async run " in said
    assert told.url not in said.partition("Next:")[2], "whoever knows the address can write there"
    given = (tmp_path / "told.txt").read_text()
    assert "SALESMAP_EXIT_CODE=2\n" in given
    assert "SALESMAP_REASON=the token is not accepted" in given
    assert "SALESMAP_NEXT=python -m salesmap_async run" in given
    assert "SALESMAP_TOKEN=" not in given
    assert "expired-token-0001" not in given + str(told.messages) + str(told.headers) + err
    assert "salesmap_failed_starts" in (tmp_path / "m.prom").read_text()


def test_a_token_file_that_is_gone_is_told_too(tmp_path: Path, told: Told) -> None:
    """The run cannot even begin; that is when somebody should know."""
    code, _, _ = cli(tmp_path, "run", "--token-file", "gone.txt", *urls(told))
    assert code == 2
    assert told.paths == ["/ping/abc/fail?x=1", "/hook"]


@pytest.mark.parametrize("status", [404, 500])
def test_what_cannot_be_told_is_a_warning_and_nothing_more(tmp_path: Path, status: int) -> None:
    """The exit code is the run's; the address, which may be secret, is not repeated."""
    with Told(status) as deaf, ServedSandbox(tmp_path) as server:
        code, _, err = cli(
            tmp_path, "run", *QUICK, "--quiet", *urls(deaf), "--on-failure", "false",
            **env_of(server),
        )  # fmt: skip
    assert code == 0
    assert f"warning: --webhook-url was not told: the answer was {status}" in err
    assert deaf.url not in err


def test_nobody_there_is_told_in_words() -> None:
    """A port that nobody listens on, a host that is none."""
    sender = HttpSender()
    assert sender.ping("http://127.0.0.1:9/x", "start", "").startswith("it cannot be reached:")
    assert sender.post_text("http://host.invalid/", "x").startswith("it cannot be reached:")


def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the limit, whatever the server does."""
    monkeypatch.setattr(deliver, "HTTP_LIMIT_S", 0.2)
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as silent:
        url = f"http://127.0.0.1:{silent.server_port}/"  # it accepts, and nobody serves
        said = HttpSender().post_text(url, "x")
    assert said == "there was no answer in 0.2 s" or said.startswith("it cannot be reached:")


@POSIX
def test_a_command_that_does_not_end_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what it has started; one that fails is told."""
    monkeypatch.setattr(deliver, "COMMAND_LIMIT_S", 0.3)
    command = f"(sleep 60; echo alive > {tmp_path}/alive) & sleep 60"
    assert run_command(command, {}) == "it was ended after 0.3 s"
    assert run_command("exit 7", {}) == "it ended with exit code 7"
    assert run_command("exit 0", {}) == ""
    assert not (tmp_path / "alive").exists()


def test_the_end_is_never_told_before_the_start(tmp_path: Path, told: Told) -> None:
    """The start is told in the background; a run that ends at once waits for it."""
    settings = Settings(db_path=tmp_path / "x.db", ping_url=f"{told.url}/p")
    for _ in range(5):
        notifier = Notifier(settings, warn=pytest.fail)
        notifier.started()
        notifier.failed(
            Failure(
                db_path=tmp_path, run_tag="", exit_code=1, reason="r", said="s", next_command="n"
            )
        )
    assert told.paths == ["/p/start", "/p/fail"] * 5


@pytest.mark.parametrize("url", ["ftp://example.com/x", "crm.invalid", "http://", "http://a b/"])
def test_an_address_that_is_none_is_refused_and_not_repeated(tmp_path: Path, url: str) -> None:
    """Before anything is touched."""
    code, _, err = cli(tmp_path, "run", "--webhook-url", url)
    assert code == 2
    assert "--webhook-url is not a URL" in err
    assert url not in err.partition("Next:")[0]
