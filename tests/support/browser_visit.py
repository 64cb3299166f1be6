"""The dashboard in a real Chromium: the product's own server, and a visitor who notes complaints.

A visit fails where the browser complained (console error, policy violation, dialog) or asked
another machine.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import salesmap_async
from salesmap_async import Secret, Settings, take_snapshot
from salesmap_async.sandbox import SANDBOX_TOKEN, Sandbox, Workspace

if TYPE_CHECKING:
    from playwright.async_api import Browser, ConsoleMessage, Dialog, Locator, Page, Request

STATIC = Path(salesmap_async.__file__).parent / "dashboard" / "static"
PAGE_FILE = STATIC / "org_tables_v2.html"
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
SCREENS = ("org-view", "pipeline", "snapshot-ops", "edu1-dealcheck", "changes", "deals")
DESKTOP_PX = (1280, 900)
PHONE_PX = (380, 800)
WAIT_MS = 15_000
SERVE = ("-m", "salesmap_async", "serve", "--port", "0")
BASE_YEAR = 2025
_TRAPS = """
document.addEventListener("securitypolicyviolation", (event) => {
  console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI}`);
});
"""


class Served:
    """`python -m salesmap_async serve` over one DB, on a free port of loopback.

    `variables` are set in its environment.
    """

    def __init__(
        self, db: Path, *arguments: str, variables: Mapping[str, str] | None = None
    ) -> None:
        self.db = db
        self._process = subprocess.Popen(
            [sys.executable, *SERVE, *_paths(db), *arguments],
            cwd=db.parent,
            env={"PYTHONIOENCODING": "utf-8", **_kept_variables(), **(variables or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        assert self._process.stdout is not None
        greeting = self._process.stdout.readline()
        assert " on http" in greeting, f"the server did not start: {greeting!r}"
        self.url = greeting.partition(" on ")[2].partition(";")[0].strip().rstrip("/")

    def __enter__(self) -> Served:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGINT if os.name != "nt" else signal.SIGTERM)
        _, said = self._process.communicate(timeout=30)
        assert "Traceback" not in said, said


def _kept_variables() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}


def _paths(db: Path) -> list[str]:
    folder = db.parent
    return [
        *("--db-path", str(db)),
        *("--backup-dir", str(folder / "backups")),
        *("--log-dir", str(folder / "logs")),
        *("--checkpoint-dir", str(folder / "logs" / "checkpoints")),
    ]


class Visit:
    """One visitor of one server: a page, what it asked for, what the browser complained about."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        self.asked: list[str] = []
        page.on("console", self._note_console)
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        page.on("dialog", self._note_dialog)
        page.on("request", self._note_request)

    async def open(self, address: str = "#org-view") -> None:
        """Go to a hash of the page, in a fresh load, and wait until the screen is there."""
        await self.page.goto("about:blank")
        await self.page.goto(f"{self.url}/{address}")
        await self.page.locator("main:not([aria-busy]) h1").wait_for()

    async def settled(self) -> None:
        """Wait until no panel is loading any more."""
        await self.page.wait_for_function(
            "() => document.querySelector('main h1') && !document.querySelector('[aria-busy]')"
        )

    async def choose_organization(self, organization_id: str) -> None:
        """Choose it in the select, as a person does."""
        option = self.page.locator(f"#org-select option[value='{organization_id}']")
        await option.wait_for(state="attached")
        await self.page.select_option("#org-select", organization_id)
        await self.panel("won-panel").locator("tbody tr").first.wait_for()
        await self.settled()

    def panel(self, name: str) -> Locator:
        return self.page.locator(f"#{name}")

    def rows(self, name: str) -> Locator:
        return self.panel(name).locator("tbody tr")

    @property
    def dialog(self) -> Locator:
        return self.page.locator("dialog[open]")

    async def json(self, path: str) -> Any:
        """Ask the API itself, beside the page."""
        answer = await self.page.request.get(f"{self.url}/api{path}")
        assert answer.ok, f"{path}: {answer.status}"
        return await answer.json()

    async def overflow_px(self) -> int:
        """Return by how much the page is wider than the window."""
        script = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        return int(await self.page.evaluate(script))

    async def focus_window(self) -> None:
        """Come back to the page, as after a look at another window."""
        await self.page.evaluate("window.dispatchEvent(new Event('focus'))")

    def strangers(self) -> list[str]:
        """Return the addresses asked for that are not of this machine."""
        return [url for url in self.asked if not _is_near(url)]

    def assert_clean(self) -> None:
        """Fail where the browser complained, or asked another machine."""
        assert not self.complaints, self.complaints
        assert not self.strangers(), self.strangers()

    def expect_complaint(self, part: str) -> None:
        """Take out complaints that the test provoked; there must be one."""
        kept = [complaint for complaint in self.complaints if part not in complaint]
        assert len(kept) < len(self.complaints), f"no complaint about {part}"
        self.complaints = kept

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"console: {message.text}")

    async def _note_dialog(self, dialog: Dialog) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        await dialog.dismiss()

    def _note_request(self, request: Request) -> None:
        self.asked.append(request.url)


def _is_near(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("about", "data", "blob", "file") or parts.hostname in LOOPBACK


def eok(krw: float) -> str:
    """Return an amount as the page writes it: 억, two decimals, half away from zero."""
    rounded = (Decimal(krw) / 10**8).quantize(Decimal("0.01"), ROUND_HALF_UP)
    return f"{rounded:,}억"


def won_organization(organizations: list[dict[str, Any]]) -> str:
    """Return the id of the organization that bought most: the list's first."""
    return str(organizations[0]["id"])


async def take_into(folder: Path, workspace: Workspace, tag: str) -> Path:
    """Take a snapshot of an invented workspace into `folder`; return the DB."""
    async with Sandbox(workspace, quota=False) as sandbox:
        settings = Settings(
            token=Secret(SANDBOX_TOKEN),
            base_url=sandbox.base_url,
            db_path=folder / "salesmap_latest.db",
            backup_dir=folder / "backups",
            log_dir=folder / "logs",
            checkpoint_dir=folder / "logs" / "checkpoints",
            min_interval_s=0,
            run_tag=tag,
        )
        await take_snapshot(settings)
    return settings.db_path


@contextmanager
def copied(db: Path, folder: Path) -> Iterator[Path]:
    """Give a copy of a DB in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / db.name
    shutil.copyfile(db, copy)
    yield copy


class Visitors:
    """Opens visits, each in a fresh browser profile, and closes them."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self.visits: list[Visit] = []

    async def come(self, url: str, *, size_px: tuple[int, int] = DESKTOP_PX, **more: Any) -> Visit:
        """Return a visit of the server at `url`; `more`: options of the browser's profile."""
        context = await self._browser.new_context(
            viewport={"width": size_px[0], "height": size_px[1]}, **more
        )
        context.set_default_timeout(WAIT_MS)
        await context.add_init_script(_TRAPS)
        visit = Visit(await context.new_page(), url)
        self.visits.append(visit)
        return visit

    async def leave(self) -> None:
        for visit in self.visits:
            await visit.page.context.close()
