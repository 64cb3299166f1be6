"""A list of the API that people edit while it is read, and a reader with a real Chain."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any, Literal

from salesmap_async.api.endpoints import Endpoint
from salesmap_async.api.pages import Page
from salesmap_async.collect.chains import Chain, ChainBrokenError, Storable
from tests.support.chains import resumed

Order = Literal["creation", "change, oldest first", "change, newest first", "id", "name"]
Unknown = Literal["empty", "400", "first page"]

ORDERS: tuple[Order, ...] = (
    "creation",
    "change, oldest first",
    "change, newest first",
    "id",
    "name",
)
UNKNOWN_CURSORS: tuple[Unknown, ...] = ("empty", "400", "first page")

ENDPOINT = Endpoint(table="people", path="/people", list_key="peopleList")


@dataclass
class MovingList:
    """The records of one list in the server's order. A cursor names the last record given.

    `clock` numbers all changes. `touched` are the ids of records that were not the same all the
    time.
    """

    order: Order
    unknown: Unknown
    page_size: int
    dice: random.Random
    short_pages: bool = False
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)
    requests: int = 0
    clock: int = 0

    def insert(self) -> str:
        self.clock += 1
        name = f"{self.dice.randrange(16**8):08x}"
        self.records[name] = {
            "id": name,
            "name": f"{self.dice.randrange(16**4):04x}",
            "created": self.clock,
            "changed": self.clock,
        }
        return name

    def edit(self, name: str) -> None:
        self.clock += 1
        record = dict(self.records[name], changed=self.clock)
        if self.dice.random() < 0.5:
            record["name"] = f"{self.dice.randrange(16**4):04x}"
        self.records[name] = record
        self.touched.add(name)

    def delete(self, name: str) -> None:
        del self.records[name]
        self.touched.add(name)

    def in_order(self) -> list[dict[str, Any]]:
        keys = {
            "creation": lambda r: r["created"],
            "change, oldest first": lambda r: r["changed"],
            "change, newest first": lambda r: -r["changed"],
            "id": lambda r: r["id"],
            "name": lambda r: (r["name"], r["id"]),
        }
        return sorted(self.records.values(), key=keys[self.order])

    def page(self, cursor: str | None) -> Page | None:
        """Answer one request; None stands for a 400."""
        self.requests += 1
        listed = self.in_order()
        start = 0
        if cursor is not None:
            place = next((n for n, r in enumerate(listed) if r["id"] == cursor), None)
            if place is None and self.unknown == "400":
                return None
            if place is None and self.unknown == "empty":
                return Page([], None)
            start = 0 if place is None else place + 1
        size = self.page_size - (self.dice.randrange(2) if self.short_pages else 0)
        part = listed[start : start + size]
        more = start + size < len(listed)
        return Page(list(part), part[-1]["id"] if part and more else None)


@dataclass
class Reading:
    """A chain, what the writer would hold of it, and whether it failed by name."""

    chain: Chain = field(default_factory=lambda: Chain(ENDPOINT, "people", "people"))
    rows: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    failed: str = ""

    def step(self, server: MovingList) -> None:
        """Ask one page as a worker does, and store what is to be stored."""
        page = server.page(self.chain.cursor)
        try:
            if page is None:
                self._store(self.chain.cursor_refused("unknown id"))
            else:
                self._store(self.chain.take(page))
        except ChainBrokenError as error:
            self.chain.fail(str(error))
            self.failed = str(error)

    def resume(self) -> None:
        self.chain = resumed(self.chain)

    def _store(self, storable: Storable) -> None:
        if storable.restart:
            self.rows.clear()
        known: list[dict[str, Any]] = []
        if storable.known_pages is not None:
            first, last = storable.known_pages
            known = [record for page, record in self.rows if first <= page <= last]
        for record in storable.records:
            if record in known:
                known.remove(record)
            else:
                self.rows.append((storable.page, record))

    @property
    def published(self) -> dict[str, dict[str, Any]]:
        """The records by id, as they would be published: of two versions the later one."""
        return {record["id"]: record for _, record in self.rows}
