"""Whose web-form submissions are kept, and which forms have to be asked for them.

Both follow from the complete lists of people, deals and forms (`store/forms.py`), so they come out
the same after a resume; forms that a part of the lists names may be begun before. A list
that this run does not read is taken from the final DB.

- known people: every person. Allowed people: with `deals`, the people that any version of a deal
  names, whether known or not; with `all`, every known person.
- forms: what the allowed people's column `제출된 웹폼 목록` names; with `all`, or where no person
  has that column, every form of `/webForm`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import partial
from pathlib import Path

from salesmap_async.api.endpoints import WEBFORM_TABLE, submissions_of
from salesmap_async.collect.chains import Chain, new_chain, restored_chain
from salesmap_async.errors import UsageError
from salesmap_async.settings import PARTIAL_FIELDS, WebformPeople
from salesmap_async.store.forms import derive_forms
from salesmap_async.store.writer import Writer

SOURCE_TABLES = ("people", "deal", WEBFORM_TABLE)


class Webforms:
    """The web-form step of one run.

    `tables` are those the run reads; the other sources come from `final_db`. `published_tables`
    are those of the final DB that some run has read. Raises UsageError when a source is in neither.
    """

    def __init__(
        self,
        *,
        tables: Collection[str],
        people: WebformPeople,
        final_db: Path,
        published_tables: Iterable[str],
    ) -> None:
        self.depends_on = tuple(table for table in SOURCE_TABLES if table in set(tables))
        self._published = tuple(t for t in SOURCE_TABLES if t not in self.depends_on)
        self._people = people
        self._final_db = final_db
        missing = sorted(set(self._published) - set(published_tables))
        if missing:
            raise UsageError(
                f"webform_history needs {', '.join(missing)}, which this run does not read and "
                f"{final_db} does not have",
                cure="read them too, as below",
                instead=("--only", ",".join([*tables, *missing])),
                without=(*PARTIAL_FIELDS, "include"),
            )

    def may_start(self, open_tables: Iterable[str]) -> bool:
        """Tell whether every list this step depends on has ended."""
        return not set(open_tables) & set(self.depends_on)

    async def chains(self, writer: Writer) -> list[Chain]:
        """Work out people and forms, and return one chain per form, with its stored progress.

        Chains of forms that no record names any more are forgotten with what they have read.
        """
        return await self._chains(writer, complete=True)

    async def chains_so_far(self, writer: Writer) -> list[Chain]:
        """Return the chains of the forms that are named by what has been read until now.

        What these lists hold is decided at the end, by `chains`: here only when they are read.
        """
        return await self._chains(writer, complete=False)

    async def _chains(self, writer: Writer, *, complete: bool) -> list[Chain]:
        derive = partial(
            derive_forms, people=self._people, published=self._published, complete=complete
        )
        forms = await writer.run(derive, attach=self._final_db if self._published else None)
        endpoints = [submissions_of(form.id) for form in forms]
        rows = await writer.add_chains([new_chain(endpoint) for endpoint in endpoints])
        chains = []
        for endpoint, row, form in zip(endpoints, rows, forms, strict=True):
            chain = restored_chain(endpoint, row, label=f"form {form.name or '?'} ({form.id})")
            if form.people:
                chain.expected_pages = form.people / endpoint.page_size
            chains.append(chain)
        return chains
