"""A final DB that is damaged in any way is called so by every command, and `Next:` leads out."""

from __future__ import annotations

import dataclasses
import os
import shlex
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from salesmap_async import take_snapshot
from salesmap_async.errors import DamagedError, DamagedLateError
from salesmap_async.events import Event, Step
from salesmap_async.operate.look import look_at
from salesmap_async.publish.damage import damage_in, examine
from tests.support.cli_process import QUICK, ServedSandbox, cli, env_of, no_process_is_left
from tests.support.operate_runs import small_sandbox
from tests.support.runs import MakeSettings, table_hashes

__all__ = ["no_process_is_left"]


def random_bytes(path: Path) -> None:
    path.write_bytes(os.urandom(path.stat().st_size))


def leaf_pages_of(path: Path) -> list[int]:
    """Return where leaf pages of tables begin, in bytes."""
    data = path.read_bytes()
    size = int.from_bytes(data[16:18], "big")
    return [at for at in range(size, len(data), size) if data[at] == 0x0D]


def zeroed_page(path: Path) -> None:
    at = leaf_pages_of(path)[-3]
    data = bytearray(path.read_bytes())
    data[at : at + 4096] = bytes(4096)
    path.write_bytes(data)


def overwritten_page(path: Path) -> None:
    at = leaf_pages_of(path)[len(leaf_pages_of(path)) // 2]
    data = bytearray(path.read_bytes())
    data[at : at + 4096] = os.urandom(4096)
    path.write_bytes(data)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 2 // 3)


DAMAGES = [random_bytes, zeroed_page, overwritten_page, cut]
Damage = Callable[[Path], None]


def next_of(said: str) -> list[str]:
    """Return the arguments of the command that is printed last."""
    return shlex.split(said.strip().rpartition("Next: ")[2])[3:]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("backups", [0, 1])
def test_every_command_says_so_and_leads_out(tmp_path: Path, damage: Damage, backups: int) -> None:
    """From each of them the printed commands end at a whole snapshot; the bytes are kept."""
    final = tmp_path / "salesmap_latest.db"
    with ServedSandbox(tmp_path) as server:
        env = env_of(server)
        for _ in range(1 + backups):
            assert cli(tmp_path, "run", *QUICK, **env)[0] == 0
        damage(final)
        bad = final.read_bytes()
        code, out, _ = cli(tmp_path, "status")
        assert (code, "DAMAGED" in out) == (0, True)
        ways_out = [next_of(out)]
        code, out, _ = cli(tmp_path, "doctor", **env)
        assert (code, "damaged" in out) == (2, True)
        ways_out.append(next_of(out))
        code, _, err = cli(tmp_path, "run", *QUICK, **env)
        assert (code, "damaged" in err) == (2, True)
        ways_out.append(next_of(err))
        assert final.read_bytes() == bad
        for way in ways_out:
            assert way[0] == ("restore" if backups else "run")
            final.write_bytes(bad)
            code, out, err = cli(tmp_path, *way, *(QUICK if way[0] == "run" else ()), **env)
            if backups:
                assert code == 0
                code, out, err = cli(tmp_path, *next_of(out), "--yes", **env)
            assert (code, damage_in(final)) == (0, ""), err
        kept = list((tmp_path / "backups").glob("salesmap_latest_damaged_*.db"))
        assert [each.read_bytes() for each in kept] == [bad] * 3
        assert cli(tmp_path, "run", *QUICK, **env)[0] == 0


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_partial_run_is_led_to_a_whole_one(tmp_path: Path, damage: Damage) -> None:
    """`--only` over a damaged DB would lose the other tables: the way out reads them all."""
    with ServedSandbox(tmp_path) as server:
        env = env_of(server)
        assert cli(tmp_path, "run", *QUICK, **env)[0] == 0
        damage(tmp_path / "salesmap_latest.db")
        for partial in (["--only", "memo"], ["--webform-only"], ["--skip", "memo"]):
            for more in ([], ["--replace-damaged"]):
                code, _, err = cli(tmp_path, "run", *partial, *more, *QUICK, **env)
                assert (code, partial[0] in next_of(err)) == (2, False)
        assert cli(tmp_path, *next_of(err), **env)[0] == 0
    with sqlite3.connect(tmp_path / "salesmap_latest.db") as connection:
        assert connection.execute("SELECT count(*) FROM people").fetchone()[0] > 50
    connection.close()


@pytest.mark.parametrize("damage", [zeroed_page, overwritten_page, random_bytes])
async def test_damage_that_comes_while_a_run_reads(
    make_settings: MakeSettings, damage: Damage
) -> None:
    """What was read is published by the resume that is named; no resume fails for ever."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await take_snapshot(dataclasses.replace(settings, run_tag="a"))
        sound = table_hashes(settings.db_path)

        def damage_at_the_gate(event: Event) -> None:
            if isinstance(event, Step) and event.name == "gate":
                damage(settings.db_path)

        with pytest.raises(DamagedLateError):
            await take_snapshot(dataclasses.replace(settings, run_tag="t"), damage_at_the_gate)
        resume = dataclasses.replace(settings, resume_run_tag="t")
        with pytest.raises(DamagedError):
            await take_snapshot(resume)
        await take_snapshot(dataclasses.replace(resume, replace_damaged=True))
    assert table_hashes(settings.db_path) == sound


async def test_a_look_is_bounded_and_says_how_far_it_came(make_settings: MakeSettings) -> None:
    """Without time no table is searched; in three seconds all of a small DB are."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
        await take_snapshot(settings)
    hurried = examine(settings.db_path, limit_s=0)
    assert (hurried.damage, 0 < hurried.left_out <= hurried.tables) == ("", True)
    found = look_at(settings.db_path, search=True)
    assert found is not None
    assert found.examined == "no damage in any table"


async def test_a_db_that_may_not_be_read_is_not_called_damaged(
    make_settings: MakeSettings,
) -> None:
    """A directory with no permission is mended, not restored over."""
    async with small_sandbox() as sandbox:
        settings = make_settings(sandbox)
    settings.db_path.symlink_to(settings.db_path)
    assert look_at(settings.db_path) is None
