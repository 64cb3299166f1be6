"""`endpoints.py` says: to read a new list, add a row there. So a row is added, and nothing else."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import salesmap_async

ROW = """ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(table="contract", path="/contract", list_key="contractList", group="optional"),
"""


def test_a_new_row_of_the_catalogue_is_all_that_a_new_list_needs(tmp_path: Path) -> None:
    """The sandbox serves it, a run reads it, the snapshot has its table."""
    package = Path(salesmap_async.__file__).parent
    shutil.copytree(package, tmp_path / "code" / package.name)
    catalogue = tmp_path / "code" / package.name / "api" / "endpoints.py"
    text = catalogue.read_text(encoding="utf-8")
    begin = "ENDPOINTS: tuple[Endpoint, ...] = (\n"
    assert text.count(begin) == 1
    catalogue.write_text(text.replace(begin, ROW), encoding="utf-8")
    command = [sys.executable, "-m", "salesmap_async", "run", "--sandbox"]
    ended = subprocess.run(
        [*command, "--only", "contract", "--min-interval", "0", "--no-progress"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "code")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    with closing(sqlite3.connect(tmp_path / "sandbox_latest.db")) as connection:
        rows = connection.execute("SELECT count(*), count(DISTINCT id) FROM contract").fetchone()
    assert rows == (60, 60)
