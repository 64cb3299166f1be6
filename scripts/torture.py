"""Break the real collector in every way that this machine allows, and look at what it publishes.

    python scripts/torture.py kills --runs 20 --kills 100 --faults   # random SIGKILLs under load
    python scripts/torture.py paces --records 20000                  # nothing is killed
    python scripts/torture.py crash [--scene full] [--mode kill]     # at every single I/O call
    python scripts/torture.py planted                                # bugs that a test must catch

A sandbox serves one invented workspace in a process of its own; every run is the real command.
Needs the installed package with its extra `dev`, and a C compiler on Linux for `crash`. The exit
code is 1 if any run differs from an undisturbed one, or a planted bug survives.
"""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.torture_crash import MODES, SCENES, NoShimError, crash_everywhere
from scripts.torture_kills import read_at_every_pace, torture
from scripts.torture_planted import try_planted_bugs
from scripts.torture_sandbox import fast_folder, sandbox


def kills(options: argparse.Namespace) -> bool:
    """Kill runs at random moments; True if all published the same."""
    print(f"seed {options.seed}")
    with (
        fast_folder() as root,
        sandbox(root, records=options.records, latency_s=0.05, faults=options.faults) as server,
    ):
        dice = random.Random(options.seed)
        return torture(server, root, dice, runs=options.runs, kills=options.kills)


def paces(options: argparse.Namespace) -> bool:
    """Read one workspace at different paces; True if all published the same."""
    with fast_folder() as root, sandbox(root, records=options.records) as server:
        return read_at_every_pace(server, root)


def crash(options: argparse.Namespace) -> bool:
    """Let every I/O call go wrong; True if each run ended as it should and could be resumed."""
    all_right = True
    for scene in options.scene or SCENES:
        with fast_folder() as root:
            all_right &= crash_everywhere(root, scene, options.mode or MODES, options.every)
    return all_right


def planted(options: argparse.Namespace) -> bool:
    """Plant bugs in copies of the repository; True if the tests caught each."""
    with fast_folder() as root:
        return try_planted_bugs(root, only=options.only)


def main(arguments: list[str] | None = None) -> int:
    """Run one kind of torture; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return 0 if options.torture(options) else 1
    except NoShimError as error:
        print(f"crash needs a C compiler and LD_PRELOAD: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    kinds = parser.add_subparsers(required=True, metavar="KIND")
    one = kinds.add_parser("kills", help="SIGKILL at random moments, resume, compare")
    one.add_argument("--runs", type=int, default=20, help="runs, at least")
    one.add_argument("--kills", type=int, default=50, help="kills in all, at least")
    one.add_argument("--records", type=int, default=2500)
    one.add_argument("--seed", type=int, default=1)
    one.add_argument("--faults", action="store_true", help="with 429s, 5xx, resets ...")
    one.set_defaults(torture=kills)
    one = kinds.add_parser("paces", help="every concurrency and checkpoint interval")
    one.add_argument("--records", type=int, default=2500)
    one.set_defaults(torture=paces)
    one = kinds.add_parser("crash", help="a kill or an error at every I/O call")
    one.add_argument("--mode", action="append", choices=MODES, help="default: all")
    one.add_argument("--scene", action="append", choices=SCENES, help="default: all")
    one.add_argument("--every", type=int, default=1, help="only every n-th call")
    one.set_defaults(torture=crash)
    one = kinds.add_parser("planted", help="plant bugs that the tests must catch")
    one.add_argument("--only", default="", help="only bugs with this text in their name")
    one.set_defaults(torture=planted)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
