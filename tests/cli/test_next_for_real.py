"""What a failed run prints after `Next:` is run as printed, and leads on (I10)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli_process import QUICK, ServedSandbox, cli, env_of, no_process_is_left

__all__ = ["no_process_is_left"]

NO_FORMS = ("--skip", "webform,webform_history")


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedSandbox]:
    with ServedSandbox(tmp_path_factory.mktemp("sandbox")) as serving:
        yield serving


def words_after_next(said: str) -> list[str]:
    """Return the arguments of the command that was printed."""
    found = re.search(r"Next: python -m salesmap_async (.*)", said)
    assert found, said
    return shlex.split(found[1])


@pytest.mark.parametrize(
    ("first", "failing", "says"),
    [
        (None, ("--webform-only",), "does not exist"),
        (NO_FORMS, ("--webform-only",), "webform"),
        (None, ("--only", "pepole,webForm,deal"), "Did you mean people for pepole"),
        (None, ("--skip", "memos"), "Did you mean memo for memos"),
        (None, ("--include", "nothing_like_it"), "Name one of these"),
        (None, ("--resume-run-tag", "20200101_000000"), "there is no run"),
    ],
)
def test_the_command_that_is_printed_leads_to_a_snapshot(
    tmp_path: Path,
    server: ServedSandbox,
    first: tuple[str, ...] | None,
    failing: tuple[str, ...],
    says: str,
) -> None:
    """Typed as it stands there, it publishes."""
    if first is not None:
        assert cli(tmp_path, "run", *QUICK, *first, **env_of(server))[0] == 0
    code, _, said = cli(tmp_path, "run", *QUICK, *failing, **env_of(server))
    assert (code, says in said) == (2, True), said
    command = words_after_next(said)
    code, _, said = cli(tmp_path, *command, **env_of(server))
    assert code == 0, (command, said)


def test_after_a_refused_token_the_same_command_works_with_a_good_one(
    tmp_path: Path, server: ServedSandbox
) -> None:
    """The token is not part of the command."""
    expired = env_of(server) | {"SALESMAP_TOKEN": "expired"}
    code, _, said = cli(tmp_path, "run", *QUICK, **expired)
    assert code == 2
    assert cli(tmp_path, *words_after_next(said), **env_of(server))[0] == 0


def test_an_address_without_an_api_is_refused_before_a_run_begins(
    tmp_path: Path, server: ServedSandbox
) -> None:
    """`Next:` does not repeat the address; nothing is left where the DB was to be."""
    wrong = server.base_url.replace("/api/v2", "/v2")
    code, _, said = cli(
        tmp_path, "run", *QUICK, "--db-path", "mistyped/a.db", "--base-url", wrong,
        **env_of(server),
    )  # fmt: skip
    assert (code, "there is no Salesmap API at --base-url" in said) == (2, True), said
    command = words_after_next(said)
    assert "--base-url" not in command
    assert not (tmp_path / "mistyped").exists()
    assert cli(tmp_path, *command, **env_of(server))[0] == 0


def test_a_refused_start_leaves_no_lock_at_a_mistyped_path(
    tmp_path: Path, server: ServedSandbox
) -> None:
    """Folders that were there before stay; a lock file that was there stays too."""
    expired = env_of(server) | {"SALESMAP_TOKEN": "expired"}
    (tmp_path / "mine").mkdir()
    for path in ("mine/new/a.db", "a.db"):
        assert cli(tmp_path, "run", *QUICK, "--db-path", path, **expired)[0] == 2
    assert sorted(each.name for each in tmp_path.iterdir()) == ["logs", "mine"]
    assert not list((tmp_path / "mine").iterdir())
    (tmp_path / "a.db.lock").touch()
    assert cli(tmp_path, "run", *QUICK, "--db-path", "a.db", **expired)[0] == 2
    assert (tmp_path / "a.db.lock").exists()
