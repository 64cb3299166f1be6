"""`schema`: figures that are counted, in three forms; datasette takes the third."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from salesmap_async.describe.description import describe
from salesmap_async.sqlite_file import opened
from tests.support.cli_process import cli, environment, no_process_is_left

__all__ = ["no_process_is_left"]
LIMIT_S = 60.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a snapshot of the built-in workspace, with its field lists."""
    from tests.support.cli_process import QUICK, ServedSandbox, env_of

    place = tmp_path_factory.mktemp("schema")
    with ServedSandbox(place, "--wide-fields", "240") as server:
        code, _, err = cli(place, "run", *QUICK, "--quiet", "--include", "field", **env_of(server))
        assert code == 0, err
    return place


def test_figures_are_counted(folder: Path) -> None:
    """Rows, fill rates and links are those of the DB; the CRM's kinds those of its field lists."""
    db = folder / "salesmap_latest.db"
    with opened(db, "ro") as connection:
        tables = {table.name: table for table in describe(connection, examples=3)}
        deal = tables["deal"]
        assert (deal.rows,) == connection.execute("SELECT count(*) FROM deal").fetchone()
        for field in deal.fields[:40]:
            quoted = field.name.replace('"', '""')
            (filled,) = connection.execute(f'SELECT count("{quoted}") FROM deal').fetchone()
            assert field.filled == filled / deal.rows
            assert len(field.examples) <= 3
    kinds = {field.name: field.crm_type for field in deal.fields if field.crm_type}
    assert set(kinds) >= {"이름", "담당자", "금액"}
    assert {f.name: f.links_to for f in deal.fields if f.links_to} == {
        "organizationId": "organization", "peopleId": "people",
    }  # fmt: skip
    assert "manifest" not in tables


def test_a_page_holds_text_of_the_crm_as_text(folder: Path) -> None:
    """No HTML of a memo, and no bar breaks a row."""
    _, out, _ = cli(folder, "schema")
    assert "## `deal`" in out
    assert "Links: `organizationId` -> `organization.id`" in out
    assert "<p>" not in out
    for line in out.splitlines():
        if line.startswith("|"):
            assert line.replace("\\|", "").count("|") == 6
    _, out, _ = cli(folder, "schema", "--no-examples", "--table", "memo")
    assert "## `deal`" not in out
    assert "; " not in out.partition("| ---")[2]


def test_json_and_what_is_not_there(folder: Path, tmp_path: Path) -> None:
    """The whole description; a table that is none, and no DB, in words."""
    _, out, _ = cli(folder, "schema", "--format", "json")
    found = json.loads(out)
    assert found["workspace"]
    assert {each["name"] for each in found["tables"]} >= {"deal", "memo", "field"}
    code, _, err = cli(folder, "schema", "--table", "dael")
    assert (code, "there is no table dael" in err) == (2, True)
    code, _, err = cli(tmp_path, "schema")
    assert code == 2
    assert err.rstrip().endswith("Next: python -m salesmap_async run")


@pytest.fixture
def datasette(folder: Path) -> Iterator[str]:
    """datasette on the snapshot, started as `schema --format datasette` says."""
    _, _, err = cli(folder, "schema", "--format", "datasette", "--out", "metadata.json")
    command = err.split()[1:]
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "datasette", *command, "--port", "0"],
        cwd=folder, env=environment(PYTHONWARNINGS="ignore"), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        yield (
            next(line for line in lines if "running on" in line).split("running on ")[1].split()[0]
        )
    finally:
        process.terminate()
        process.communicate(timeout=LIMIT_S)


def test_datasette_shows_it_without_suggested_facets(datasette: str) -> None:
    """Descriptions of tables and columns are on its page; no facet is suggested."""
    stem = "salesmap_latest"
    ends_at = time.monotonic() + LIMIT_S
    while True:
        try:
            with urllib.request.urlopen(f"{datasette}/{stem}/deal.json?_size=1") as answer:
                found = json.load(answer)
            break
        except OSError:
            assert time.monotonic() < ends_at
    assert found["suggested_facets"] == []
    with urllib.request.urlopen(f"{datasette}/{stem}/deal") as answer:
        page = answer.read().decode()
    assert "id of organization" in page
    assert "% filled" in page
