"""The measuring of the dashboard measures what there is."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from salesmap_async import Settings
from salesmap_async.dashboard.app import create_app
from scripts.bench_dashboard import Timing, as_table, measure
from tests.support.dashboard_process import POSIX


def timing(median_ms: float) -> Timing:
    return Timing(
        endpoint="/api/orgs/{id}?limit=5",
        first_ms=9,
        median_ms=median_ms,
        slowest_ms=99,
        limit_ms=50,
        kilobytes=3,
    )


@POSIX
def test_every_endpoint_is_measured(tmp_path: Path) -> None:
    """A workspace of some hundred records is published, served and asked for all there is."""
    timings = measure(Path(sys.executable), tmp_path, smaller=400, requests=1)
    measured = [each.endpoint.partition("?")[0] for each in timings]
    patterns = [
        re.sub(r"{\w+}", "[^/]+", path) for path in create_app(Settings()).openapi()["paths"]
    ]
    for pattern in patterns:
        assert any(re.fullmatch(pattern, path) for path in measured), pattern


def test_a_missed_limit_is_marked() -> None:
    """In the table and for the exit code."""
    assert [timing(ms).is_fast_enough for ms in (50, 50.1)] == [True, False]
    assert "MISSED" in as_table([timing(50.1)])
    assert "MISSED" not in as_table([timing(50)])
