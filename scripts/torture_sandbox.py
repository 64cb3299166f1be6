"""A sandbox in a process of its own, what it has logged, and the content of what was published."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from salesmap_async.publish.rows import table_sha256

TOKEN = "torture-token"
KINDS: tuple[dict[str, object], ...] = (
    {"action": "status", "status": 500, "path": "/people"},
    {"action": "reset", "path": "/memo"},
    {"action": "truncate", "path": "/deal"},
    {"action": "429", "path": "/lead", "flavour": "retry_after", "seconds": 0.2},
    {"action": "success_false", "path": "/organization"},
    {"action": "html", "path": "/webForm/*"},
)
FAULTS = [kind | {"nth": nth} for kind in KINDS for nth in range(3, 30_000, 29)]

Content = dict[str, str]

_MEMORY = Path("/dev/shm")  # a kill loses no written byte: no need to wait for a disk


@dataclass(frozen=True)
class Server:
    """A sandbox process: where it listens, and where it logs arrivals."""

    base_url: str
    arrivals: Path

    def requests(self, skip: int) -> list[tuple[str, str | None]]:
        """Return (path, cursor) of every data request after the first `skip` log lines."""
        lines = self.arrivals.read_text(encoding="utf-8").splitlines()[skip:]
        answers = [json.loads(line) for line in lines]
        return [(a["path"], a["cursor"]) for a in answers if not a["path"].endswith("/user/me")]

    def count(self) -> int:
        """Return how many requests have arrived."""
        return len(self.arrivals.read_text(encoding="utf-8").splitlines())

    def environment(self) -> dict[str, str]:
        """Return the variables of a collector that reads this server."""
        return {"SALESMAP_TOKEN": TOKEN, "PATH": "", "SALESMAP_API_BASE": self.base_url}


@contextmanager
def sandbox(
    folder: Path,
    *,
    records: int,
    latency_s: float = 0.0,
    faults: bool = False,
    forms: int = 6,
    wide_fields: int = 36,
) -> Iterator[Server]:
    """Run a sandbox in its own process, quota off, until the block ends; it logs into `folder`."""
    arrivals = folder / "arrivals.jsonl"
    arrivals.touch()
    command = [sys.executable, "-m", "salesmap_async", "sandbox", "--port", "0", "--no-quota"]
    command += ["--records", str(records), "--forms", str(forms), "--latency", str(latency_s)]
    command += ["--wide-fields", str(wide_fields)]
    command += ["--token", TOKEN, "--arrivals", str(arrivals)]
    if faults:
        script = folder / "faults.json"
        script.write_text(json.dumps(FAULTS), encoding="utf-8")
        command += ["--faults", str(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            greeting = process.stdout.readline()
            yield Server(greeting.split()[1], arrivals)
        finally:
            process.terminate()


@contextmanager
def fast_folder() -> Iterator[Path]:
    """Make a temporary folder, in memory where there is such a place."""
    in_memory = str(_MEMORY) if _MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="torture-", dir=in_memory) as name:
        yield Path(name)


def content_of(db: Path) -> Content:
    """Return the content hash of every data table of a published DB, which must be sound."""
    connection = sqlite3.connect(f"{db.as_uri()}?mode=rw", uri=True)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        tables = [row[0] for row in connection.execute('SELECT "table" FROM manifest')]
        return {table: table_sha256(connection, table) for table in tables}
    finally:
        connection.close()
