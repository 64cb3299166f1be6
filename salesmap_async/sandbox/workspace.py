"""An invented workspace: every list of the catalogue, the same for the same seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from salesmap_async.api.endpoints import ENDPOINTS
from salesmap_async.sandbox.dice import identity
from salesmap_async.sandbox.optional import small_tables
from salesmap_async.sandbox.records import Invention
from salesmap_async.sandbox.submissions import submissions_by_form
from salesmap_async.sandbox.table import Record, Table

USUAL_MIX: Mapping[str, float] = {
    "organization": 0.14,
    "people": 0.27,
    "deal": 0.20,
    "lead": 0.04,
    "memo": 0.35,
}
_CORE = frozenset(USUAL_MIX)
_FULL_PAGES = {"deal": 50}


@dataclass(frozen=True, eq=False)
class Workspace:
    """What one Salesmap workspace holds. Its tables and submissions may be changed at any time.

    `lists` has every list by its path; `submissions` has each existing form's by the form's id.
    `trash` has records by path and id that answer to their id and stand in no list. `is_plain`:
    its records have only the fields that every workspace has.
    """

    workspace_id: str
    workspace_name: str
    lists: dict[str, Table]
    submissions: dict[str, list[Record]]
    trash: dict[str, dict[str, Record]] = field(default_factory=dict)
    is_plain: bool = False

    @classmethod
    def generate(
        cls,
        *,
        records: int = 3000,
        seed: int = 7,
        mix: Mapping[str, float] | None = None,
        forms: int = 20,
        wide_fields: int = 36,
        absent: float = 0.0,
        plain: bool = False,
        log_events: int | None = None,
    ) -> Workspace:
        """Invent a workspace with `records` records in its five core lists.

        `mix`: shares of core lists; the ones not named divide the rest as usual. `forms`: web
        forms that exist. `wide_fields`: stage-tracking keys of each deal and lead. `absent`: the
        probability that a core record leaves an optional key out. `plain`: records have only the
        fields that every workspace has. `log_events`: rows of each history and activity over two
        years, with version-7 ids in order; None: a few, with ids of another kind.
        """
        counts = _counts(records, mix or {})
        invention = Invention(
            seed=seed,
            counts=counts,
            forms=forms,
            stage_fields=wide_fields,
            absent=absent,
            plain=plain,
            log_events=log_events,
        )
        return cls(
            workspace_id=identity(seed, "workspace"),
            workspace_name=f"가상 교육 주식회사 {seed}",
            lists={**_core_tables(invention), **small_tables(invention, _CORE)},
            submissions=submissions_by_form(invention),
            is_plain=plain,
        )

    def table(self, name: str) -> Table:
        """Return a list by its table name, or by its path where one table has several lists.

        Raises KeyError when there is no such list.
        """
        if name in self.lists:
            return self.lists[name]
        paths = [endpoint.path for endpoint in ENDPOINTS if endpoint.table == name]
        if len(paths) != 1:
            raise KeyError(f"{name} is not one list; its paths: {paths}")
        return self.lists[paths[0]]


def _core_tables(invention: Invention) -> dict[str, Table]:
    makers = {
        "organization": invention.organization,
        "people": invention.people,
        "deal": invention.deal,
        "lead": invention.lead,
        "memo": invention.memo,
    }
    return {
        f"/{table}": Table(
            count=invention.counts[table],
            make=make,
            id_of=partial(invention.id_of, table),
            created_us=invention.memo_created_us if table == "memo" else None,
        )
        for table, make in makers.items()
    }


def _counts(records: int, mix: Mapping[str, float]) -> dict[str, int]:
    """Divide `records`; deals fill their pages, so that their last page is a full one."""
    unknown = sorted(set(mix) - _CORE)
    if unknown:
        raise ValueError(f"mix: no core list is called {', '.join(unknown)}")
    usual_rest = sum(share for table, share in USUAL_MIX.items() if table not in mix)
    rest = max(0.0, 1 - sum(mix.values()))
    shares = {
        table: mix[table] if table in mix else rest * usual / usual_rest
        for table, usual in USUAL_MIX.items()
    }
    total = sum(shares.values())
    counts = {table: int(records * share / total) for table, share in shares.items()}
    for table, page_size in _FULL_PAGES.items():
        if counts[table] > page_size:
            counts[table] -= counts[table] % page_size
    fullest = max(counts, key=lambda table: shares[table])
    counts[fullest] += records - sum(counts.values())
    return counts
