"""What a person sees while a run goes on. Text of the CRM is text, never markup."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from salesmap_async.cli.progress import LINE_INTERVAL_S, Bars, Lines
from salesmap_async.events import (
    Event,
    GateClosed,
    RequestRetried,
    RunEnded,
    RunStarted,
    TableFinished,
    TableProgress,
    Warned,
)
from salesmap_async.paths import RunPaths
from salesmap_async.run.log import RunLog, describe

PATHS = RunPaths(
    run_tag="t",
    final_db=Path("final.db"),
    log_dir=Path("logs"),
    backup_dir=Path("backups"),
    checkpoint_dir=Path("checkpoints"),
)
STARTED = RunStarted(
    PATHS, "https://crm.example.com", "예시", ("memo", "people"), {"memo": 500}, False
)
HOSTILE = "form [/x] [bold]굵게[/bold] \x1b[31m빨강\x07 <script>"


def console() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=110, color_system=None)


def printed(screen: Console) -> str:
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


def shown_by_bars(*events: Event) -> str:
    screen = console()
    bars = Bars(screen, verbose=False)
    with bars.live:
        for event in events:
            bars(event)
        bars.live.refresh()
    return printed(screen)


def test_bars_show_rows_pages_and_the_known_total() -> None:
    """Each table has a bar; a known size gives it an end."""
    text = shown_by_bars(STARTED, TableProgress("memo", 5, 250), TableProgress("people", 1, 50))
    assert "250 rows" in text
    assert "5 pages" in text
    assert "people" in text


def test_bars_tell_while_the_gate_is_closed() -> None:
    """`429: waiting N s` stands below the bars until the clock opens the gate."""
    text = shown_by_bars(STARTED, GateClosed(120.0, "Retry-After"))
    assert "429: waiting 120 s" in text


def test_a_finished_and_a_failed_table() -> None:
    """A table without records is complete too; a failed one says why."""
    text = shown_by_bars(
        STARTED,
        TableFinished("memo", 1, 0, "done"),
        TableFinished("people", 2, 70, "failed", "GET /people answered 400"),
    )
    assert "ERROR people failed after 70 rows: GET /people answered 400" in text


def test_the_crms_text_is_neither_markup_nor_control_characters() -> None:
    """Brackets are shown as they are, escape sequences never reach the terminal."""
    screen = console()
    Lines(screen, verbose=False)(Warned(HOSTILE))
    for text in (shown_by_bars(STARTED, Warned(HOSTILE)), printed(screen)):
        assert "[/x] [bold]굵게[/bold]" in text
        assert "\x1b[31m" not in text
        assert "\x07" not in text


def test_lines_tell_a_table_once_per_interval() -> None:
    """Without a terminal: one line per table and interval, and one for what matters."""
    now_s = 0.0
    screen = console()
    lines = Lines(screen, verbose=False, clock=lambda: now_s)
    for page in range(1, 26):
        lines(TableProgress("memo", page, 50 * page))
        now_s += LINE_INTERVAL_S / 10
    said = printed(screen).splitlines()
    assert said == [
        "INFO memo: 550 rows on 11 pages so far",
        "INFO memo: 1050 rows on 21 pages so far",
    ]


def test_every_retry_and_wait_names_its_cause() -> None:
    """The log tells why the run waited."""
    retried = RequestRetried("GET /memo", "the answer is empty", 1, 3, 10.0)
    assert describe(retried) == "WARNING GET /memo: the answer is empty; retry 1/3 in 10 s"
    assert describe(GateClosed(7.0, "Retry-After")) == "WARNING 429: waiting 7.0 s (Retry-After)"


def test_the_end_of_a_failed_run_stands_in_the_log_only() -> None:
    """The command prints its own paragraph; the log has the line."""
    ended = RunEnded("t", 1, "the disk is full")
    screen = console()
    Lines(screen, verbose=True)(ended)
    assert printed(screen) == ""
    assert describe(ended) == "ERROR run t ended with 1: the disk is full"


def test_the_log_begins_with_what_came_before_the_run_had_its_tag(tmp_path: Path) -> None:
    """Lines of the preflight are kept and written first."""
    paths = RunPaths(
        run_tag="t",
        final_db=tmp_path / "final.db",
        log_dir=tmp_path / "logs",
        backup_dir=tmp_path,
        checkpoint_dir=tmp_path,
    )
    with RunLog() as log:
        log(Warned("early\nline"))
        log(RunStarted(paths, "https://crm.example.com", "예시", ("memo",), {}, True))
    first, second = paths.log_file.read_text("utf-8").splitlines()
    assert first.endswith("WARNING early line")
    assert "run t resumed" in second
