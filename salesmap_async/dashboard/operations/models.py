"""The shapes of what is said about the snapshot itself."""

from __future__ import annotations

from pydantic import Field

from salesmap_async.dashboard.data.shapes import Shape, TeamLabel


class AboutSnapshot(Shape):
    run_tag: str | None
    captured_at_utc: str | None
    published_at: str
    workspace_id: str | None
    workspace_name: str | None
    rows_total: int
    size_bytes: int
    state: str = Field(description="Another one where the file is another or was changed.")
    age_s: int | None
    stale: bool = Field(description="Older than a day.")
    file: str


class About(Shape):
    base_year: int
    years: list[int]
    default_size: str
    status_won: str
    status_open: str
    crm_url: str | None
    own_side_owner_label: str
    teams: list[TeamLabel]
    snapshot: AboutSnapshot
    warnings: list[str]


class Run(Shape):
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


class Runs(Shape):
    items: list[Run]
    running: bool


class ManifestTable(Shape):
    table: str
    rows: int | None
    columns: int | None
    errors: str | None
    endpoint: str | None
    pages: int | None
    duplicates: int | None
    repaired: int | None


class RowsAfterRun(Shape):
    run_tag: str
    ended_at: str | None
    rows: dict[str, int]


class Tables(Shape):
    items: list[ManifestTable]
    history: list[RowsAfterRun]


class Backup(Shape):
    name: str
    size_bytes: int
    changed_at: str
    run_tag: str | None
    captured_at_utc: str | None
    problem: str | None


class Backups(Shape):
    items: list[Backup]


class CheckedRun(Shape):
    run_tag: str
    status: str


class ChecklistItem(Shape):
    key: str
    label: str
    state: str = Field(description="ok, warning, problem or none.")
    lines: list[str]


class NextStep(Shape):
    why: str
    command: str


class Checklist(Shape):
    run: CheckedRun | None
    items: list[ChecklistItem]
    advice: NextStep
