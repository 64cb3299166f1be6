"""`serve`: the snapshot in a browser."""

from __future__ import annotations

import os
import secrets
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from salesmap_async.cli.console import say
from salesmap_async.cli.explain import explaining
from salesmap_async.cli.help import command
from salesmap_async.cli.options import path_options
from salesmap_async.commandline import how_to_install
from salesmap_async.dashboard.variables import DB_PATH, PASSWORD
from salesmap_async.dashboard.web.access import Access, check_host, make_access
from salesmap_async.errors import UsageError
from salesmap_async.settings import Settings

_OF_RELAYS = (
    ". Only this machine is answered; a relay on it that says nothing (a plain proxy_pass, ssh -L,"
    " a container's port) looks the same: --with-token then asks for a token"
)


@command()
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
@click.option(
    "--with-token",
    is_flag=True,
    help="Make a token, print the address that carries it, and open that.",
)
@click.option(
    "--open/--no-open",
    "open_browser",
    default=None,
    help="Open the page in a browser; default: with --with-token only.",
)
def serve(
    host: str,
    port: int,
    config_file: Path | None,
    auth_token: str | None,
    auth_token_file: Path | None,
    auth_user: str | None,
    allow_file_origin: bool,
    with_token: bool,
    open_browser: bool | None,
    **paths: Any,
) -> None:
    """Show the snapshot in a browser, read-only."""
    with explaining():
        if auth_token_file and _source_of("auth_token") is ParameterSource.COMMANDLINE:
            raise UsageError("--auth-token and --auth-token-file are two tokens: give one of them")
        if with_token and (auth_token or auth_token_file):
            said = "--with-token makes a token, and there is one already"
            raise UsageError(said, cure="leave one of them out", without=("--with-token",))
        if with_token:
            auth_token = secrets.token_urlsafe(24)
        settings = Settings(**_with_db_path_of_environment(paths))
        access = make_access(
            token=_read_secret(auth_token_file) if auth_token_file else auth_token,
            user=auth_user,
            password=os.environ.get(PASSWORD),
            hosts=(host,),
            allow_file_origin=allow_file_origin,
        )
        check_host(host, access)
        announce = _announcer(
            settings.db_path,
            token=auth_token if with_token else None,
            is_open=not access.needs_proof,
            open_browser=with_token if open_browser is None else open_browser,
        )
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
    say("stopped")


def _announcer(
    db_path: Path, *, token: str | None, is_open: bool, open_browser: bool
) -> Callable[[str, str | None], None]:
    """Return what prints the addresses. `token`: one that they carry; `is_open`: nothing is asked
    of whoever comes from this machine.
    """
    query = f"?token={token}" if token else ""

    def announce(url: str, for_others: str | None) -> None:
        others = f" (others: {for_others}{query})" if for_others else ""
        of_relays = _OF_RELAYS if is_open else ""
        say(f"serving {db_path} on {url}{query}{others}; stop with Ctrl-C{of_relays}")
        if open_browser:
            webbrowser.open(url + query)

    return announce


def _with_db_path_of_environment(paths: dict[str, Any]) -> dict[str, Any]:
    """Let DB_PATH, which the app under other servers obeys, name the DB where no option does."""
    named = os.environ.get(DB_PATH)
    is_free = _source_of("db_path") in (ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP)
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
