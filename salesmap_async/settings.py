"""What a run is asked to do: one frozen, validated value.

Every option is written down here once, with its default, its help text and whether it may come
from the environment; the command line is generated from these fields. Seconds end in `_s`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from salesmap_async.errors import UsageError
from salesmap_async.paths import RunPaths

DEFAULT_BASE_URL = "https://salesmap.kr/api/v2"
QUOTA_INTERVAL_S = 0.1
"""Seconds between requests that would use up the quota: 100 in 10 s, for the whole workspace."""
WebformPeople = Literal["deals", "all"]

PATH_FIELDS = ("db_path", "backup_dir", "log_dir", "checkpoint_dir")
"""The fields that say where things lie; every command takes them as options."""

PARTIAL_FIELDS = ("webform_only", "only", "skip")
"""The fields that make a run one of some tables."""

_LONGEST_S = 24 * 3600.0
_LEAST_SHARE = 0.001
_LONGEST_NAME_BYTES = 150
"""Of the final DB's file name: names made from it hold a run tag (64) and an ending too."""

_HOST = re.compile(r"[A-Za-z0-9.-]+|[0-9A-Fa-f:.]+")
_RUN_TAG = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


class Secret:
    """A text that never shows itself: not in a repr, a log line or a traceback (I6)."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text; only the HTTP header may ask for it."""
        return self._text

    def __repr__(self) -> str:
        return "Secret('***')"


def _option(default: Any, meaning: str, *, env: str | None = None) -> Any:
    """A field that is a command-line option; `env` names the variable that may give it."""
    return field(default=default, metadata={"help": meaning, "env": env})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One run's options. Raises UsageError, naming the option, for a value that cannot work."""

    token: Secret | None = None

    db_path: Path = _option(
        Path("salesmap_latest.db"), "The final DB that readers query.", env="SALESMAP_DB_PATH"
    )
    base_url: str = _option(
        DEFAULT_BASE_URL, "API root: https, or http to loopback only.", env="SALESMAP_API_BASE"
    )
    ca_file: Path | None = _option(
        None,
        "Root certificates to trust besides the system's, for company proxies (PEM).",
        env="SALESMAP_CA_FILE",
    )
    proxy: str | None = _option(
        None,
        "HTTP proxy, like http://proxy.example.com:8080, without a user name; HTTP_PROXY and the "
        "like are not read.",
        env="SALESMAP_PROXY",
    )
    backup_dir: Path = _option(
        Path("backups"), "Where the replaced DB is kept.", env="SALESMAP_BACKUP_DIR"
    )
    keep_backups: int = _option(
        30,
        "How many backups to keep; 0 keeps the one just made until the swap has succeeded.",
        env="SALESMAP_KEEP_BACKUPS",
    )
    no_backup: bool = _option(False, "Replace the final DB without a backup.")
    no_timeline: bool = _option(
        False, "Keep no record of what changed in <DB>_timeline.db.", env="SALESMAP_NO_TIMELINE"
    )
    log_dir: Path = _option(Path("logs"), "Logs, run history, manifests.", env="SALESMAP_LOG_DIR")
    checkpoint_dir: Path = _option(
        Path("logs/checkpoints"), "Unpublished data of runs.", env="SALESMAP_CHECKPOINT_DIR"
    )
    checkpoint_interval: int = _option(
        50, "Records between two commits.", env="SALESMAP_CHECKPOINT_INTERVAL"
    )
    run_tag: str | None = _option(
        None,
        "Name of this run; default: UTC YYYYMMDD_HHMMSS. A tag once used stays taken, even after "
        "`prune`: exit code 2.",
    )
    resume: bool = _option(
        False, "Go on with the newest unfinished run of this DB; none: start a new one."
    )
    resume_run_tag: str | None = _option(None, "Go on with that run.")
    max_resume_age_h: float = _option(
        24.0,
        "Hours after which a run is not resumed any more: a new one has fresher data.",
        env="SALESMAP_MAX_RESUME_AGE",
    )
    webform_only: bool = _option(False, "Renew only webform_history of the existing final DB.")
    webform_people: WebformPeople = _option(
        "deals", "Whose submissions are kept: people on deals, or all known people."
    )
    concurrency: int = _option(16, "Requests in flight at most.", env="SALESMAP_CONCURRENCY")
    min_interval_s: float = _option(
        0.12, "Seconds between request starts; 0: no limiter.", env="SALESMAP_MIN_INTERVAL"
    )
    quota_share: float | None = _option(
        None,
        "Share of the workspace's quota to use, e.g. 0.5 while people work with the CRM; the "
        "longer of this and --min-interval is the pace.",
        env="SALESMAP_QUOTA_SHARE",
    )
    no_split: bool = _option(False, "Read memos as one list, not in ranges of dates.")
    max_retries: int = _option(
        3, "Retries after the first try of a page.", env="SALESMAP_MAX_RETRIES"
    )
    backoff_s: float = _option(
        10.0, "Seconds to wait before a retry, times the attempt.", env="SALESMAP_BACKOFF"
    )
    max_backoff_s: float = _option(
        60.0, "Longest such wait, in seconds.", env="SALESMAP_MAX_BACKOFF"
    )
    max_429_wait_s: float = _option(
        600.0,
        "Seconds of refusal (429) in a row before the run ends, resumable.",
        env="SALESMAP_MAX_429_WAIT",
    )
    request_timeout_s: float = _option(
        60.0,
        "Seconds without progress on one request; ten times that for a whole answer.",
        env="SALESMAP_REQUEST_TIMEOUT",
    )
    max_answer_mib: int = _option(
        64, "Largest answer that is taken, in MiB.", env="SALESMAP_MAX_ANSWER_MIB"
    )
    sql_after: Path | None = _option(
        None,
        "SQL to run on the new snapshot before the gate: views, indexes, full-text search.",
        env="SALESMAP_SQL_AFTER",
    )
    keep_logs: int = _option(
        90,
        "Of how many of the newest runs to keep logs, manifests, checkpoint folders and history "
        "lines; 0: all.",
        env="SALESMAP_KEEP_LOGS",
    )
    ping_url: str | None = _option(
        None,
        "Monitor to ping, as healthchecks does: URL/start, then URL or URL/fail.",
        env="SALESMAP_PING_URL",
    )
    webhook_url: str | None = _option(
        None,
        "Where to post a JSON message at the end, as Slack takes it.",
        env="SALESMAP_WEBHOOK_URL",
    )
    on_failure: str | None = _option(
        None,
        "Command for the shell after a run that was not published; it finds SALESMAP_RUN_TAG, "
        "_EXIT_CODE, _REASON and _NEXT in its environment.",
        env="SALESMAP_ON_FAILURE",
    )
    metrics_file: Path | None = _option(
        None,
        "Write the state of the snapshot there, as Prometheus reads text files.",
        env="SALESMAP_METRICS_FILE",
    )
    only: tuple[str, ...] = _option(
        (),
        "Read only these tables, not all core ones; repeated or with commas, like --skip and "
        "--include.",
    )
    skip: tuple[str, ...] = _option((), "Do not read these tables.")
    include: tuple[str, ...] = _option(
        (),
        "Read these optional tables too; `all`: all but those that cost a request for each record.",
    )
    continue_logs: bool = _option(
        False,
        "Read histories and activities on from a day before the last run, not in full; one of them "
        "in full each week.",
        env="SALESMAP_CONTINUE_LOGS",
    )
    confirm_missing: int = _option(
        20,
        "Missing records of a table to ask for by id before they count as gone; 0: none.",
        env="SALESMAP_CONFIRM_MISSING",
    )
    allow_shrink: bool = _option(False, "Let the gate pass shrunken tables.")
    replace_damaged: bool = _option(
        False, "Publish over a damaged final DB; its bytes are kept in --backup-dir."
    )

    def __post_init__(self) -> None:
        for name in PATH_FIELDS:
            # Resolved once, so that a resume from another directory means the same files.
            object.__setattr__(self, name, resolved_path(name, getattr(self, name)))
        object.__setattr__(self, "base_url", self.base_url.rstrip("/"))
        _check_base_url(self.base_url)
        for name in ("ca_file", "sql_after", "metrics_file"):
            if (path := getattr(self, name)) is not None:
                object.__setattr__(self, name, resolved_path(name, path))
        for name in ("ping_url", "webhook_url"):
            _check_told_url(name, getattr(self, name))
        if self.proxy is not None:
            _check_proxy(self.proxy)
        _check_directories(self)
        for name, lowest, highest in (
            ("keep_backups", 0, None),
            ("keep_logs", 0, None),
            ("checkpoint_interval", 1, None),
            ("concurrency", 1, 1000),
            ("max_retries", 0, None),
            ("max_answer_mib", 1, None),
            ("confirm_missing", 0, None),
            ("max_resume_age_h", 0, 24 * 366),
            ("min_interval_s", 0, _LONGEST_S),
            ("backoff_s", 0, _LONGEST_S),
            ("max_backoff_s", 0, _LONGEST_S),
            ("max_429_wait_s", 0, _LONGEST_S),
        ):
            _check_number(name, getattr(self, name), lowest, highest)
        for name in (
            "keep_backups",
            "keep_logs",
            "checkpoint_interval",
            "concurrency",
            "max_retries",
            "max_answer_mib",
            "confirm_missing",
        ):
            if not isinstance(getattr(self, name), int):
                raise UsageError(f"{option_flag(name)} must be a whole number")
        if self.quota_share is not None:
            _check_number("quota_share", self.quota_share, _LEAST_SHARE, 1)
        _check_number("request_timeout_s", self.request_timeout_s, 0, _LONGEST_S)
        if self.request_timeout_s == 0:
            raise UsageError("--request-timeout must be more than 0")
        if self.webform_people not in get_args(WebformPeople):
            raise UsageError(f"--webform-people is 'deals' or 'all', not {self.webform_people!r}")
        for name in ("run_tag", "resume_run_tag"):
            _check_run_tag(name, getattr(self, name))
        _check_combinations(self)

    @property
    def interval_s(self) -> float:
        """Seconds between request starts: the longer of `min_interval_s` and the quota's share."""
        if self.quota_share is None:
            return self.min_interval_s
        return max(self.min_interval_s, QUOTA_INTERVAL_S / self.quota_share)

    @property
    def resuming(self) -> bool:
        """Whether an earlier run is to be continued (`--resume-run-tag` implies `--resume`)."""
        return self.resume or self.resume_run_tag is not None

    def paths(self, run_tag: str) -> RunPaths:
        """Return where the files of run `run_tag` lie."""
        return RunPaths(
            run_tag=run_tag,
            final_db=self.db_path,
            log_dir=self.log_dir,
            backup_dir=self.backup_dir,
            checkpoint_dir=self.checkpoint_dir,
        )


def option_flag(field_name: str) -> str:
    """Return the command-line flag of a Settings field: `min_interval_s` -> `--min-interval`."""
    return "--" + field_name.removesuffix("_s").removesuffix("_h").replace("_", "-")


def option_fields() -> dict[str, Any]:
    """Return the fields of Settings that are command-line options, by name."""
    return {each.name: each for each in fields(Settings) if "help" in each.metadata}


def usual_value(field_name: str) -> Any:
    """Return a field's default as Settings hold it (paths resolved), whatever lies there."""
    default: Any = Settings.__dataclass_fields__[field_name].default
    return resolved_path(field_name, default) if field_name in PATH_FIELDS else default


def resolved_path(name: str, path: Path) -> Path:
    """Return the absolute path. Raises UsageError for one that is not text in UTF-8.

    Such a name comes from bytes of another encoding; it could stand in no log, DB or command.
    """
    flag = option_flag(name)
    try:
        resolved = Path(path).expanduser().resolve()
        str(resolved).encode()
    except UnicodeEncodeError:
        shown = str(resolved).encode("utf-8", "backslashreplace").decode()
        raise UsageError(
            f"{flag}: the path {shown} is not UTF-8 text",
            cure="rename that folder or file, or name another place",
        ) from None
    except (OSError, RuntimeError, ValueError) as error:
        raise UsageError(f"{flag}: {path} cannot be resolved: {error}") from None
    return resolved


def _check_base_url(url: str) -> None:
    if "@" in url:  # looked for first: no later message may repeat a password
        raise UsageError("--base-url must not hold credentials; the token has its own variable")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"--base-url {url!r} is not a URL: {error}") from None
    odd = not url.isprintable() or " " in url or (host and not _HOST.fullmatch(host))
    if odd or not host or parts.query or parts.fragment:
        raise UsageError(f"--base-url {url!r} is not an API root like {DEFAULT_BASE_URL}")
    if parts.scheme == "http" and host not in _LOOPBACK_HOSTS:
        raise UsageError(f"--base-url {url!r}: http would send the token readable; use https")
    if parts.scheme not in ("http", "https"):
        raise UsageError(f"--base-url {url!r} must start with https://")


def _check_proxy(url: str) -> None:
    if "@" in url:
        raise UsageError("--proxy must not hold credentials: commands and logs would show them")
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname or not _HOST.fullmatch(parts.hostname):
        raise UsageError(f"--proxy {url!r} is not like http://proxy.example.com:8080")


def _check_told_url(name: str, url: str | None) -> None:
    """Raise UsageError for an address that nothing can be sent to; it may be secret, so is not
    repeated.
    """
    if url is None:
        return
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or not url.isprintable() or " " in url:
        raise UsageError(f"{option_flag(name)} is not a URL like https://example.com/ping")


def _check_directories(settings: Settings) -> None:
    for name in PATH_FIELDS:
        path: Path = getattr(settings, name)
        try:
            is_there, is_directory = path.exists(), path.is_dir()
        except OSError as error:
            raise UsageError(
                f"{option_flag(name)} {path} cannot be looked at: {error.strerror}"
            ) from None
        if name == "db_path" and is_directory:
            raise UsageError(f"--db-path {path} is a directory; name a file")
        if name == "db_path" and len(path.name.encode()) > _LONGEST_NAME_BYTES:
            raise UsageError(f"--db-path: the file name is longer than {_LONGEST_NAME_BYTES} bytes")
        if name != "db_path" and is_there and not is_directory:
            raise UsageError(f"{option_flag(name)} {path} is a file; name a directory")


def _check_number(name: str, value: float, lowest: float, highest: float | None) -> None:
    flag = option_flag(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UsageError(f"{flag} must be a number, not {value!r}")
    if value < lowest:
        raise UsageError(f"{flag} must be {lowest} or more, not {value}")
    if highest is not None and value > highest:
        raise UsageError(f"{flag} must be {highest} or less, not {value}")


def _check_run_tag(name: str, tag: str | None) -> None:
    if tag is None:
        return
    if not _RUN_TAG.fullmatch(tag) or set(tag) == {"."}:
        raise UsageError(
            f"{option_flag(name)} {tag!r}: use 1 to 64 of the characters A-Z a-z 0-9 . _ -"
        )


def _check_combinations(settings: Settings) -> None:
    if settings.resuming and settings.run_tag is not None:
        raise UsageError("--run-tag names a new run; to continue one use --resume-run-tag alone")
    if settings.webform_only and (settings.only or settings.skip or settings.include):
        raise UsageError("--webform-only reads web forms alone; leave out --only/--skip/--include")
