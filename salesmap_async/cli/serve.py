"""`serve`: the snapshot in a browser."""

from __future__ import annotations

import os
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from salesmap_async.cli.explain import explaining
from salesmap_async.cli.options import path_options
from salesmap_async.commandline import how_to_install
from salesmap_async.dashboard.variables import DB_PATH, PASSWORD
from salesmap_async.dashboard.web.access import Access, check_host, make_access
from salesmap_async.errors import UsageError
from salesmap_async.settings import Settings


@click.command()
@path_options
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; one that others can reach needs a token or password.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="Port to listen on; 0: any free one.",
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    envvar="SALESMAP_DASHBOARD_CONFIG",
    show_envvar=True,
    help="Configuration; default: dashboard.toml in the working directory, if there is one.",
)
@click.option(
    "--auth-token",
    envvar="SALESMAP_DASHBOARD_TOKEN",
    show_envvar=True,
    help="What visitors must know. Process lists show it here: use the variable or a file.",
)
@click.option(
    "--auth-token-file", type=click.Path(path_type=Path), help="File that holds that token."
)
@click.option(
    "--auth-user",
    envvar="SALESMAP_DASHBOARD_USER",
    show_envvar=True,
    help=f"User name that visitors must give, with the password of {PASSWORD}.",
)
@click.option(
    "--allow-file-origin", is_flag=True, help="Answer a page, too, that was opened as a file."
)
@click.option("--open", "open_browser", is_flag=True, help="Open the page in a browser.")
def serve(
    host: str,
    port: int,
    config_file: Path | None,
    auth_token: str | None,
    auth_token_file: Path | None,
    auth_user: str | None,
    allow_file_origin: bool,
    open_browser: bool,
    **paths: Any,
) -> None:
    """Show the snapshot in a browser, read-only, until Ctrl-C."""
    with explaining():
        if auth_token_file and _source_of("auth_token") is ParameterSource.COMMANDLINE:
            raise UsageError("--auth-token and --auth-token-file are two tokens: give one of them")
        settings = Settings(**_with_db_path_of_environment(paths))
        access = make_access(
            token=_read_secret(auth_token_file) if auth_token_file else auth_token,
            user=auth_user,
            password=os.environ.get(PASSWORD),
            hosts=(host,),
            allow_file_origin=allow_file_origin,
        )
        check_host(host, access)
        announce = _announcer(settings.db_path, open_browser=open_browser)
        _serve(settings, config_file, access, host, port, announce)


def _serve(
    settings: Settings,
    config_file: Path | None,
    access: Access,
    host: str,
    port: int,
    announce: Callable[[str, str | None], None],
) -> None:
    """Serve until Ctrl-C. Raises UsageError where the extra is missing or the port is taken."""
    try:
        from salesmap_async.dashboard.app import create_app
        from salesmap_async.dashboard.environment import read_config
        from salesmap_async.dashboard.server import serve_app
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the dashboard needs the extra [dashboard]: {error.name} is not installed",
            cure=how_to_install("dashboard"),
        ) from None
    app = create_app(settings, config=read_config(config_file), access=access)
    serve_app(app, host, port, announce=announce)
    click.echo("stopped")


def _announcer(db_path: Path, *, open_browser: bool) -> Callable[[str, str | None], None]:
    def announce(url: str, for_others: str | None) -> None:
        others = f" (others: {for_others})" if for_others else ""
        click.echo(f"serving {db_path} on {url}{others}; stop with Ctrl-C")
        if open_browser:
            webbrowser.open(url)

    return announce


def _with_db_path_of_environment(paths: dict[str, Any]) -> dict[str, Any]:
    """Let DB_PATH, which the app under other servers obeys, name the DB where no option does."""
    named = os.environ.get(DB_PATH)
    is_free = _source_of("db_path") is ParameterSource.DEFAULT
    return paths | {"db_path": Path(named)} if named and is_free else paths


def _source_of(option: str) -> ParameterSource | None:
    return click.get_current_context().get_parameter_source(option)


def _read_secret(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"--auth-token-file {path} cannot be read: {why}") from None
    if not text:
        raise UsageError(f"--auth-token-file {path} is empty")
    return text
