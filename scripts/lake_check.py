"""Read a lake of two workspaces and three days with Spark and DuckDB, and compare with SQLite.

    python3 scripts/lake_check.py             # about two minutes; needs Java (OpenJDK 17 or newer)

On the second day a field appears and one gets fractions, on the third one disappears. Each engine
reads all partitions as one table; counts, sums and a join over Korean columns must equal those that
SQLite has over the snapshots themselves. Spark and DuckDB are installed into .venv-lake.
"""

import asyncio
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.python_version import require_python

require_python()

from scripts.environment import (  # noqa: E402
    REPOSITORY,
    EnvironmentFailedError,
    make_environment,
    make_streams_forgiving,
)

VENV = REPOSITORY / ".venv-lake"
ENGINES = ("duckdb>=1.1", "pyspark>=4,<5")
DAYS = ("2026-01-01", "2026-01-02", "2026-01-03")
RECORDS = 4_000

COUNTS = 'SELECT count(*), count("금액"), sum("금액"), count("새 항목"), count("비고") FROM {deal}'
JOIN = """
SELECT people."직급(명함/메일서명)" AS "직급", deal."상태" AS "상태", count(*), sum(deal."금액")
FROM {deal} AS deal JOIN {people} AS people
  ON people.id = deal."peopleId" {same}
GROUP BY 1, 2 ORDER BY 1, 2
"""
Rows = list[tuple[Any, ...]]


def main() -> int:
    """Make the environment, then check in it; return the exit code."""
    make_streams_forgiving()
    if sys.argv[1:] == ["--inside"]:
        return check()
    if shutil.which("java") is None:
        print("Spark needs Java: install OpenJDK 17 from the system's packages", file=sys.stderr)
        return 1
    try:
        python = make_environment(VENV, ".[parquet]")
    except EnvironmentFailedError as error:
        print(error, file=sys.stderr)
        return 1
    installed = subprocess.run([str(python), "-m", "pip", "install", "--quiet", *ENGINES])
    if installed.returncode != 0:
        return 1
    return subprocess.run([str(python), __file__, "--inside"]).returncode


def check() -> int:
    """Make the lake, ask both engines and SQLite, and print what they say."""
    with tempfile.TemporaryDirectory() as folder:
        lake, snapshots = asyncio.run(make_lake(Path(folder)))
        expected = by_sqlite(snapshots)
        wrong = 0
        for name, ask in (("DuckDB", by_duckdb), ("Spark", by_spark)):
            began = time.monotonic()
            found = ask(lake)
            same = [close(a, b) for a, b in zip(expected, found, strict=True)]
            wrong += not all(same)
            said = "equal" if all(same) else f"DIFFERENT: {found} instead of {expected}"
            print(f"{name}: {time.monotonic() - began:.1f} s, {said}")
        [(rows, *_)] = expected[0]
        print(f"{len(snapshots)} partitions, {rows:,} deals, {len(expected[1])} groups of the join")
    return 1 if wrong else 0


async def make_lake(folder: Path) -> tuple[Path, list[Path]]:
    """Take a snapshot of each workspace on each day, export it; return the lake and the DBs."""
    from salesmap_async import Secret, Settings, take_snapshot
    from salesmap_async.export.export import ExportRequest, export
    from salesmap_async.sandbox import SANDBOX_TOKEN, Sandbox, Workspace

    lake, snapshots = folder / "lake", []
    for seed in (1, 2):
        workspace = Workspace.generate(records=RECORDS, seed=seed)
        async with Sandbox(workspace, quota=False) as sandbox:
            for number, day in enumerate(DAYS):
                change(workspace.lists["/deal"], number)
                own = folder / f"w{seed}-{day}"
                settings = Settings(
                    token=Secret(SANDBOX_TOKEN), base_url=sandbox.base_url, db_path=own / "crm.db",
                    log_dir=own, checkpoint_dir=own / "c", backup_dir=own, min_interval_s=0,
                )  # fmt: skip
                await take_snapshot(settings)
                dated(own / "crm.db", day)
                snapshots.append(own / "crm.db")
                export(
                    ExportRequest(
                        db_path=own / "crm.db", snapshot=own / "crm.db", format="parquet",
                        out=lake, partition=True,
                    )
                )  # fmt: skip
    return lake, snapshots


def change(deals: Any, day: int) -> None:
    """Let a field appear and one get fractions on day 1, and one disappear on day 2."""
    for number, deal in enumerate(deals):
        if isinstance(deal.get("금액"), int | float):
            deal["금액"] = int(deal["금액"]) + (0.5 if day == 1 and number % 3 == 0 else 0)
        if day == 1:
            deal["새 항목"] = number
        if day == 2:
            deal.pop("비고", None)


def dated(db: Path, day: str) -> None:
    """Let a snapshot say that it was read on `day`."""
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute("UPDATE run_info SET captured_at_utc = ?", (f"{day}T03:30:00Z",))
        connection.execute("UPDATE manifest SET read_from = ''")


def by_sqlite(snapshots: list[Path]) -> list[Rows]:
    """Return the answers over all snapshots together."""
    with closing(sqlite3.connect(":memory:")) as connection:
        for number, path in enumerate(snapshots):
            connection.execute(f"ATTACH ? AS s{number}", (str(path),))
            for table in ("deal", "people"):
                present = {
                    row[1] for row in connection.execute(f"PRAGMA s{number}.table_info({table})")
                }
                wanted = {
                    "deal": ("id", "peopleId", "상태", "금액", "새 항목", "비고"),
                    "people": ("id", "직급(명함/메일서명)"),
                }[table]
                columns = ", ".join(f'"{c}"' if c in present else f'NULL AS "{c}"' for c in wanted)
                select = f"SELECT {number} AS part, {columns} FROM s{number}.{table}"
                verb = f"CREATE TEMP TABLE {table} AS" if number == 0 else f"INSERT INTO {table}"
                connection.execute(f"{verb} {select}")
        names = {"deal": "deal", "people": "people", "same": "AND people.part = deal.part"}
        return [connection.execute(sql.format(**names)).fetchall() for sql in (COUNTS, JOIN)]


def by_duckdb(lake: Path) -> list[Rows]:
    """Return DuckDB's answers over the lake."""
    import duckdb  # type: ignore[import-not-found,unused-ignore]

    def table(name: str) -> str:
        files = (lake / "workspace=*" / "date=*" / f"{name}.parquet").as_posix()
        return f"read_parquet('{files}', hive_partitioning = true, union_by_name = true)"

    names = {"deal": table("deal"), "people": table("people"), "same": _SAME_PARTITION}
    return [duckdb.sql(sql.format(**names)).fetchall() for sql in (COUNTS, JOIN)]


def by_spark(lake: Path) -> list[Rows]:
    """Return Spark's answers over the lake, in local mode."""
    from pyspark.sql import SparkSession  # type: ignore[import-not-found,unused-ignore]

    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.ansi.doubleQuotedIdentifiers", "true")
        .config("spark.sql.ansi.enabled", "true")
        .getOrCreate()
    )
    try:
        for name in ("deal", "people"):
            files = f"{lake.as_posix()}/workspace=*/date=*/{name}.parquet"
            read = spark.read.option("mergeSchema", "true").option("basePath", lake.as_posix())
            read.parquet(files).createOrReplaceTempView(name)
        names = {"deal": "deal", "people": "people", "same": _SAME_PARTITION}
        return [
            list(map(tuple, spark.sql(sql.format(**names)).collect())) for sql in (COUNTS, JOIN)
        ]
    finally:
        spark.stop()


_SAME_PARTITION = "AND people.workspace = deal.workspace AND people.date = deal.date"


def close(one: Rows, other: Rows) -> bool:
    """Tell whether two answers are the same; sums of numbers may differ in the last digits."""
    return len(one) == len(other) and all(
        a == b or (isinstance(a, float | int) and isinstance(b, float | int) and abs(a - b) < 1e-3)
        for left, right in zip(sorted(one, key=str), sorted(other, key=str), strict=True)
        for a, b in zip(left, right, strict=True)
    )


if __name__ == "__main__":
    raise SystemExit(main())
