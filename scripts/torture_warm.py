"""A process that has everything imported and forks one collector after the other.

Starting Python costs more than a tiny run does. What is forked is the real command in a process of
its own: its own folder, environment, output and exit code. Used as a program it reads one JSON line
for each run from stdin and answers each with one line; `WarmCollector` is the other end of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

LIMIT_S = 120
"""A run that takes longer hangs, and is ended by SIGALRM."""


@dataclass(frozen=True)
class Ended:
    """How one run ended: exit code (negative: killed by that signal) and what it printed."""

    code: int
    out: str
    err: str


class WarmCollector:
    """Runs `python -m salesmap_async` again and again; one run at a time."""

    def __init__(self, process: subprocess.Popen[str], output: Path) -> None:
        self._process = process
        self._output = output

    def run(self, folder: Path, arguments: Sequence[str], environ: Mapping[str, str]) -> Ended:
        """Run one command in `folder` with exactly the variables of `environ`."""
        order = {
            "folder": str(folder),
            "arguments": list(arguments),
            "environ": dict(environ),
            "output": str(self._output),
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        out, err = (_text(self._output.with_suffix(ending)) for ending in (".out", ".err"))
        return Ended(code, out, err)


@contextmanager
def warm_collector(output: Path, preload: Path | None = None) -> Iterator[WarmCollector]:
    """Start the process, with `preload` as LD_PRELOAD; `output` names where runs may print."""
    environ = {"PATH": os.environ.get("PATH", "")}
    if preload is not None:
        environ["LD_PRELOAD"] = str(preload)
    command = [sys.executable, str(Path(__file__).resolve())]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ
    ) as process:
        yield WarmCollector(process, output)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _serve() -> None:
    """Fork one child per line; the parent answers with its exit code, the child becomes the run."""
    import salesmap_async.run.snapshot  # noqa: F401  (what is imported here, no child imports again)
    from salesmap_async.__main__ import main

    if sys.platform == "win32":
        raise SystemExit("Windows cannot fork")
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(order)
            main()
            return
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _become(order: dict[str, object]) -> None:
    """Give this process the folder, variables, streams and arguments of the run it is to be."""
    import signal

    output = Path(str(order["output"]))
    for number, path in enumerate((Path(os.devnull), *map(output.with_suffix, (".out", ".err")))):
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC if number else os.O_RDONLY
        descriptor = os.open(path, flags, 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(str(order["folder"]))
    arguments, environ = order["arguments"], order["environ"]
    assert isinstance(arguments, list)
    assert isinstance(environ, dict)
    sys.argv = ["salesmap_async", *arguments]
    if sys.platform != "win32":
        signal.alarm(LIMIT_S)
    os.environ.clear()
    os.environ.update(environ)


if __name__ == "__main__":
    _serve()
