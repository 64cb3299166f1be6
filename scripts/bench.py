"""Measure the collector against the sandbox: how near to the floor, and at what cost.

    python3 scripts/bench.py                          # every case: more than an hour
    python3 scripts/bench.py --case a,d --repeat 3    # medians of three
    python3 scripts/bench.py --quick --no-sequential  # a first look

Sandbox and collector run in processes of their own, from .venv. What arrived when is read from the
sandbox's log, not from the collector. The floor of a paced case is the larger of

- plain requests x interval, where plain counts the pages of the lists and nothing else, and
- pages of the longest list that cannot be split x latency, that rounded up to a multiple of the
  interval.

Its ratio is first to last arrival / floor. Cases without an interval are compared with a lower
bound of the same data, all that a safe collector must do: fetch, parse, store and commit each page,
one ordered copy, the indexes of the links, one hash, integrity check, fsync. Their ratio is
wall / wall, and CPU / CPU stands beside it. The bound keeps no timeline, so no run here feeds one.
The case `dashboard` measures the endpoints of the
dashboard, see bench_dashboard.py.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.python_version import require_python

require_python()

from scripts import bench_dashboard  # noqa: E402
from scripts.environment import (  # noqa: E402
    REPOSITORY,
    EnvironmentFailedError,
    clean_variables,
    make_environment,
    make_streams_forgiving,
)

VENV = REPOSITORY / ".venv"
BASELINES = REPOSITORY / "scripts" / "bench_baselines.py"
TOKEN = "sandbox-token"
WINDOW_REQUESTS, WINDOW_S = 100, 10.0
SPLITTABLE = frozenset({"/memo"})
DASHBOARD = "dashboard"
QUICK = 8
"""How much smaller everything is with --quick."""


class ProgramFailedError(Exception):
    """A measured program ended with an error; the text is what it said."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One workspace and one pace. `shares`: shares of records, for the sandbox's --mix.

    `absent`: how often an optional key is left out. `others`: requests of each 100 that another
    client takes; None switches the quota off.
    `twice`: a second run follows, which knows the sizes. `bound`: measure the lower bound too.
    """

    letter: str
    title: str
    records: int
    latency_s: float = 0.3
    interval_s: float = 0.12
    shares: tuple[str, ...] = ()
    forms: int = 20
    wide_fields: int = 36
    absent: float = 0.0
    others: int | None = 0
    twice: bool = False
    bound: bool = False

    def smaller(self) -> "Case":
        return replace(self, records=self.records // QUICK, forms=max(1, self.forms // QUICK))

    def slot_s(self) -> float:
        """The time between two pages of one list: the latency, up to the next slot."""
        if self.interval_s == 0:
            return self.latency_s
        return math.ceil(self.latency_s / self.interval_s - 1e-9) * self.interval_s


_CPU = Case(
    letter="d",
    title="1,000 pages of 50 x 150 fields",
    records=50_000,
    latency_s=0,
    interval_s=0,
    shares=("deal=1",),
    forms=0,
    wide_fields=126,
    others=None,
    bound=True,
)
_MEMORY = replace(_CPU, letter="m", shares=(), forms=20, wide_fields=36, bound=False)
CASES = (
    Case(letter="a", title="usual mix", records=26_000, twice=True),
    Case(letter="b", title="memo 80 %, 0.3 s", records=29_000, shares=("memo=0.833",)),
    Case(
        letter="b", title="memo 80 %, 1.0 s", records=29_000, shares=("memo=0.833",), latency_s=1.0
    ),
    Case(letter="c", title="300 web forms", records=26_000, forms=300),
    _CPU,
    Case(
        letter="h",
        title="all lists, deals of 150 fields, 40 % left out",
        records=44_000,
        latency_s=0,
        interval_s=0,
        shares=("deal=0.6",),
        wide_fields=126,
        absent=0.4,
        others=None,
        bound=True,
    ),
    replace(_CPU, letter="e", title="10 x (d)", records=500_000),
    Case(letter="f", title="30 of 100 are used by another client", records=26_000, others=30),
    Case(letter="g", title="people 80 %", records=29_000, shares=("people=0.83",)),
    replace(_MEMORY, title="20,000 records", records=20_000),
    replace(_MEMORY, title="100,000 records", records=100_000),
)


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What one process took; CPU and memory are None where the system does not tell (Windows)."""

    wall_s: float
    cpu_s: float | None
    peak_mib: float | None


@dataclass(frozen=True, kw_only=True)
class Survey:
    """The lists as a plain reader meets them: requests in all, and of the longest list that has no
    filter to split it by.
    """

    requests: int
    longest: int


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One line of the table."""

    case: str
    title: str
    run: str
    requests: float
    plain: float
    first_to_last_s: float
    smallest_gap_ms: float
    refused: float
    wall_s: float
    cpu_s: float | None
    peak_mib: float | None
    floor_s: float | None = None
    ratio: float | None = None
    cpu_ratio: float | None = None


class Server:
    """A sandbox in its own process, with its log of arrivals."""

    def __init__(self, base_url: str, log: Path) -> None:
        self.base_url = base_url
        self._log = log

    def arrivals(self) -> list[dict[str, object]]:
        """Return all requests so far, in the order in which they came."""
        lines = self._log.read_text(encoding="utf-8").splitlines()
        return sorted(map(json.loads, lines), key=lambda arrival: arrival["at_s"])


class Bench:
    """Runs cases with one interpreter; every process gets a fresh folder and a fresh sandbox."""

    def __init__(self, python: Path, *, sequential: bool) -> None:
        self._python = python
        self._sequential = sequential

    def measure(self, case: Case) -> Iterator[Measured]:
        """Measure one case once: baselines first, then the collector."""
        survey = self._survey(case)
        if self._sequential:
            yield self._baseline(case, survey, "sequential", concurrency=1)
        floor = bound = None
        if case.bound:
            bound = self._baseline(case, survey, "lower bound", concurrency=16)
            yield bound
        elif case.interval_s:
            floor = floor_of(case, survey)
        yield from self._collector(case, survey, floor, bound)

    def _survey(self, case: Case) -> Survey:
        """Read everything plainly and at once, to know what a plain reader asks for."""
        plain = replace(case, latency_s=0, interval_s=0, others=None)
        with tempfile.TemporaryDirectory() as folder, self._sandbox(plain, Path(folder)) as server:
            self._run(self._baseline_command(plain, server, 16, bound=False), Path(folder))
            pages = Counter(arrival["path"] for arrival in server.arrivals())
        longest = max(count for path, count in pages.items() if path not in SPLITTABLE)
        return Survey(requests=pages.total(), longest=longest)

    def _baseline(self, case: Case, survey: Survey, run: str, *, concurrency: int) -> Measured:
        with tempfile.TemporaryDirectory() as folder, self._sandbox(case, Path(folder)) as server:
            bound = run == "lower bound"
            command = self._baseline_command(case, server, concurrency, bound=bound)
            usage = self._run(command, Path(folder))
            return measured(case, survey, run, server.arrivals(), usage)

    def _collector(
        self, case: Case, survey: Survey, floor: float | None, bound: Measured | None
    ) -> Iterator[Measured]:
        with tempfile.TemporaryDirectory() as folder:
            for run in ("first run", "second run")[: 1 + case.twice]:
                with self._sandbox(case, Path(folder)) as server:
                    usage = self._run(self._collector_command(case, server), Path(folder))
                    result = measured(case, survey, run, server.arrivals(), usage)
                yield with_ratio(result, floor, bound)

    @contextmanager
    def _sandbox(self, case: Case, folder: Path) -> Iterator[Server]:
        log = folder / f"arrivals_{time.monotonic_ns()}.jsonl"
        log.touch()
        command = [self._python, "-m", "salesmap_async", "sandbox", "--port", 0, "--token", TOKEN]
        command += ["--records", case.records, "--forms", case.forms, "--latency", case.latency_s]
        command += ["--wide-fields", case.wide_fields, "--absent", case.absent, "--arrivals", log]
        for share in case.shares:
            command += ["--mix", share]
        command += ["--no-quota"] if case.others is None else ["--used-by-others", case.others]
        with subprocess.Popen(
            list(map(str, command)), stdout=subprocess.PIPE, text=True, env=_variables()
        ) as process:
            try:
                assert process.stdout is not None
                greeting = process.stdout.readline()
                yield Server(next(w for w in greeting.split() if w.startswith("http")), log)
            finally:
                process.terminate()

    def _baseline_command(
        self, case: Case, server: Server, concurrency: int, *, bound: bool
    ) -> list[object]:
        command: list[object] = [self._python, BASELINES, server.base_url, TOKEN]
        command += ["--pause", case.interval_s, "--concurrency", concurrency]
        return [*command, "--finish"] if bound else command

    def _collector_command(self, case: Case, server: Server) -> list[object]:
        command: list[object] = [
            self._python,
            "-m",
            "salesmap_async",
            "run",
            "--quiet",
            "--no-timeline",
        ]
        return [*command, "--base-url", server.base_url, "--min-interval", case.interval_s]

    def _run(self, command: Sequence[object], folder: Path) -> Usage:
        """Run a program to its end in `folder`. Raises ProgramFailedError."""
        with (folder / "errors.txt").open("w+", encoding="utf-8") as errors:
            started = time.monotonic()
            process = subprocess.Popen(
                list(map(str, command)),
                cwd=folder,
                env=_variables(),
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
            cpu_s, peak_mib = _wait(process)
            wall_s = time.monotonic() - started
            if process.returncode != 0:
                errors.seek(0)
                raise ProgramFailedError(f"exit code {process.returncode}: {errors.read()}")
        return Usage(wall_s=wall_s, cpu_s=cpu_s, peak_mib=peak_mib)


def floor_of(case: Case, survey: Survey) -> float:
    """Return the seconds that no reader of these lists can be faster than."""
    if case.others:
        return survey.requests * WINDOW_S / (WINDOW_REQUESTS - case.others)
    return max(survey.requests * case.interval_s, survey.longest * case.slot_s())


def measured(
    case: Case, survey: Survey, run: str, arrivals: list[dict[str, object]], usage: Usage
) -> Measured:
    """Sum up what the sandbox saw of one process."""
    times = [float(str(arrival["at_s"])) for arrival in arrivals]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    return Measured(
        case=case.letter,
        title=case.title,
        run=run,
        requests=len(times),
        plain=survey.requests,
        first_to_last_s=times[-1] - times[0],
        smallest_gap_ms=1000 * min(gaps),
        refused=sum(arrival["status"] == 429 for arrival in arrivals),
        **asdict(usage),
    )


def with_ratio(result: Measured, floor_s: float | None, bound: Measured | None) -> Measured:
    """Set the result beside its floor, or beside the lower bound of the same run."""
    if floor_s is not None:
        return replace(result, floor_s=floor_s, ratio=result.first_to_last_s / floor_s)
    if bound is None:
        return result
    cpu = result.cpu_s / bound.cpu_s if result.cpu_s and bound.cpu_s else None
    ratio = result.wall_s / bound.wall_s
    return replace(result, floor_s=bound.wall_s, ratio=ratio, cpu_ratio=cpu)


def medians(results: Iterable[Measured]) -> list[Measured]:
    """Return one line per case and run: the median of each figure."""
    groups: dict[tuple[str, str, str], list[Measured]] = {}
    for result in results:
        groups.setdefault((result.case, result.title, result.run), []).append(result)
    return [_median(group) for group in groups.values()]


def _median(group: list[Measured]) -> Measured:
    figures: dict[str, Any] = {}
    for name in [each.name for each in fields(Measured)][3:]:
        values = [getattr(result, name) for result in group]
        figures[name] = None if None in values else median(values)
    return replace(group[0], **figures)


_COLUMNS = {
    "case": "{0.case}",
    "workspace": "{0.title}",
    "run": "{0.run}",
    "requests": "{0.requests:,.0f}",
    "plain": "{0.plain:,.0f}",
    "first-last s": "{0.first_to_last_s:.1f}",
    "floor s": "{0.floor_s:.1f}",
    "ratio": "{0.ratio:.3f}",
    "gap ms": "{0.smallest_gap_ms:.1f}",
    "429": "{0.refused:.0f}",
    "wall s": "{0.wall_s:.1f}",
    "CPU s": "{0.cpu_s:.1f}",
    "CPU ratio": "{0.cpu_ratio:.2f}",
    "peak MiB": "{0.peak_mib:.0f}",
}


def as_table(results: Sequence[Measured]) -> str:
    """Return the figures as a Markdown table."""
    rows = [[_cell(form, result) for form in _COLUMNS.values()] for result in results]
    widths = [max(map(len, column)) for column in zip(_COLUMNS, *rows, strict=True)]
    lines = [list(_COLUMNS), ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    )


def _cell(form: str, result: Measured) -> str:
    try:
        return form.format(result)
    except TypeError:  # a figure that this line does not have
        return "-"


def _variables() -> dict[str, str]:
    return clean_variables(os.environ) | {"SALESMAP_TOKEN": TOKEN}


def _wait(process: "subprocess.Popen[bytes]") -> tuple[float | None, float | None]:
    """Wait for a process; return its CPU seconds and its peak memory in MiB."""
    if sys.platform == "win32":
        process.wait()
        return None, None
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / unit


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    letters = [*dict.fromkeys(case.letter for case in CASES), DASHBOARD]
    parser = argparse.ArgumentParser(description="Measure the collector against the sandbox.")
    parser.add_argument(
        "--case", default=",".join(letters), help="letters with commas (default: %(default)s)"
    )
    parser.add_argument("--repeat", type=int, default=1, help="times each; medians are shown")
    parser.add_argument("--quick", action="store_true", help=f"workspaces {QUICK} times smaller")
    parser.add_argument(
        "--no-sequential", action="store_true", help="leave out the sequential baseline"
    )
    parser.add_argument("--json", type=Path, help="write every single measurement to this file")
    options = parser.parse_args(arguments)
    options.case = [letter.strip() for letter in options.case.split(",") if letter.strip()]
    if unknown := sorted(set(options.case) - set(letters)):
        parser.error(f"no case is called {', '.join(unknown)}; there are: {', '.join(letters)}")
    if options.repeat < 1:
        parser.error("--repeat must be 1 or more")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Measure what was asked for; return the exit code."""
    make_streams_forgiving()
    options = parse(arguments)
    try:
        python = make_environment(VENV, ".[dashboard]" if DASHBOARD in options.case else ".")
    except EnvironmentFailedError as error:
        print(error, file=sys.stderr)
        return 1
    bench = Bench(python, sequential=not options.no_sequential)
    chosen = [case for case in CASES if case.letter in options.case]
    cases = [case.smaller() for case in chosen] if options.quick else chosen
    results: list[Measured] = []
    try:
        for case in cases:
            for turn in range(options.repeat):
                print(f"({case.letter}) {case.title}, {turn + 1}/{options.repeat}", file=sys.stderr)
                results += bench.measure(case)
        if DASHBOARD in options.case:
            print(measured_dashboard(python, smaller=QUICK if options.quick else 1))
    except (ProgramFailedError, bench_dashboard.ProgramFailedError) as error:
        print(error, file=sys.stderr)
        return 1
    finally:  # an hour of figures must not be lost with the last case
        if results:
            _show(results, options.json)
    return 0


def measured_dashboard(python: Path, *, smaller: int) -> str:
    """Return the endpoints of the dashboard over a big workspace, as a table."""
    with tempfile.TemporaryDirectory() as folder:
        return bench_dashboard.as_table(
            bench_dashboard.measure(python, Path(folder), smaller=smaller)
        )


def _show(results: list[Measured], json_file: Path | None) -> None:
    print(as_table(medians(results)))
    if json_file is not None:
        json_file.write_text(json.dumps(list(map(asdict, results)), indent=2), encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
