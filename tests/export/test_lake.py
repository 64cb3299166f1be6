"""A lake of partitions: whole or not there, each of one run, of types that stay."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.dataset
import pyarrow.parquet
import pytest

from salesmap_async.errors import UsageError
from salesmap_async.export.export import ExportRequest, export
from tests.support.built import build
from tests.support.dashboard_db import change
from tests.support.work_db_maker import ChainSpec

Records = list[dict[str, Any]]


def snapshot(folder: Path, name: str, records: Records, day: str) -> Path:
    db, _ = build(folder, [ChainSpec(table="deal", records=records)], name=name, run_tag=name)
    change(db, f"UPDATE run_info SET captured_at_utc = '{day}T01:00:00Z'",
           "UPDATE manifest SET read_from = ''")  # fmt: skip
    return db


def fill(lake: Path, db: Path, **more: Any) -> None:
    export(
        ExportRequest(
            db_path=db, snapshot=db, format="parquet", out=lake, partition=True, tables=("deal",),
            **more,
        )
    )  # fmt: skip


def types_in(path: Path) -> dict[str, str]:
    schema = pyarrow.parquet.read_schema(path)
    return {field.name: str(field.type) for field in schema}


def partition(lake: Path, day: str) -> Path:
    return lake / "workspace=unknown" / f"date={day}" / "deal.parquet"


def test_no_partition_changes_a_type(tmp_path: Path) -> None:
    """A field comes, one goes, one gets fractions, one gets texts: all days are one table."""
    lake = tmp_path / "lake"
    days: dict[str, Records] = {
        "2026-01-01": [{"id": "1", "금액": 5, "간 것": "x", "섞임": 1}],
        "2026-01-02": [
            {"id": "1", "금액": 5.5, "온 것": 3, "섞임": "둘"},
            {"id": "2", "섞임": 2**60},
        ],
        "2026-01-03": [{"id": "1", "금액": None, "온 것": "글"}],
    }
    for number, (day, records) in enumerate(days.items()):
        fill(lake, snapshot(tmp_path, f"run{number}.db", records, day))
    assert types_in(partition(lake, "2026-01-02"))["섞임"] == "double"
    assert types_in(partition(lake, "2026-01-02"))["섞임__text"] == "string"
    schema = pyarrow.unify_schemas(
        [pyarrow.parquet.read_schema(partition(lake, day)) for day in days]
    )
    files = [str(partition(lake, day)) for day in days]
    table = pyarrow.dataset.dataset(files, schema=schema).to_table()
    rows = table.sort_by([("id", "ascending")]).to_pylist()
    assert sorted(row["금액"] for row in rows if row["금액"] is not None) == [5.0, 5.5]
    assert sorted(row["섞임__text"] for row in rows if row["섞임__text"]) == [str(2**60), "둘"]
    assert [row["온 것__text"] for row in rows if row["온 것__text"]] == ["글"]
    known = json.loads((lake / "schema.json").read_text("utf-8"))
    assert known["deal"]["금액"] == known["deal"]["온 것"] == "double"


def test_a_partition_is_of_one_run(tmp_path: Path) -> None:
    """Its own run renews it, another one of that day does not unless it is forced to."""
    lake = tmp_path / "lake"
    first = snapshot(tmp_path, "first.db", [{"id": "1"}], "2026-01-01")
    other = snapshot(tmp_path, "other.db", [{"id": "1"}, {"id": "2"}], "2026-01-01")
    fill(lake, first)
    fill(lake, first)
    with pytest.raises(UsageError, match=r"holds run first\.db, not other\.db"):
        fill(lake, other)
    assert pyarrow.parquet.read_table(partition(lake, "2026-01-01")).num_rows == 1
    fill(lake, other, force=True)
    assert pyarrow.parquet.read_table(partition(lake, "2026-01-01")).num_rows == 2
    assert sorted(each.name for each in (lake / "workspace=unknown").iterdir()) == [
        "date=2026-01-01"
    ]


def test_an_export_that_fails_leaves_the_partition_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is one line, and nothing half is left."""
    lake = tmp_path / "lake"
    db = snapshot(tmp_path, "first.db", [{"id": "1"}], "2026-01-01")
    fill(lake, db)
    before = partition(lake, "2026-01-01").read_bytes()

    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("salesmap_async.export.export.write_parquet", full)
    with pytest.raises(Exception, match="is full; nothing of the export is left"):
        fill(lake, db)
    assert partition(lake, "2026-01-01").read_bytes() == before
    assert len(list((lake / "workspace=unknown").iterdir())) == 1
