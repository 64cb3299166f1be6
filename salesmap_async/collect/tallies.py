"""What has been read of each table, over all its chains: counted from them whenever it is told."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from salesmap_async.collect.chains import Chain
from salesmap_async.events import Listener, Note, TableFinished, TableProgress, Warned


class Tallies:
    """The chains of a run by table. Tells how far each table is, and once that it has ended."""

    def __init__(self, tell: Listener) -> None:
        self._tell = tell
        self._chains: dict[str, list[Chain]] = {}
        self._awaited: set[str] = set()
        self._errors: dict[str, str] = {}
        self._finished: set[str] = set()

    def add(self, chains: Iterable[Chain]) -> None:
        """Count these chains too."""
        tables = dict.fromkeys(chain.endpoint.table for chain in chains)
        for chain in chains:
            self._chains.setdefault(chain.endpoint.table, []).append(chain)
        for table in tables:
            self.tell_if_complete(table)

    def await_chains(self, table: str) -> None:
        """Keep `table` open until `all_known`: which chains it has is not known yet."""
        self._chains.setdefault(table, [])
        self._awaited.add(table)

    def all_known(self, table: str, error: str = "") -> None:
        """Note that no more chains will be added; `error` says why some never will be."""
        self._awaited.discard(table)
        if error:
            self._errors[table] = error
        self.tell_if_complete(table)

    def tell_page(self, chain: Chain) -> None:
        """Tell what a page of `chain` has changed."""
        table = chain.endpoint.table
        self._tell(TableProgress(table, self.pages([table]), self._rows(table)))
        if chain.remark and chain.ended:
            self._tell(Note(f"{table}: {chain.label} ends here by the API's word: {chain.remark}"))
        if chain.state == "skipped":
            self._tell(Warned(f"{table}: {chain.error}"))
        self.tell_if_complete(table)

    def tell_if_complete(self, table: str) -> None:
        """Tell that `table` has ended, if it has and that was not told yet."""
        if table in self._finished or self._is_open(table):
            return
        self._finished.add(table)
        pages, rows, error = self.pages([table]), self._rows(table), self.error(table)
        self._tell(TableFinished(table, pages, rows, "failed" if error else "done", error))

    def open_tables(self) -> set[str]:
        """Return the tables that are still being read."""
        return {table for table in self._chains if self._is_open(table)}

    def pages(self, tables: Collection[str]) -> int:
        """Return the pages of these tables together."""
        return sum(chain.pages for table in tables for chain in self._counted(table))

    def error(self, table: str) -> str:
        """Return why `table` is not complete, '' where nothing is wrong."""
        failed = (chain.error for chain in self._counted(table) if chain.state == "failed")
        return self._errors.get(table) or next(failed, "")

    def errors(self) -> dict[str, str]:
        """Return the tables that failed, and why."""
        return {table: error for table in self._chains if (error := self.error(table))}

    def _is_open(self, table: str) -> bool:
        return table in self._awaited or any(not chain.ended for chain in self._counted(table))

    def _rows(self, table: str) -> int:
        return sum(chain.rows for chain in self._counted(table))

    def _counted(self, table: str) -> list[Chain]:
        return [chain for chain in self._chains.get(table, ()) if not chain.dropped]
