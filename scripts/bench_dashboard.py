"""Measure every endpoint of the dashboard over a big, invented workspace.

    python3 scripts/bench_dashboard.py                       # about two minutes; makes its DB
    python3 scripts/bench_dashboard.py --folder /tmp/big     # keeps the DB there, or reuses it
    python3 scripts/bench_dashboard.py --json figures.json
    python3 scripts/bench_dashboard.py --clients 20 --seconds 300

The DB is published by the real command from the sandbox; the server is `serve` in a process of its
own. Each endpoint is asked a few times for the records that have most to show; the table gives
the first answer after a new snapshot (it works out the small summaries), the median of the others
and the slowest, with connection and JSON, as a client on this machine sees them.

With `--clients` so many threads then ask for all of them in turn, each from another place on, and
take compressed answers; the second table has the medians, the rate, and the server's memory.
"""

import argparse
import http.client
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from urllib.parse import quote, urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.python_version import require_python

require_python()

from scripts.environment import (  # noqa: E402
    REPOSITORY,
    EnvironmentFailedError,
    clean_variables,
    make_environment,
    make_streams_forgiving,
)

VENV = REPOSITORY / ".venv"
TOKEN = "sandbox-token"
COUNTS = {"organization": 20_000, "people": 60_000, "deal": 40_000, "memo": 150_000}
QUICK = 20
"""How much smaller everything is with --quick."""

LIST_LIMIT_MS, LIMIT_MS = 50.0, 150.0
LOADED_LIMIT_MS, LOADED_DEAL_CHECK_LIMIT_MS = 100.0, 150.0
BACKUPS = 10
DB_NAME = "big.db"


@dataclass(frozen=True, kw_only=True)
class Timing:
    """One endpoint: milliseconds, and the size of its answer."""

    endpoint: str
    first_ms: float
    median_ms: float
    slowest_ms: float
    limit_ms: float
    kilobytes: float

    @property
    def is_fast_enough(self) -> bool:
        return self.median_ms <= self.limit_ms


class ProgramFailedError(Exception):
    """The command ended with an error; the text is what it said."""


def measure(python: Path, folder: Path, *, smaller: int = 1, requests: int = 15) -> list[Timing]:
    """Return the timings of all endpoints, over a DB in `folder` that is made if there is none.

    Raises ProgramFailedError.
    """
    if not (folder / DB_NAME).exists():
        make_big_db(python, folder, smaller)
    with served(python, folder) as address:
        return [
            ask_often(address, path, limit_ms, requests)
            for path, limit_ms in endpoints(folder / DB_NAME)
        ]


def make_big_db(python: Path, folder: Path, smaller: int = 1) -> None:
    """Publish an invented workspace of COUNTS, divided by `smaller`, and pretend some backups."""
    counts = {table: count // smaller for table, count in COUNTS.items()}
    total = sum(counts.values())
    mix = [
        word for table, count in counts.items() for word in ("--mix", f"{table}={count / total}")
    ]
    sandbox = ("sandbox", "--port", "0", "--records", str(total), "--no-quota", *mix)
    with running(python, folder, *sandbox) as (first_line, _):
        variables = {"SALESMAP_TOKEN": TOKEN, "SALESMAP_API_BASE": first_line.split()[1]}
        command = ("run", "--db-path", DB_NAME, "--min-interval", "0", "--quiet")
        done = subprocess.run(
            [str(python), "-m", "salesmap_async", *command],
            cwd=folder,
            env=clean_variables(os.environ) | variables,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        raise ProgramFailedError(done.stderr)
    backups = folder / "backups"
    backups.mkdir(exist_ok=True)
    for number in range(BACKUPS):  # links take no room, and are read like files of their own
        name = f"{Path(DB_NAME).stem}_before_20250101_0000{number:02d}.db"
        os.link(folder / DB_NAME, backups / name)


def endpoints(db: Path) -> list[tuple[str, float]]:
    """Return each path to ask and what its median may be, in milliseconds."""
    org_id, person_id, deal_id = (quote(each, safe="") for each in busiest(db))
    name = quote("가상전자")
    paths = [
        *((f"/api/orgs{query}", LIST_LIMIT_MS) for query in ("", "?limit=500", "?offset=10000")),
        (f"/api/orgs?size={quote('대기업')}", LIST_LIMIT_MS),
        (f"/api/orgs?search={name}", LIST_LIMIT_MS),
        ("/api/orgs?search=zzzzz", LIST_LIMIT_MS),
    ]
    others = [
        "/api/health",
        "/api/meta",
        "/api/sizes",
        *(f"/api/orgs/{org_id}{rest}" for rest in ("", "/memos?limit=500", "/people")),
        *(
            f"/api/orgs/{org_id}/{rest}"
            for rest in ("won-summary", "won-groups-json", "won-groups-json-compact", "statepath")
        ),
        *(f"/api/people/{person_id}/{rest}" for rest in ("deals", "memos", "webforms")),
        f"/api/deals/{deal_id}/memos",
        "/api/deal-check/edu1",
        "/api/deal-check?team=edu2",
        "/api/pipeline",
        *(
            f"/api/deals{query}"
            for query in ("", "?state=open&overdue=true&sort=worth&order=desc", "?stale=true")
        ),
        f"/api/deals?text={name}",
        "/api/deal-choices",
        "/api/deal-owners",
        f"/api/search?term={name}",
        f"/api/search?term={quote('리더십')}",
        "/api/runs",
        "/api/tables",
        "/api/backups",
        "/api/checklist",
        "/api/timeline",
        "/api/changes",
        f"/api/life?table=deal&id={deal_id}",
    ]
    return paths + [(path, LIMIT_MS) for path in others]


def busiest(db: Path) -> tuple[str, str, str]:
    """Return the organization, the person and the deal that have most below them."""
    queries = (
        "SELECT organizationId FROM people WHERE organizationId IS NOT NULL",
        "SELECT peopleId FROM deal WHERE peopleId IS NOT NULL",
        "SELECT dealId FROM memo WHERE dealId IS NOT NULL",
    )
    with closing(sqlite3.connect(f"{db.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        found = [
            connection.execute(f"{query} GROUP BY 1 ORDER BY count(*) DESC LIMIT 1").fetchone()[0]
            for query in queries
        ]
    return found[0], found[1], found[2]


def ask_often(address: tuple[str, int], path: str, limit_ms: float, requests: int) -> Timing:
    """Ask one path `requests` times after a first one. Raises ProgramFailedError."""
    times_ms, size = [], 0
    with closing(http.client.HTTPConnection(*address, timeout=60)) as connection:
        for _ in range(requests + 1):
            begun = time.perf_counter()
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
            times_ms.append(1000 * (time.perf_counter() - begun))
            if answer.status != 200:
                raise ProgramFailedError(f"{path}: {answer.status} {body[:200]!r}")
            size = len(body)
    first, *others = times_ms
    return Timing(
        endpoint=path,
        first_ms=first,
        median_ms=median(others),
        slowest_ms=max(others),
        limit_ms=limit_ms,
        kilobytes=size / 1000,
    )


def measure_load(python: Path, folder: Path, *, clients: int, seconds: float) -> str:
    """Let `clients` ask side by side; return the medians and the server's memory as a table."""
    asked = endpoints(folder / DB_NAME)
    with running(python, folder, "serve", "--db-path", DB_NAME, "--port", "0") as (first, pid):
        address = _address(first)
        ends_at = time.monotonic() + seconds
        paths = [path for path, _ in asked]
        with ThreadPoolExecutor(clients) as pool:
            tours = [
                pool.submit(_tour, address, [*paths[at:], *paths[:at]], ends_at)
                for at in (number % len(paths) for number in range(clients))
            ]
            found = [timing for tour in tours for timing in tour.result()]
        memory_mib, peak_mib = _memory_mib(pid)
    times: dict[str, list[float]] = {}
    for path, ms in found:
        times.setdefault(path, []).append(ms)
    lines = [f"{clients} clients for {seconds:.0f} s: {len(found) / seconds:,.0f} answers/s, "
             f"server at {memory_mib:.0f} MiB, peak {peak_mib:.0f} MiB"]  # fmt: skip
    for path, all_ms in times.items():
        limit = LOADED_DEAL_CHECK_LIMIT_MS if "deal-check" in path else LOADED_LIMIT_MS
        late = "" if median(all_ms) <= limit else "  MISSED"
        slow = sorted(all_ms)[int(len(all_ms) * 0.95)]
        lines.append(f"{_short(path):45} p50 {median(all_ms):7.1f}  p95 {slow:7.1f}{late}")
    return "\n".join(lines)


def _tour(address: tuple[str, int], paths: list[str], ends_at: float) -> list[tuple[str, float]]:
    """Ask for all paths in turn until the time is over; return each with its milliseconds."""
    times = []
    with closing(http.client.HTTPConnection(*address, timeout=60)) as connection:
        while time.monotonic() < ends_at:
            for path in paths:
                begun = time.perf_counter()
                connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    raise ProgramFailedError(f"{path}: {answer.status}")
                times.append((path, 1000 * (time.perf_counter() - begun)))
    return times


def _memory_mib(pid: int) -> tuple[float, float]:
    """Return a process's memory now and at its peak; 0 where the system does not tell."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0, 0.0
    said = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith("Vm")}
    return int(said["VmRSS"]) / 1024, int(said["VmHWM"]) / 1024


@contextmanager
def served(python: Path, folder: Path) -> Iterator[tuple[str, int]]:
    """Serve the DB of `folder`; give host and port."""
    with running(python, folder, "serve", "--db-path", DB_NAME, "--port", "0") as (first_line, _):
        yield _address(first_line)


def _address(first_line: str) -> tuple[str, int]:
    url = urlsplit(next(word for word in first_line.split() if word.startswith("http")))
    return str(url.hostname), int(url.port or 0)


@contextmanager
def running(python: Path, folder: Path, *command: str) -> Iterator[tuple[str, int]]:
    """Run a command that serves until it is stopped; give the first line it prints, and its id."""
    process = subprocess.Popen(
        [str(python), "-m", "salesmap_async", *command],
        cwd=folder,
        env=clean_variables(os.environ),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise ProgramFailedError(f"{command[0]} ended with exit code {process.wait()}")
        yield line, process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate()


def as_table(timings: Sequence[Timing]) -> str:
    """Return the timings for people."""
    rows: list[tuple[str, ...]] = [("endpoint", "first", "median", "slowest", "limit", "kB")]
    rows += [
        (
            _short(each.endpoint),
            *(f"{ms:.1f}" for ms in (each.first_ms, each.median_ms, each.slowest_ms)),
            f"{each.limit_ms:.0f}" + ("" if each.is_fast_enough else " MISSED"),
            f"{each.kilobytes:,.0f}",
        )
        for each in timings
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
            ]
        )
        for row in rows
    )


def _short(path: str) -> str:
    """Return a path with `{id}` in the place of long ids."""
    parts = path.split("/")
    return "/".join("{id}" if len(part) >= 24 and "?" not in part else part for part in parts)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description="Measure the endpoints of the dashboard.")
    parser.add_argument("--folder", type=Path, help="keep the big DB there, or reuse it")
    parser.add_argument("--requests", type=int, default=15, help="for each median (15)")
    parser.add_argument("--quick", action="store_true", help=f"a workspace {QUICK} times smaller")
    parser.add_argument("--clients", type=int, default=0, help="then so many ask side by side")
    parser.add_argument("--seconds", type=float, default=60, help="for how long they do (60)")
    parser.add_argument("--python", type=Path, help="use this Python, not one in .venv")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Measure and show; the exit code is 1 where a median missed its limit."""
    make_streams_forgiving()
    options = parse(arguments)
    try:
        python = options.python or make_environment(VENV, ".[dashboard]")
        with tempfile.TemporaryDirectory() as temporary:
            folder = options.folder or Path(temporary)
            folder.mkdir(parents=True, exist_ok=True)
            smaller = QUICK if options.quick else 1
            timings = measure(python, folder, smaller=smaller, requests=options.requests)
            print(as_table(timings))
            if options.clients:
                load = {"clients": options.clients, "seconds": options.seconds}
                print(measure_load(python, folder, **load))
    except (EnvironmentFailedError, ProgramFailedError) as error:
        print(error, file=sys.stderr)
        return 1
    if options.json is not None:
        options.json.write_text(json.dumps(list(map(asdict, timings)), indent=2), encoding="utf-8")
    return 0 if all(each.is_fast_enough for each in timings) else 1


if __name__ == "__main__":
    raise SystemExit(main())
