"""The server as an agent meets it: the official client, a process of its own, a real snapshot."""

from __future__ import annotations

import dataclasses
import json
import random
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from salesmap_async import Settings, take_snapshot
from salesmap_async.agents.answers import (
    MOST_BYTES,
    MOST_DESCRIPTION_BYTES,
    NOTICE,
    compact_description,
)
from salesmap_async.agents.families import families_of
from salesmap_async.describe.description import describe
from salesmap_async.sandbox import SANDBOX_TOKEN, Sandbox, Workspace, work_a_day
from salesmap_async.settings import Secret
from salesmap_async.sqlite_file import opened
from tests.support.cli_process import environment
from tests.support.operate_runs import path_flags

TOOLS = {"describe", "query", "search", "changes", "record", "as_of"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        token=Secret(SANDBOX_TOKEN),
        db_path=tmp_path / "crm.db",
        backup_dir=tmp_path / "backups",
        log_dir=tmp_path / "logs",
        checkpoint_dir=tmp_path / "logs" / "checkpoints",
        min_interval_s=0,
    )


async def published(settings: Settings, workspace: Workspace, tag: str) -> None:
    async with Sandbox(workspace, quota=False) as sandbox:
        await take_snapshot(dataclasses.replace(settings, base_url=sandbox.base_url, run_tag=tag))


@asynccontextmanager
async def agent(settings: Settings) -> AsyncIterator[Client]:
    """An agent's connection to `python -m salesmap_async mcp`."""
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "salesmap_async", "mcp", *path_flags(settings)],
        env=environment(SALESMAP_TOKEN="never-to-be-seen"),
    )  # fmt: skip
    async with Client(server) as client:
        yield client


async def ask(client: Client, tool: str, **arguments: Any) -> Any:
    """Return the answer as JSON; its bounds and its head are checked."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    [content] = result.content
    text = content.text  # type: ignore[union-attr]
    assert len(text.encode()) <= MOST_BYTES
    assert "never-to-be-seen" not in text
    answer = json.loads(text)
    assert answer["workspace"]
    assert answer["captured_at"]
    assert answer["notice"] == NOTICE
    return answer


async def refused(client: Client, tool: str, **arguments: Any) -> str:
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    [content] = result.content
    text: str = content.text  # type: ignore[union-attr]
    assert "Traceback" not in text
    return text


async def test_an_agent_asks_every_tool(settings: Settings) -> None:
    """A whole session, with a new snapshot published between two calls."""
    workspace = Workspace.generate(records=400, forms=2)
    await published(settings, workspace, "first")
    async with agent(settings) as client:
        listed = await client.list_tools()
        assert {tool.name for tool in listed.tools} == TOOLS
        assert all(tool.description for tool in listed.tools)
        assert "never instructions" in (client.instructions or "")

        described = await ask(client, "describe")
        tables = {each["table"]: each for each in described["data"]["tables"]}
        assert tables["deal"]["links"]["organizationId"] == "organization"
        deals = tables["deal"]["rows"]
        one = await ask(client, "describe", table="deal")
        [table] = one["data"]["tables"]
        assert len(table["fields"]["이름"]) == 4, "its kind and how full it is, and three examples"

        counted = await ask(client, "query", sql="SELECT count(*) AS n FROM deal")
        assert counted["data"] == {"columns": ["n"], "rows": [[deals]]}
        named = await ask(client, "query", sql="SELECT id, 이름, organizationId FROM deal LIMIT 1")
        [[deal_id, name, organization_id]] = named["data"]["rows"]
        found = await ask(client, "search", term=name, table="deal")
        assert deal_id in {each["id"] for each in found["data"]}
        record = await ask(client, "record", table="organization", record_id=organization_id)
        assert deal_id in record["data"]["linked"]["deal"]["ids"]
        assert record["data"]["life"][0]["kind"] == "known"

        assert "there is nothing to compare with" in await refused(client, "changes")
        work_a_day(workspace, 1)
        await published(settings, workspace, "second")
        changes = await ask(client, "changes")
        assert changes["run_tag"] == "second"
        assert changes["data"]["tables"]["deal"]["changed"]
        assert {each["kind"] for each in changes["data"]["sales"]}
        now = await ask(client, "query", sql="SELECT count(*) FROM deal")
        assert now["run_tag"] == "second"
        then = await ask(client, "as_of", day_or_run="first", sql="SELECT count(*) FROM deal")
        assert then["run_tag"] == "first"
        assert then["data"]["rows"] == [[deals]]


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("DELETE FROM deal", "may only read"),
        ("DROP TABLE deal", "may only read"),
        ("ATTACH '/etc/passwd' AS x", "may only read"),
        ("PRAGMA writable_schema = 1", "may only read"),
        ("SELECT load_extension('x')", "not authorized"),
        ("SELECT 1; DELETE FROM deal", ""),
        ("SELECT randomblob(2000000000)", ""),
        ("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n FROM r) SELECT count(*) FROM r", ""),
        ("SELEC 1", "syntax error"),
        ("SELECT * FROM nowhere", "no such table"),
    ],
)
async def test_hostile_statements_are_refused_in_words(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, sql: str, said: str
) -> None:
    """And the DB is as it was, to the byte. The endless one is stopped by its limit."""
    from salesmap_async.agents import tools
    from salesmap_async.agents.server import make_server
    from salesmap_async.safe_sql import SqlLimits

    monkeypatch.setattr(tools, "LIMITS", SqlLimits(time_s=0.3, value_bytes=2**20))
    await published(settings, Workspace.generate(records=60, forms=0), "one")
    before = settings.db_path.read_bytes()
    async with Client(make_server(settings)) as client:
        for tool, more in (("query", {}), ("as_of", {"day_or_run": "one"})):
            assert said in await refused(client, tool, sql=sql, **more)
    assert settings.db_path.read_bytes() == before


async def test_long_answers_are_cut_and_say_so(settings: Settings) -> None:
    """Many rows, a huge value: never more than 50 KB, with what was left out."""
    from salesmap_async.agents.server import make_server

    await published(settings, Workspace.generate(records=3000, forms=2), "one")
    async with Client(make_server(settings)) as client:
        rows = await ask(client, "query", sql="SELECT * FROM memo")
        assert "add LIMIT" in rows["left_out"]
        assert rows["data"]["rows"]
        wide = await ask(client, "query", sql='SELECT group_concat("text") FROM memo')
        assert "characters)" in wide["data"]["rows"][0][0]
        found = await ask(client, "search", term="가", limit=1000)
        assert found["data"]


async def test_what_is_not_there_is_said_with_what_helps(settings: Settings) -> None:
    """No DB yet, a table or record that is none, a day before the first run."""
    from salesmap_async.agents.server import make_server

    async with Client(make_server(settings)) as client:
        for tool, more in (
            ("describe", {}),
            ("query", {"sql": "SELECT 1"}),
            ("search", {"term": "x"}),
            ("record", {"table": "deal", "record_id": "x"}),
        ):
            assert "take one first" in await refused(client, tool, **more)
        assert "there is no timeline" in await refused(
            client, "as_of", day_or_run="x", sql="SELECT 1"
        )
        await published(settings, Workspace.generate(records=60, forms=0), "one")
        assert "there are organization" in await refused(client, "describe", table="dael")
        assert "has no record x" in await refused(client, "record", table="deal", record_id="x")
        said = await refused(client, "as_of", day_or_run="2001-01-01", sql="SELECT 1")
        assert "the timeline has no state 2001-01-01" in said


async def test_the_whole_of_264_columns_fits_into_8_kb(settings: Settings) -> None:
    """Every table and every field that holds something is named."""
    workspace = Workspace.generate(records=600, forms=3, wide_fields=240)
    await published(settings, workspace, "one")
    with opened(settings.db_path, "ro") as connection:
        found = describe(connection, examples=3)
    assert max(len(table.fields) for table in found) >= 264
    data, left_out = compact_description(found, only=False)
    assert size_of(data) <= MOST_DESCRIPTION_BYTES
    assert left_out == "examples; name a table to have them"
    for table, told in zip(found, data["tables"], strict=True):
        linking = {field.name for field in table.fields if field.links_to}
        names = set(told["fields"]) | set(told.get("links", ())) | set(names_alike(told))
        assert names == {field.name for field in table.fields} | linking
    deal = [table for table in found if table.name == "deal"]
    [one] = compact_description(deal, only=True)[0]["tables"]
    assert size_of(one) <= MOST_DESCRIPTION_BYTES
    assert len(one["fields"]["이름"]) == 4, "three examples"


def size_of(data: Any) -> int:
    return len(json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode())


def names_alike(told: dict[str, Any]) -> list[str]:
    """Put the names of families together again, as an agent would."""
    return [
        f"{begin}{middle}{family['ending']}"
        for family in told.get("named_alike", ())
        for some in family["names"]
        for begin in some["beginnings"]
        for middle in some["middles"]
    ]


@pytest.mark.parametrize("seed", range(20))
def test_families_lose_no_name(seed: int) -> None:
    """Whatever the names are: each is in one family at most, and comes out as it was."""
    dice = random.Random(seed)
    pieces = ["가", "나 - ", " - ", "에서 퇴장한 날짜", "로 진입한 날짜", "", "x", "날짜 날짜 날짜"]
    names = list(dict.fromkeys("".join(dice.choices(pieces, k=4)) for _ in range(120)))
    seen: list[str] = []
    for family in families_of(names):
        assert len(family.names) >= 6
        built = [
            f"{begin}{middle}{family.ending}"
            for begin, middles in family.middles.items()
            for middle in middles
        ]
        assert sorted(built) == sorted(family.names)
        seen += built
    assert len(seen) == len(set(seen))
    assert set(seen) <= set(names)


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    """In one line that can be pasted."""
    program = (
        "import sys; sys.modules['mcp'] = None; sys.argv = ['salesmap-async', 'mcp'];"
        "from salesmap_async.__main__ import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment(),
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert 'nstall it: python -m pip install "salesmap-async[mcp]"' in done.stderr
