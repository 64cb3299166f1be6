"""The dashboard's options, from a mapping of environment variables.

Raises UsageError, naming the variable, for a value that cannot work.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from salesmap_async.dashboard.data.config import DashboardConfig
from salesmap_async.dashboard.data.config_file import load_config
from salesmap_async.dashboard.variables import (
    ALLOW_FILE_ORIGIN,
    CONFIG,
    DB_PATH,
    PASSWORD,
    TOKEN,
    USER,
)
from salesmap_async.dashboard.web.access import Access, make_access
from salesmap_async.settings import Settings, usual_value

USUAL_CONFIG = Path("dashboard.toml")


def settings_from(environ: Mapping[str, str]) -> Settings:
    """Return where things lie."""

    def path(field: str, *names: str) -> Path:
        named = (Path(environ[name]) for name in names if environ.get(name))
        return next(named, usual_value(field))

    return Settings(
        db_path=path("db_path", DB_PATH, "SALESMAP_DB_PATH"),
        backup_dir=path("backup_dir", "SALESMAP_BACKUP_DIR"),
        log_dir=path("log_dir", "SALESMAP_LOG_DIR"),
        checkpoint_dir=path("checkpoint_dir", "SALESMAP_CHECKPOINT_DIR"),
    )


def config_from(environ: Mapping[str, str]) -> DashboardConfig:
    """Return the configuration: the named file, else `dashboard.toml` here, else the defaults."""
    named = environ.get(CONFIG)
    return read_config(Path(named) if named else None)


def read_config(named: Path | None) -> DashboardConfig:
    """Return the configuration of the named file, else of `dashboard.toml`, if there is one."""
    if named is not None:
        return load_config(named)
    return load_config(USUAL_CONFIG) if USUAL_CONFIG.exists() else DashboardConfig()


def access_from(environ: Mapping[str, str]) -> Access:
    """Return who may ask."""
    return make_access(
        token=environ.get(TOKEN),
        user=environ.get(USER),
        password=environ.get(PASSWORD),
        allow_file_origin=environ.get(ALLOW_FILE_ORIGIN, "").lower() in ("1", "true", "yes"),
    )
