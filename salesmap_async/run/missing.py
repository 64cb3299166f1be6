"""I9: a record that the last snapshot had, or that a link names, and that no list gave, is missing.

A sample of the missing ones is asked for by id before they count as gone. Where the server still
has one, the list was not read whole (a page was lost, a cursor's record moved, a cached answer
came) and is read anew, once. What is still not listed then is in no list: it is remembered as such
in the snapshot's table `absent` and costs no request in later runs.

A link that led nowhere in the last snapshot already tells nothing new.
"""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

from salesmap_async.api.client import Client
from salesmap_async.api.endpoints import LINKING_TABLES, LINKS, single_of
from salesmap_async.api.throttle import Throttle
from salesmap_async.collect.workers import Asked, ask_records
from salesmap_async.events import Listener, Note, Warned
from salesmap_async.run.record import now
from salesmap_async.sqlite_file import column_types, opened, quoted, table_names
from salesmap_async.stop import Stop
from salesmap_async.store.missing import (
    IDS_IN_ORDER,
    Absent,
    Verdict,
    count_ids,
    keep_absent,
    named_but_not_read,
    not_read,
)
from salesmap_async.store.writer import Writer

_IDS_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One table beside the last snapshot: how many ids are new, and which are missing.

    `gone`: the last snapshot had them; `orphans`: links name them, newly. Neither in a table that
    the last snapshot did not have.
    """

    table: str
    added: int | None = None
    gone: Sequence[str] = ()
    orphans: Sequence[str] = ()

    def sample(self, most: int, seed: str) -> list[str]:
        """Return up to `most` of the missing ids, from both kinds, the same for the same seed."""
        dice = random.Random(f"{seed} {self.table}")  # noqa: S311
        orphans = sorted(set(self.orphans) - set(self.gone))
        from_orphans = min(len(orphans), max(most // 2, most - len(self.gone)))
        from_gone = min(len(self.gone), most - from_orphans)
        return [*dice.sample(sorted(self.gone), from_gone), *dice.sample(orphans, from_orphans)]


@dataclass(slots=True, kw_only=True)
class Counts:
    """What the manifest says of one table's difference; `added` None: there was nothing before."""

    added: int | None = None
    gone: int = 0
    gone_confirmed: int = 0
    unlisted: int = 0
    orphans: int = 0


@dataclass(slots=True)
class Findings:
    """What asking came to. `incomplete`: tables of which the server has more than their lists."""

    counts: dict[str, Counts] = field(default_factory=dict)
    incomplete: list[str] = field(default_factory=list)


class MissingRecords:
    """Looks for the missing records of one run.

    `final_db` holds the last snapshot, `published` are its tables that some run has read; `most` is
    how many of a table are asked for (0: none). `run_tag` seeds the samples.
    """

    def __init__(
        self,
        *,
        tables: Collection[str],
        final_db: Path,
        published: Collection[str],
        most: int,
        run_tag: str,
        writer: Writer,
        tell: Listener,
    ) -> None:
        self._tables = tuple(tables)
        self._final_db = final_db
        self._published = frozenset(published)
        self._most = most
        self._run_tag = run_tag
        self._writer = writer
        self._tell = tell

    async def look(self, client: Client, throttle: Throttle, stop: Stop) -> Findings:
        """Compare, ask, and keep what was learnt in the work DB.

        Raises StoppedError and StoreError; an answer that tells nothing is only warned about.
        """
        await self._writer.run(lambda connection: connection.execute_fetchall(IDS_IN_ORDER))
        differences = [d for d in await self._differences() if d.added is not None or d.orphans]
        wanted = [
            Asked(endpoint, record_id)
            for difference in differences
            if self._most and (endpoint := single_of(difference.table)) is not None
            for record_id in difference.sample(self._most, self._run_tag)
        ]
        answers = await ask_records(wanted, client=client, throttle=throttle, stop=stop)
        findings = Findings()
        for difference in differences:
            of_table = {
                asked.record_id: answer
                for asked, answer in answers.items()
                if asked.endpoint.table == difference.table
            }
            await self._judge(difference, of_table, findings)
        await self._writer.remember(
            missing={table: asdict(counts) for table, counts in findings.counts.items()}
        )
        return findings

    async def _judge(
        self, difference: Difference, answers: Mapping[str, bool | None], findings: Findings
    ) -> None:
        """Decide about one table; `answers`: whether the server has it, None where it says not."""
        table = difference.table
        there = [each for each, has in answers.items() if has]
        confirmed = [each for each, has in answers.items() if has is False]
        unknown = sum(has is None for has in answers.values())
        if unknown:
            self._tell(Warned(f"{table}: {unknown} missing records could not be confirmed as gone"))
        again = table in self._writer.run_values.get("read_anew", ())
        if there and not again:
            findings.incomplete.append(table)
            self._tell(
                Warned(
                    f"{table}: the server has records that its list did not give, such as "
                    f"{there[0]}: the list is read anew"
                )
            )
            return
        if there:
            self._tell(
                Warned(
                    f"{table}: {len(there)} records are there by their id, but twice not in the "
                    f"list, such as {there[0]}; they may be in the trash. The snapshot does not "
                    "have them"
                )
            )
        await self._keep(table, confirmed, "gone")
        await self._keep(table, there, "unlisted")
        gone = set(difference.gone)
        findings.counts[table] = Counts(
            added=difference.added,
            gone=len(gone),
            gone_confirmed=len(gone.intersection(confirmed)),
            unlisted=len(there),
            orphans=len(difference.orphans),
        )
        if gone or difference.orphans:
            self._tell(
                Note(
                    f"{table}: {len(gone)} records gone, {len(difference.orphans)} links lead "
                    f"nowhere; {len(answers)} asked for, {len(confirmed)} confirmed"
                )
            )

    async def _keep(self, table: str, ids: Iterable[str], verdict: Verdict) -> None:
        absent = [Absent(table=table, id=each, verdict=verdict, asked_at=now()) for each in ids]
        await self._writer.run(partial(keep_absent, absent=absent))

    # -- what is missing --------------------------------------------------------------------------

    async def _differences(self) -> list[Difference]:
        try:
            with ExitStack() as stack:
                final = None
                if self._published and self._final_db.exists():
                    final = stack.enter_context(opened(self._final_db, "ro"))
                return [await self._difference(table, final) for table in self._tables]
        except sqlite3.Error as error:
            self._tell(
                Warned(f"{self._final_db} could not be compared with what was read: {error}")
            )
            return []

    async def _difference(self, table: str, final: sqlite3.Connection | None) -> Difference:
        added: int | None = None
        gone: list[str] = []
        if final is not None and table in self._published and _has_ids(final, table):
            known = 0
            for ids in _in_batches(_ids_of(final, table)):
                known += len(ids)
                gone += await self._writer.run(partial(not_read, table=table, ids=ids))
            count = await self._writer.run(partial(count_ids, table=table))
            added = count - (known - len(gone))
            await self._remember_absent(final)
        orphans: list[str] = []
        if table in LINKS.values():
            orphans = await self._writer.run(partial(named_but_not_read, table=table))
        if final is not None and orphans:
            orphans = await asyncio.to_thread(self._new_orphans, table, orphans)
        return Difference(table=table, added=added, gone=gone, orphans=orphans)

    async def _remember_absent(self, final: sqlite3.Connection) -> None:
        """Take over what earlier runs have asked."""
        if column_types(final, "absent"):
            rows = final.execute('SELECT "table", id, verdict, asked_at FROM absent').fetchall()
            absent = [Absent(table=t, id=i, verdict=v, asked_at=at) for t, i, v, at in rows]
            await self._writer.run(partial(keep_absent, absent=absent))

    def _new_orphans(self, table: str, orphans: Sequence[str]) -> list[str]:
        """Return those of `orphans` that the last snapshot neither asked for nor had as such."""
        with opened(self._final_db, "ro") as final:
            known: set[str] = set()
            if column_types(final, "absent"):
                rows = final.execute('SELECT id FROM absent WHERE "table" = ?', (table,))
                known |= {record_id for (record_id,) in rows}
            for source, column in _links_to(table, final):
                named = f"SELECT 1 FROM {quoted(source)} WHERE {quoted(column)} = value"
                rows = final.execute(
                    f"SELECT value FROM json_each(?) WHERE EXISTS ({named})", (json.dumps(orphans),)
                )
                known |= {record_id for (record_id,) in rows}
        return [each for each in orphans if each not in known]


def _links_to(table: str, final: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    for source in table_names(final):
        columns = dict(column_types(final, source))
        for key, target in LINKS.items():
            if source in LINKING_TABLES and target == table and key in columns:
                yield source, key


def _has_ids(final: sqlite3.Connection, table: str) -> bool:
    return "id" in dict(column_types(final, table))


def _ids_of(final: sqlite3.Connection, table: str) -> Iterator[str]:
    rows = final.execute(f"SELECT id FROM {quoted(table)} WHERE id IS NOT NULL")
    return (str(record_id) for (record_id,) in rows)


def _in_batches(ids: Iterator[str]) -> Iterator[list[str]]:
    while batch := list(islice(ids, _IDS_AT_ONCE)):
        yield batch
