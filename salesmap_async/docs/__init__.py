"""The manual: pages in Markdown and schemas of the JSON, shipped with the package."""

from __future__ import annotations

from importlib import resources

PAGES: dict[str, str] = {
    "runbook": "runbook.ko.md",
    "dashboard": "dashboard.md",
    "reference": "reference.md",
    "unattended": "unattended.md",
    "data": "data.md",
    "changes": "changes.md",
    "export": "export.md",
    "agents": "agents.md",
    "fleet": "fleet.md",
    "internals": "internals.md",
    "performance": "performance.md",
}
"""Name of a page -> its file. The runbook is in Korean."""


SCHEMAS = (
    "run", "status", "doctor", "restore", "prune", "runs", "timeline-log", "fleet-status",
    "fleet-run",
)  # fmt: skip
"""Commands whose --json has a JSON Schema, by the name of its file."""


def read_schema(name: str) -> str:
    """Return a JSON Schema of SCHEMAS."""
    folder = resources.files(__package__) / "schemas"
    return (folder / f"{name}.json").read_text(encoding="utf-8")


def read_page(name: str) -> str:
    """Return a page of PAGES as Markdown. Raises KeyError for a name that is none."""
    return (resources.files(__package__) / PAGES[name]).read_text(encoding="utf-8")


def title_of(name: str) -> str:
    """Return the first heading of a page."""
    return read_page(name).partition("\n")[0].removeprefix("# ")
