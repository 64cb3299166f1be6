"""The run history: whole lines, torn lines, folded runs, and questions that read backwards."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from salesmap_async.errors import PublishError, UsageError
from salesmap_async.run.history import FoldedRun, History, Line, fold
from tests.support.history import history_lines

DB = Path("/snapshots/salesmap_latest.db")


def written(path: Path, *records: dict[str, Any]) -> History:
    """Write these lines to a history at `path`."""
    history = History(path)
    for record in records:
        history.append(record)
    return history


def line(run_tag: str, status: str, **facts: Any) -> dict[str, Any]:
    """Return a line of a run of DB."""
    return {
        "run_tag": run_tag,
        "status": status,
        "kind": "full",
        "final_db_path": str(DB),
    } | facts


def test_lines_are_appended_and_readable(tmp_path: Path) -> None:
    """One JSON line each, Korean as it is."""
    path = tmp_path / "logs" / "run_history.jsonl"
    history = written(
        path,
        {"run_tag": "a", "status": "started", "note": "시작"},
        {"run_tag": "a", "status": "published"},
    )
    assert "시작" in path.read_text(encoding="utf-8")
    assert [x["status"] for x in history_lines(path)] == ["started", "published"]
    assert [x.status for x in history.newest_first()] == ["published", "started"]


def test_a_new_line_never_joins_a_torn_one(tmp_path: Path) -> None:
    """The torn line is lost, the next one is whole."""
    path = tmp_path / "run_history.jsonl"
    history = written(path, {"run_tag": "a", "status": "started"})
    with path.open("ab") as file:
        file.write(b'{"run_tag": "b", "stat')
    history.append({"run_tag": "c", "status": "started"})
    history.append({"run_tag": "d", "status": "started"})
    assert [x.run_tag for x in history.newest_first()] == ["d", "c", "a"]


def test_bad_lines_are_skipped(tmp_path: Path) -> None:
    """Not JSON, not UTF-8, not an object: none of them hides the others."""
    path = tmp_path / "run_history.jsonl"
    path.write_bytes(b'[1]\n\xff\xfe\n\n{"run_tag":"a","status":"published"}\n{"x":')
    assert list(History(path).newest_first()) == [Line(run_tag="a", status="published")]
    assert list(History(tmp_path / "none").newest_first()) == []


def test_odd_values_are_as_if_they_were_not_there() -> None:
    """A line by another hand: what is no text, no count or no table is None."""
    odd = {"run_tag": "a", "status": 3, "started_at": 7, "tables": [], "pid": "x", "requests": True}
    assert Line.of(odd) == Line(run_tag="a", status="")
    assert Line.of({"run_tag": 1}) is None
    tables = {"deal": {"rows": 3}, "memo": {"rows": "4"}, "lead": 5}
    found = Line.of({"run_tag": "a", "status": "published", "tables": tables})
    assert found is not None
    assert found.rows == {"deal": 3}


def test_runs_are_folded_with_the_newest_state() -> None:
    """An end completes its start; a resume forgets the end before it; killed stays started."""
    lines = [
        Line(run_tag="a", status="started", pid=7),
        Line(run_tag="b", status="started"),
        Line(run_tag="a", status="failed", error="disk"),
        Line(run_tag="a", status="started", pid=8),
    ]
    assert fold(reversed(lines)) == [
        FoldedRun(lines[3], starts=2, _start_seen=True),
        FoldedRun(lines[1], starts=1, _start_seen=True),
    ]
    done = fold(reversed([*lines, Line(run_tag="a", status="published", rows={"deal": 1})]))
    assert done[0].line.status == "published"
    assert (done[0].line.pid, done[0].line.error) == (8, None)


def test_finished_means_a_published_line(tmp_path: Path) -> None:
    """Kept aside or failed is not finished."""
    history = written(tmp_path / "run_history.jsonl", {"run_tag": "a", "status": "kept_aside"})
    assert not history.is_finished("a")
    history.append({"run_tag": "a", "status": "published"})
    assert history.is_finished("a")
    assert not history.is_finished("b")
    assert history.finished({"a", "b"}) == {"a"}
    assert history.knows("a")
    assert not history.knows("b")


def test_the_last_published_run_of_a_db_and_kind(tmp_path: Path) -> None:
    """Other DBs, other kinds and ends that are none do not count; '' where there is none."""
    history = written(
        tmp_path / "run_history.jsonl",
        line("a", "published", started_at="2026-01-01"),
        line("b", "published", started_at="2026-01-02", kind="webform-only"),
        line("c", "published", started_at="2026-01-03", final_db_path="/elsewhere.db"),
        line("d", "failed", started_at="2026-01-04"),
        line("r", "restored", started_at="2026-01-05", kind="restore"),
    )
    old = {"x": "2026-01-01", "y": "2026-01-01T00:00:01", "z": ""}
    assert history.superseded(old, DB, "full") == {"x"}
    assert history.superseded({"y": "2026-01-01T1"}, DB, "webform-only") == {"y"}
    assert history.superseded(old, Path("/none.db"), "full") == set()
    assert history.superseded({"y": "2026-01-04"}, DB, "full", by_restore=True) == {"y"}
    assert history.superseded({"y": "2026-01-04"}, DB, "full") == set()


def test_the_order_of_the_lines_decides_not_the_clock(tmp_path: Path) -> None:
    """A run dated in the future is published; what began after it is newer, whatever its date."""
    history = written(
        tmp_path / "run_history.jsonl",
        line("old", "started", started_at="2026-01-01"),
        line("future", "started", started_at="2199-01-01"),
        line("future", "published", started_at="2199-01-01"),
        line("new", "started", started_at="2026-01-02"),
        line("old", "started", started_at="2026-01-03"),
    )
    starts = {"old": "2026-01-01", "new": "2026-01-02"}
    assert history.superseded(starts, DB, "full") == {"old"}


def test_an_end_line_of_an_early_version_has_its_start_elsewhere(tmp_path: Path) -> None:
    """It said neither kind nor start: the start line does."""
    history = written(
        tmp_path / "run_history.jsonl",
        line("a", "started", started_at="2026-01-01"),
        {"run_tag": "a", "status": "published", "final_db_path": str(DB)},
    )
    assert history.superseded({"x": "2026-01-01", "y": "2026-01-02"}, DB, "full") == {"x"}


@pytest.mark.parametrize("seed", range(20))
def test_recent_runs_are_the_first_of_all_runs(tmp_path: Path, seed: int) -> None:
    """However few are asked for, each is what the whole file makes of it, and none is forgotten."""
    dice = random.Random(seed)
    path = tmp_path / "run_history.jsonl"
    statuses = ("started", "published", "failed", "restored")
    for _ in range(dice.randrange(5, 60)):
        status = dice.choice(statuses)
        record = line(
            f"t{dice.randrange(12)}",
            status,
            kind="restore" if status == "restored" else "full",
            error=f"e{dice.random()}",
        )
        if dice.random() < 0.2:
            record = {"run_tag": f"o{dice.randrange(3)}", "status": status} | {
                "final_db_path": "/다른/o.db"
            }
        written(path, record)
    history = History(path)
    everything = history.recent_runs(DB)
    own = [run for run in fold(history.newest_first()) if run.line.final_db == str(DB)]
    assert list(everything.runs) == own
    assert everything.left_out == 0
    few = history.recent_runs(DB, most=2, also="t3")
    assert [run for run in own if run in few.runs] == list(few.runs)
    assert list(few.runs)[:2] == own[:2]
    assert len(few.runs) + few.left_out == len(own)
    assert few.other_dbs == everything.other_dbs
    assert any(run.line.run_tag == "t3" for run in few.runs) == any(
        run.line.run_tag == "t3" for run in own
    )
    if any(run.line.status == "published" for run in own):
        assert any(run.line.status == "published" for run in few.runs)


def test_lines_longer_than_a_block_are_whole(tmp_path: Path) -> None:
    """Reading backwards in blocks cuts no line, wherever the blocks begin."""
    path = tmp_path / "run_history.jsonl"
    lengths = (10, 300_000, 262_143, 262_144, 5, 600_001)
    with path.open("w", encoding="utf-8") as file:
        for number, length in enumerate(lengths):
            record = {"run_tag": f"r{number}", "status": "failed", "error": "가" * length}
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    found = [len(x.error or "") for x in History(path).newest_first()]
    assert found == list(reversed(lengths))


@pytest.mark.skipif(os.name == "nt", reason="needs RLIMIT_FSIZE")
def test_a_short_write_is_an_error_and_the_next_line_is_whole(tmp_path: Path) -> None:
    """A full disk tears the line without an exception from the system; we raise one."""
    path = tmp_path / "run_history.jsonl"
    history = written(path, {"run_tag": "a", "status": "started"})
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from salesmap_async.run.history import History\n"
        "from salesmap_async.errors import PublishError\n"
        "path = Path(sys.argv[1]); signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "size = path.stat().st_size + 10\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))\n"
        "try: History(path).append({'run_tag': 'b', 'status': 'started'})\n"
        "except PublishError as error: print(error)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert "10 of" in result.stdout
    history.append({"run_tag": "c", "status": "started"})
    assert [x.run_tag for x in history.newest_first()] == ["c", "a"]


def test_an_unusable_history_is_a_clear_error(tmp_path: Path) -> None:
    """A directory in its place names the path."""
    path = tmp_path / "run_history.jsonl"
    path.mkdir()
    with pytest.raises(PublishError, match=r"run_history\.jsonl"):
        History(path).append({"run_tag": "a"})
    with pytest.raises(UsageError, match=r"run_history\.jsonl"):
        list(History(path).newest_first())
