"""Lists that each record of another list has for itself: quotes, file names, steps of sequences.

They are read once their parents are, because only then it is known which there are. What that
costs is told before it begins. The first parent is asked alone: a server that has no such list says
so once, not for each.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta

from salesmap_async.api.endpoints import CHILDREN, Child
from salesmap_async.collect.chains import Chain, new_chain, restored_chain
from salesmap_async.events import Event, Listener, Step, TableFinished, TableProgress, Warned
from salesmap_async.store.chains import record_ids
from salesmap_async.store.writer import Writer
from salesmap_async.times import span

_NO_SUCH_LIST = "answered 404"
_AT_ONCE = 2_000
"""Lists that are begun together: there may be one for each of a million records."""

Collect = Callable[[Sequence[Chain], Listener], Awaitable[None]]
"""Reads chains to their end, telling a listener."""


def children_of(tables: Iterable[str]) -> tuple[Child, ...]:
    """Return the lists of this kind among `tables`."""
    wanted = set(tables)
    return tuple(child for child in CHILDREN if child.table in wanted)


async def read_children(
    child: Child, writer: Writer, collect: Collect, *, interval_s: float, tell: Listener
) -> None:
    """Read a child list of every parent that this run has read. Raises like `collect`."""
    parents = await writer.run(lambda connection: record_ids(connection, child.parent))
    tell(Step(child.table, _cost(child, len(parents), interval_s)))
    counted = _Counted(child.table, tell)
    for some in (parents[:1], *_batches(parents[1:])):
        endpoints = [child.of(parent) for parent in some]
        rows = await writer.add_chains([new_chain(endpoint) for endpoint in endpoints])
        chains = list(map(restored_chain, endpoints, rows))
        await collect(chains, counted)
        counted.add(chains)
        if some == parents[:1] and any(_is_unknown(chain) for chain in chains):
            tell(Warned(f"{child.table} is left out: the server has no such list"))
            break
    tell(TableFinished(child.table, counted.pages, counted.rows, "done"))


def _batches(parents: Sequence[str]) -> Iterable[Sequence[str]]:
    return (parents[at : at + _AT_ONCE] for at in range(0, len(parents), _AT_ONCE))


def _cost(child: Child, parents: int, interval_s: float) -> str:
    """Say what reading one list for each parent costs at least."""
    least = span(timedelta(seconds=parents * interval_s))
    return f"one request for each {child.parent}: {parents:,} requests, at least {least}"


def _is_unknown(chain: Chain) -> bool:
    return chain.state == "skipped" and _NO_SUCH_LIST in chain.error


class _Counted:
    """Tells of all batches together, as of one table."""

    def __init__(self, table: str, tell: Listener) -> None:
        self._table = table
        self._tell = tell
        self.pages = 0
        self.rows = 0

    def __call__(self, event: Event) -> None:
        match event:
            case TableProgress():
                self._tell(
                    TableProgress(self._table, self.pages + event.pages, self.rows + event.rows)
                )
            case TableFinished(state="done"):
                return
            case _:
                self._tell(event)

    def add(self, chains: Iterable[Chain]) -> None:
        """Count a batch that has been read."""
        for chain in chains:
            self.pages += chain.pages
            self.rows += chain.rows
