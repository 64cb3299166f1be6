"""Who may ask. Standard library only, so that a wrong option is told before the extra is needed."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from salesmap_async.dashboard.variables import PASSWORD, USER
from salesmap_async.errors import UsageError
from salesmap_async.settings import Secret

SHORTEST_TOKEN = 16
_MAKE_ONE = 'python -c "import secrets; print(secrets.token_urlsafe(24))" makes one'


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who may ask. Without a token and a password: this machine alone.

    `hosts`: names under which the server may be addressed, besides those of loopback.
    """

    token: Secret | None = None
    user: str | None = None
    password: Secret | None = None
    hosts: tuple[str, ...] = ()
    allow_file_origin: bool = False

    @property
    def needs_proof(self) -> bool:
        """Whether a token or a password is set."""
        return self.token is not None or self.password is not None


def make_access(
    *,
    token: str | None,
    user: str | None,
    password: str | None,
    hosts: tuple[str, ...] = (),
    allow_file_origin: bool = False,
) -> Access:
    """Return who may ask; '' is like None. A user and a password belong together.

    Raises UsageError for what cannot protect, and for what a browser could not send.
    """
    if bool(user) != bool(password):
        lacking, given = (PASSWORD, USER) if user else (USER, PASSWORD)
        raise UsageError(f"{given} is set, but {lacking} is not", cure="set both, or a token")
    if user and ":" in user:
        raise UsageError(f"{USER} must not hold a colon: HTTP Basic ends the name there")
    token = (token or "").strip()
    if not (token.isascii() and token.isprintable()):
        raise UsageError(
            "the token must be ASCII letters, digits and signs: browsers cannot send others",
            cure=_MAKE_ONE,
        )
    if token and len(token) < SHORTEST_TOKEN:
        raise UsageError(
            f"the token has {len(token)} characters; one under {SHORTEST_TOKEN} can be guessed",
            cure=_MAKE_ONE,
        )
    return Access(
        token=Secret(token) if token else None,
        user=user or None,
        password=Secret(password) if password else None,
        hosts=hosts,
        allow_file_origin=allow_file_origin,
    )


def check_host(host: str, access: Access) -> None:
    """Raise UsageError where others could reach `host` without proving who they are."""
    if not is_loopback_host(host) and not access.needs_proof:
        raise UsageError(
            f"--host {host} would show customer data to everybody who can reach it",
            cure=f"set SALESMAP_DASHBOARD_TOKEN, use --auth-token-file, or set {USER} and "
            f"{PASSWORD}",
        )


def is_loopback_host(host: str) -> bool:
    """Tell whether only this machine can reach a server on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
