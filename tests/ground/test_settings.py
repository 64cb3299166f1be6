"""Settings: every value that cannot work is one clear line before anything is touched."""

from __future__ import annotations

import dataclasses
import math
import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from salesmap_async.errors import UsageError
from salesmap_async.settings import PATH_FIELDS, Secret, Settings, option_fields, option_flag


def made(name: str, value: Any) -> Settings:
    return Settings(**{name: value})


def test_the_defaults_work() -> None:
    """Without any option the settings are those that the README promises."""
    settings = Settings()
    assert settings.concurrency == 16
    assert settings.min_interval_s == 0.12
    assert (settings.max_retries, settings.backoff_s, settings.max_backoff_s) == (3, 10, 60)
    assert settings.checkpoint_interval == 50
    assert settings.keep_backups == 30
    assert settings.base_url == "https://salesmap.kr/api/v2"
    assert settings.db_path == Path.cwd().resolve() / "salesmap_latest.db"
    assert not settings.resuming


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("keep_backups", -1),
        ("checkpoint_interval", 0),
        ("checkpoint_interval", -5),
        ("concurrency", 0),
        ("concurrency", 1001),
        ("max_retries", -1),
        ("min_interval_s", -0.1),
        ("min_interval_s", math.nan),
        ("quota_share", 0),
        ("quota_share", 1.5),
        ("quota_share", math.nan),
        ("min_interval_s", math.inf),
        ("backoff_s", -1),
        ("max_backoff_s", math.nan),
        ("max_429_wait_s", -1),
        ("request_timeout_s", 0),
        ("request_timeout_s", -1),
        ("concurrency", "16"),
        ("concurrency", True),
    ],
)
def test_a_number_that_cannot_work_is_named(name: str, value: Any) -> None:
    """The message names the option as it is typed."""
    with pytest.raises(UsageError, match=f"^{option_flag(name)} "):
        made(name, value)


@pytest.mark.parametrize(
    ("quota_share", "min_interval_s", "interval_s"),
    [(None, 0.12, 0.12), (None, 0.0, 0.0), (0.5, 0.12, 0.2), (1.0, 0.12, 0.12), (0.5, 0.3, 0.3)],
)
def test_the_longer_of_interval_and_quota_share_is_the_pace(
    quota_share: float | None, min_interval_s: float, interval_s: float
) -> None:
    """Half the quota is 50 requests in 10 s; the default stays what it is."""
    settings = Settings(quota_share=quota_share, min_interval_s=min_interval_s)
    assert settings.interval_s == pytest.approx(interval_s)


@pytest.mark.parametrize(
    ("name", "value"), [("checkpoint_interval", 2.5), ("concurrency", 1.5), ("keep_backups", 0.5)]
)
def test_what_is_counted_must_be_whole(name: str, value: float) -> None:
    """Half a worker cannot work."""
    with pytest.raises(UsageError, match=f"^{option_flag(name)} "):
        made(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("keep_backups", 0),
        ("checkpoint_interval", 1),
        ("concurrency", 1),
        ("concurrency", 64),
        ("max_retries", 0),
        ("min_interval_s", 0),
        ("backoff_s", 0),
    ],
)
def test_the_smallest_values_are_allowed(name: str, value: Any) -> None:
    """0 and 1 mean what they say."""
    assert getattr(made(name, value), name) == value


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://salesmap.kr/api/v2", "http would send the token readable"),
        ("http://127.0.0.1.example.com/api", "http would send the token readable"),
        ("http://localhost.example.com/api", "http would send the token readable"),
        ("https://user:pass@salesmap.kr/api/v2", "must not hold credentials"),
        ("https://token@salesmap.kr/api/v2", "must not hold credentials"),
        ("http://127.0.0.1@salesmap.kr/", "must not hold credentials"),
        ("ftp://salesmap.kr/api", "must start with https://"),
        ("file:///etc/passwd", "not an API root"),
        ("//salesmap.kr/api", "must start with https://"),
        ("salesmap.kr/api/v2", "not an API root"),
        ("", "not an API root"),
        ("https://", "not an API root"),
        ("https://salesmap.kr/api?x=1", "not an API root"),
        ("https://salesmap.kr/api#top", "not an API root"),
        ("https://salesmap.kr:99999/api", "not a URL"),
        ("https://[::1/api", "not a URL"),
    ],
)
def test_a_base_url_that_cannot_be_trusted_is_refused(url: str, said: str) -> None:
    """Only https, or http to this machine, and never with credentials."""
    with pytest.raises(UsageError, match=said):
        Settings(base_url=url)


@pytest.mark.parametrize(
    "url",
    [
        "https://salesmap.kr/api/v2",
        "https://other.example/v2/",
        "http://127.0.0.1:8765/api/v2",
        "http://localhost:8765",
        "http://[::1]:8765/api",
    ],
)
def test_a_good_base_url_loses_its_last_slash(url: str) -> None:
    """Paths are appended to it, so it does not end with a slash."""
    assert Settings(base_url=url).base_url == url.rstrip("/")


@pytest.mark.parametrize(
    "url", ["https://me:canary@salesmap.kr/api", "https://me:canary@host:99999/", "ftp://canary@["]
)
def test_a_credential_in_the_url_is_not_printed(url: str) -> None:
    """The refusal of a URL with a password does not repeat the password, whatever else is wrong."""
    with pytest.raises(UsageError) as caught:
        Settings(base_url=url)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "tag", ["", "a b", "../up", "a/b", "가", "x" * 65, ".", "..", "...", "a\n"]
)
@pytest.mark.parametrize("name", ["run_tag", "resume_run_tag"])
def test_a_run_tag_is_a_plain_file_name(name: str, tag: str) -> None:
    """A tag names files, so it holds nothing that a path could mean otherwise."""
    with pytest.raises(UsageError, match=option_flag(name)):
        made(name, tag)


@pytest.mark.parametrize("tag", ["a", "20260301_120000", "nightly-1.2_x", "x" * 64, ".a"])
def test_a_good_run_tag(tag: str) -> None:
    """Letters, digits, dot, underscore and hyphen are enough."""
    assert Settings(run_tag=tag).run_tag == tag


def test_a_directory_is_no_database(tmp_path: Path) -> None:
    """`--db-path` must be a file, or nothing yet."""
    with pytest.raises(UsageError, match=r"--db-path .* is a directory"):
        Settings(db_path=tmp_path)


@pytest.mark.parametrize("name", ["backup_dir", "log_dir", "checkpoint_dir"])
def test_a_file_is_no_directory(tmp_path: Path, name: str) -> None:
    """The folders must be folders, or nothing yet."""
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(UsageError, match=f"{option_flag(name)} .* is a file"):
        made(name, file)


def test_paths_are_resolved_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path and a link mean the same file after a change of directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "real").mkdir()
    (tmp_path / "link.db").symlink_to(tmp_path / "real" / "snapshot.db")
    settings = Settings(db_path=Path("link.db"), log_dir=Path("logs"))
    assert settings.db_path == (tmp_path / "real" / "snapshot.db").resolve()
    assert settings.log_dir == (tmp_path / "logs").resolve()


def test_a_link_in_a_circle_is_one_clear_line(tmp_path: Path) -> None:
    """A path that cannot be resolved is an error that names the option."""
    circle = tmp_path / "circle.db"
    circle.symlink_to(circle)
    with pytest.raises(UsageError, match="--db-path"):
        Settings(db_path=circle)


@pytest.mark.parametrize(
    "options",
    [
        {"run_tag": "a", "resume": True},
        {"run_tag": "a", "resume_run_tag": "b"},
        {"webform_only": True, "only": ("deal",)},
        {"webform_only": True, "include": ("todo",)},
        {"webform_people": "some"},
    ],
)
def test_options_that_contradict_each_other_are_refused(options: dict[str, Any]) -> None:
    """A combination that means two things at once is not guessed at."""
    with pytest.raises(UsageError):
        Settings(**options)


def test_a_resume_tag_implies_resuming() -> None:
    """`--resume-run-tag` needs no `--resume`."""
    assert Settings(resume_run_tag="a").resuming
    assert Settings(resume=True).resuming


def test_what_may_come_from_the_environment() -> None:
    """Paths and pace have a variable; what decides about one run has none."""
    variables = {name: each.metadata["env"] for name, each in option_fields().items()}
    assert variables["db_path"] == "SALESMAP_DB_PATH"
    assert variables["min_interval_s"] == "SALESMAP_MIN_INTERVAL"
    assert variables["base_url"] == "SALESMAP_API_BASE"
    for name in ("resume", "resume_run_tag", "run_tag", "webform_only", "allow_shrink"):
        assert variables[name] is None
    assert "token" not in variables


def test_a_secret_never_shows_itself() -> None:
    """No way of printing, formatting or listing settings shows the token (I6)."""
    secret = Secret("canary")
    settings = Settings(token=secret)
    shown = [repr(secret), str(secret), f"{secret}", f"{secret!r}", repr(settings), str(settings)]
    shown += [repr(dataclasses.replace(settings, resume=True)), repr(vars(Secret))]
    assert not [text for text in shown if "canary" in text]
    assert secret.reveal() == "canary"


def test_a_secret_is_not_written_by_accident(tmp_path: Path) -> None:
    """Pickling is the one generic way to write a value out; the token does not take it."""
    with pytest.raises(TypeError):
        (tmp_path / "dump").write_bytes(pickle.dumps(Secret("canary"), protocol=0))


def test_settings_take_nothing_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a library, only what is passed counts; the command line reads the variables."""
    monkeypatch.setenv("SALESMAP_DB_PATH", os.fspath(Path("elsewhere.db")))
    assert Settings().db_path.name == "salesmap_latest.db"


@pytest.mark.skipif(os.name == "nt", reason="paths are UTF-16 there")
@pytest.mark.parametrize("name", PATH_FIELDS)
def test_a_path_that_is_not_utf8_is_refused_in_words(tmp_path: Path, name: str) -> None:
    """Bytes of another encoding could stand in no log, DB or command."""
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xb0\xed\xb0\xb4"))
    with pytest.raises(UsageError, match=r"is not UTF-8 text") as caught:
        made(name, path)
    assert "\\udcb0" in str(caught.value)
    str(caught.value).encode()
