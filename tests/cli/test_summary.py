"""What a published run prints at its end: the time beside its floor, and what sets that."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from salesmap_async.cli.summary import print_summary
from salesmap_async.sandbox import Sandbox, Workspace
from tests.support.runs import Snapshot


@pytest.mark.parametrize(
    ("latency_s", "said"),
    [(0.0, "pages x 0.05 s, one request per interval"), (0.3, "people alone, one answer")],
)
async def test_the_summary_names_the_floor_and_its_bound(
    snapshot: Snapshot, latency_s: float, said: str
) -> None:
    """Quick answers leave the pace as the bound; slow ones the longest list."""
    workspace = Workspace.generate(records=300, forms=2, mix={"people": 0.8})
    async with Sandbox(workspace, quota=False, latency_s=latency_s) as sandbox:
        report = await snapshot(sandbox, min_interval_s=0.05)
    text = StringIO()
    print_summary(report, Console(file=text, width=200))
    [line] = [line for line in text.getvalue().splitlines() if "requests in" in line]
    assert f"; floor {report.floor.seconds:.1f} s: " in line
    assert said in line
