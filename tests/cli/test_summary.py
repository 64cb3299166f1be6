"""What a published run prints at its end: its time, the least it could be, and what sets that."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from salesmap_async.cli.summary import print_summary
from salesmap_async.sandbox import Sandbox, Workspace
from tests.support.runs import Snapshot


@pytest.mark.parametrize(
    ("latency_s", "said"),
    [
        (0.0, "; at this pace they take at least {} s"),
        (0.3, "; people, page after page, takes at least {} s"),
    ],
)
async def test_the_summary_names_the_floor_and_its_bound(
    snapshot: Snapshot, latency_s: float, said: str
) -> None:
    """Quick answers leave the pace as the bound; slow ones the longest list. No jargon."""
    workspace = Workspace.generate(records=300, forms=2, mix={"people": 0.8})
    async with Sandbox(workspace, quota=False, latency_s=latency_s) as sandbox:
        report = await snapshot(sandbox, min_interval_s=0.05)
    text = StringIO()
    print_summary(report, Console(file=text, width=200))
    [line] = [line for line in text.getvalue().splitlines() if "requests in" in line]
    assert line.endswith(said.format(f"{report.floor.seconds:.1f}"))
