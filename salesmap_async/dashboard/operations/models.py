"""The shapes of what is said about the snapshot itself."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from salesmap_async.dashboard.data.shapes import TeamLabel, exact
from salesmap_async.dashboard.data.suggestion import MissingField


@exact
class AboutSnapshot(TypedDict):
    run_tag: str | None
    captured_at_utc: str | None
    published_at: str
    workspace_id: str | None
    workspace_name: str | None
    rows_total: int
    size_bytes: int
    state: Annotated[
        str, Field(description="Another one where the file is another or was changed.")
    ]
    age_s: int | None
    stale: Annotated[bool, Field(description="Older than a day.")]
    file: str


@exact
class AboutData(TypedDict):
    base_year: int
    years: list[int]
    known_years: list[int]
    default_size: str
    status_won: str
    status_open: str
    crm_url: str | None
    own_side_owner_label: str
    teams: list[TeamLabel]
    snapshot: AboutSnapshot
    warnings: list[str]
    missing: list[MissingField]
    missing_toml: Annotated[str, Field(description="Lines to paste into `dashboard.toml`.")]


@exact
class Run(TypedDict):
    run_tag: str
    kind: str
    status: str
    started_at: str | None
    ended_at: str | None
    seconds: float | None
    rows: int | None
    requests: int | None
    refusals: int | None
    error: str | None


@exact
class About(AboutData):
    last_run: Run | None


@exact
class Runs(TypedDict):
    items: list[Run]
    running: bool


@exact
class ManifestTable(TypedDict):
    table: str
    rows: int | None
    columns: int | None
    errors: str | None
    endpoint: str | None
    pages: int | None
    duplicates: int | None
    repaired: int | None


@exact
class RowsAfterRun(TypedDict):
    run_tag: str
    ended_at: str | None
    rows: dict[str, int]


@exact
class Tables(TypedDict):
    items: list[ManifestTable]
    history: list[RowsAfterRun]


@exact
class Backup(TypedDict):
    name: str
    size_bytes: int
    changed_at: str
    run_tag: str | None
    captured_at_utc: str | None
    problem: str | None


@exact
class Backups(TypedDict):
    items: list[Backup]


@exact
class CheckedRun(TypedDict):
    run_tag: str
    status: str


@exact
class ChecklistItem(TypedDict):
    key: str
    label: str
    state: Annotated[str, Field(description="ok, warning, problem or none.")]
    lines: list[str]


@exact
class NextStep(TypedDict):
    why: str
    command: str


@exact
class Checklist(TypedDict):
    run: CheckedRun | None
    items: list[ChecklistItem]
    advice: NextStep
