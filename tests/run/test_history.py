"""The run history: whole lines, torn lines, folded runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from salesmap_async.errors import PublishError
from salesmap_async.run.history import append_line, fold_runs, is_finished, read_history


def test_lines_are_appended_and_readable(tmp_path: Path) -> None:
    """One JSON line each, Korean as it is."""
    path = tmp_path / "logs" / "run_history.jsonl"
    append_line(path, {"run_tag": "a", "status": "started", "note": "시작"})
    append_line(path, {"run_tag": "a", "status": "published"})
    assert "시작" in path.read_text(encoding="utf-8")
    assert [line["status"] for line in read_history(path)] == ["started", "published"]


def test_a_new_line_never_joins_a_torn_one(tmp_path: Path) -> None:
    """The torn line is lost, the next one is whole."""
    path = tmp_path / "run_history.jsonl"
    append_line(path, {"run_tag": "a", "status": "started"})
    with path.open("ab") as file:
        file.write(b'{"run_tag": "b", "stat')
    append_line(path, {"run_tag": "c", "status": "started"})
    append_line(path, {"run_tag": "d", "status": "started"})
    assert [line["run_tag"] for line in read_history(path)] == ["a", "c", "d"]


def test_bad_lines_are_skipped(tmp_path: Path) -> None:
    """Not JSON, not UTF-8, not an object: none of them hides the others."""
    path = tmp_path / "run_history.jsonl"
    path.write_bytes(b'[1]\n\xff\xfe\n\n{"run_tag":"a","status":"published"}\n{"x":')
    assert read_history(path) == [{"run_tag": "a", "status": "published"}]
    assert read_history(tmp_path / "none") == []


def test_runs_are_folded_with_the_newest_state(tmp_path: Path) -> None:
    """An end completes its start; a resume forgets the end before it; killed stays started."""
    runs = fold_runs(
        [
            {"run_tag": "a", "status": "started", "log": "l"},
            {"run_tag": "b", "status": "started"},
            {"run_tag": "a", "status": "failed", "error": "disk"},
            {"run_tag": "a", "status": "started", "log": "l"},
            {"status": "published"},
        ]
    )
    assert runs == [
        {"run_tag": "b", "status": "started", "starts": 1},
        {"run_tag": "a", "status": "started", "log": "l", "starts": 2},
    ]
    done = fold_runs([*runs, {"run_tag": "a", "status": "published", "rows": {"deal": 1}}])
    assert done[-1]["status"] == "published"
    assert done[-1]["log"] == "l"


def test_finished_means_a_published_line(tmp_path: Path) -> None:
    """Kept aside or failed is not finished."""
    path = tmp_path / "run_history.jsonl"
    append_line(path, {"run_tag": "a", "status": "kept_aside"})
    assert not is_finished(path, "a")
    append_line(path, {"run_tag": "a", "status": "published"})
    assert is_finished(path, "a")
    assert not is_finished(path, "b")


@pytest.mark.skipif(os.name == "nt", reason="needs RLIMIT_FSIZE")
def test_a_short_write_is_an_error_and_the_next_line_is_whole(tmp_path: Path) -> None:
    """A full disk tears the line without an exception from the system; we raise one."""
    path = tmp_path / "run_history.jsonl"
    append_line(path, {"run_tag": "a", "status": "started"})
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from salesmap_async.run.history import append_line\n"
        "from salesmap_async.errors import PublishError\n"
        "path = Path(sys.argv[1]); signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "size = path.stat().st_size + 10\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))\n"
        "try: append_line(path, {'run_tag': 'b', 'status': 'started'})\n"
        "except PublishError as error: print(error)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert "10 of" in result.stdout
    append_line(path, {"run_tag": "c", "status": "started"})
    assert [line["run_tag"] for line in read_history(path)] == ["a", "c"]


def test_an_unwritable_history_is_a_clear_error(tmp_path: Path) -> None:
    """A directory in its place names the path."""
    with pytest.raises(PublishError, match=r"run_history\.jsonl"):
        append_line(_directory(tmp_path / "run_history.jsonl"), {"run_tag": "a"})


def _directory(path: Path) -> Path:
    path.mkdir()
    return path
