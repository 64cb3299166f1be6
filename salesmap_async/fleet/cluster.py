"""A fleet on a Dask cluster: one task for each workspace, on paths that the workers share.

The scheduler gives a task of a worker that died to another one, where the run goes on from its
checkpoint. A workspace has one key, so that it is in the cluster at most once at a time; the run's
own lock holds beyond that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from salesmap_async.commandline import how_to_install
from salesmap_async.errors import SalesmapError, UsageError
from salesmap_async.fleet.runs import Outcome, Told

_RETRIES = 3
_CONNECT_S = "15s"


def run_on_cluster(
    address: str, names: Sequence[str], task: Callable[[str], Outcome], *, told: Told
) -> list[Outcome]:
    """Submit `task` for each name and return what became of each, in the order of `names`.

    Raises UsageError without `distributed`, SalesmapError where the scheduler cannot be reached.
    """
    try:
        distributed: Any = import_module("distributed")
    except ModuleNotFoundError:
        raise UsageError("--dask needs distributed", cure=how_to_install("dask")) from None
    try:
        client = distributed.Client(address, timeout=_CONNECT_S)
    except (OSError, TimeoutError, ValueError) as error:
        raise SalesmapError(f"the scheduler at {address} cannot be reached: {error}") from None
    with client:
        futures = {
            client.submit(task, name, key=_key(task, name), retries=_RETRIES, pure=False): name
            for name in names
        }
        found: dict[str, Outcome] = {}
        for future in distributed.as_completed(futures):
            name = futures[future]
            found[name] = _outcome(future, name)
            told(found[name])
        return [found[name] for name in names]


def _outcome(future: Any, name: str) -> Outcome:
    """Return what a task came to; one that no worker could end has failed."""
    try:
        outcome: Outcome = future.result()
    except Exception as error:
        said = f"no worker could end it: {error}"
        return Outcome(name=name, state="failed", exit_code=1, error=said)
    return outcome


def _key(task: Callable[[str], Outcome], name: str) -> str:
    digest = hashlib.sha256(f"{task} {name}".encode()).hexdigest()[:16]
    return f"salesmap-{digest}"
