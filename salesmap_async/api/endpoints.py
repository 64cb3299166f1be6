"""The catalogue: every list of the Salesmap v2 API that can be read, one row each.

Source: the vendor's API reference. To read a new list, add a row here; nothing else changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal
from urllib.parse import quote

from salesmap_async.errors import UsageError

WORKSPACE_PATH = "/user/me"
WEBFORM_TABLE = "webform"
ANY_LIST = "*"
"""In the place of a list key that is not documented: the one list that the answer has."""
SUBMISSION_TABLE = "webform_history"
SUBMISSION_LIST_KEY = "webFormSubmitList"
SUBMISSION_PATH = "/webForm/{id}/submit"

FIELD_TYPES = (
    "people",
    "organization",
    "deal",
    "lead",
    "product",
    "quote",
    "quote-product",
    "todo",
    "custom-object",
)
_HISTORY_OBJECTS = ("deal", "lead", "people", "organization", "custom-object")

Group = Literal["core", "usual", "optional"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One list of the API. Several may fill one table, each with ids of its own (`added`).

    `paged`: its answer carries cursors. `page_size`: records on a full page. `prior`: its usual
    share of a workspace's pages, which orders a first run. `id_key`: the key of a record's id.
    `added`: keys that the collector adds to each record, because only the path tells them.
    `single`: what one record is called in the answer to `<path>/<id>`; '' where there is no such
    request. `in_creation_order`: new records come last, and no edit moves one.
    `dated`: it can be asked for from a moment on (`startDate`), by its records' `createdAt`.
    """

    table: str
    path: str
    list_key: str
    group: Group = "core"
    paged: bool = True
    page_size: int = 50
    prior: int = 1
    id_key: str = "id"
    added: tuple[tuple[str, str], ...] = ()
    single: str = ""
    in_creation_order: bool = False
    dated: bool = False

    @property
    def chain_name(self) -> str:
        """The name under which this list's progress is kept, unique in the catalogue."""
        return self.path.removeprefix("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A list that each record of `parent` has for itself: one request for each of them.

    `path` holds the parent's id as `{id}`; `key` is added to each record, with that id.
    """

    table: str
    path: str
    parent: str
    key: str

    def of(self, parent_id: str) -> Endpoint:
        """Return the list of one parent; the key of its list in the answer is not documented."""
        return Endpoint(
            table=self.table,
            path=self.path.format(id=quote(parent_id, safe="")),
            list_key=ANY_LIST,
            group="optional",
            added=((self.key, parent_id),),
            in_creation_order=True,
        )


CHILDREN: tuple[Child, ...] = (
    *(
        Child(table=f"{kind}_quote", path=f"/{kind}/{{id}}/quote", parent=kind, key=f"{kind}Id")
        for kind in ("deal", "lead")
    ),
    *(
        Child(
            table=f"{kind}_file",
            path=f"/file?objectType={kind}&objectId={{id}}",
            parent=kind,
            key=f"{kind}Id",
        )
        for kind in ("deal", "lead", "people", "organization")
    ),
    *(
        Child(
            table=f"sequence_{what}",
            path=f"/sequence/{{id}}/{what}",
            parent="sequence",
            key="sequenceId",
        )
        for what in ("step", "enrollment")
    ),
)
"""Lists that only --include by their name reads: they cost a request for each parent."""

CHILD_TABLES: tuple[str, ...] = tuple(child.table for child in CHILDREN)


def is_log(table: str) -> bool:
    """Tell whether a table tells what happened, in a list that only grows."""
    return table != SUBMISSION_TABLE and table.endswith(("_history", "_activity"))


def list_keys(table: str) -> tuple[str, ...]:
    """Return the added keys that, before the id, tell the records of `table` apart."""
    if table == SUBMISSION_TABLE:
        return ("webFormId",)
    if table in CHILD_TABLES:
        return tuple(child.key for child in CHILDREN if child.table == table)
    added = (endpoint.added for endpoint in ENDPOINTS if endpoint.table == table)
    return tuple(dict.fromkeys(key for pairs in added for key, _ in pairs))


def submissions_of(form_id: str) -> Endpoint:
    """Return the list of one web form's submissions; they do not carry their form's id."""
    return Endpoint(
        table=SUBMISSION_TABLE,
        path=SUBMISSION_PATH.format(id=quote(form_id, safe="")),
        list_key=SUBMISSION_LIST_KEY,
        added=(("webFormId", form_id),),
        in_creation_order=True,
    )


def _camel(kebab: str) -> str:
    head, *tail = kebab.split("-")
    return head + "".join(word.title() for word in tail)


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        table="organization",
        path="/organization",
        list_key="organizationList",
        prior=40,
        single="organization",
    ),
    Endpoint(table="people", path="/people", list_key="peopleList", prior=80, single="people"),
    Endpoint(table="deal", path="/deal", list_key="dealList", prior=60, single="deal"),
    Endpoint(
        table="lead", path="/lead", list_key="leadList", page_size=10, prior=50, single="lead"
    ),
    Endpoint(
        table="memo",
        path="/memo",
        list_key="memoList",
        single="memo",
        prior=100,
        in_creation_order=True,
        dated=True,
    ),
    Endpoint(table="user", path="/user", list_key="userList", paged=False),
    Endpoint(table="team", path="/team", list_key="teamList", paged=False),
    Endpoint(table=WEBFORM_TABLE, path="/webForm", list_key="webFormList", paged=False),
    Endpoint(table="todo", path="/todo", list_key="todoList", group="optional", prior=10),
    Endpoint(table="product", path="/product", list_key="productList", group="optional", prior=5),
    Endpoint(
        table="custom_object_definition",
        path="/custom-object-definitions",
        list_key="customObjectDefinitionList",
        group="optional",
        paged=False,
    ),
    Endpoint(
        table="custom_object",
        path="/custom-object",
        list_key="customObjectList",
        group="optional",
        single="customObject",
        prior=10,
    ),
    *(
        Endpoint(
            table=f"{kind}_pipeline",
            path=f"/{kind}/pipeline",
            list_key="pipelineList",
            group="usual",
            paged=False,
        )
        for kind in ("deal", "lead")
    ),
    Endpoint(
        table="custom_pipeline",
        path="/pipeline",
        list_key="pipelineList",
        group="optional",
        paged=False,
        id_key="_id",
    ),
    Endpoint(
        table="memo_type",
        path="/memo/type-list",
        list_key="typeList",
        group="optional",
        paged=False,
        id_key="_id",
    ),
    Endpoint(
        table="sequence",
        path="/sequence",
        list_key="sequenceList",
        group="optional",
        prior=5,
        id_key="_id",
    ),
    *(
        Endpoint(
            table="field",
            path=f"/field/{kind}",
            list_key="fieldList",
            group="optional",
            paged=False,
            added=(("objectType", kind),),
        )
        for kind in FIELD_TYPES
    ),
    *(
        Endpoint(
            table=f"{kind.replace('-', '_')}_{what}",
            path=f"/{kind}/{what}",
            list_key=f"{_camel(kind)}{what.title()}List",
            group="optional",
            prior=200,
            in_creation_order=True,
        )
        for what in ("history", "activity")
        for kind in _HISTORY_OBJECTS
    ),
)

LINKS: dict[str, str] = {
    "organizationId": "organization",
    "peopleId": "people",
    "dealId": "deal",
    "leadId": "lead",
}
"""Keys of a record that name a record of another list, and that list's table."""

LINKING_TABLES = frozenset(
    endpoint.table
    for endpoint in ENDPOINTS
    if endpoint.table == "memo" or not endpoint.in_creation_order
)
"""Tables whose links should lead somewhere: histories also tell of records that were deleted, and
submissions of people who were."""

CORE_TABLES: tuple[str, ...] = (
    *(endpoint.table for endpoint in ENDPOINTS if endpoint.group == "core"),
    SUBMISSION_TABLE,
)
USUAL_TABLES: tuple[str, ...] = tuple(
    endpoint.table for endpoint in ENDPOINTS if endpoint.group == "usual"
)
"""Small lists that each run reads too; one that cannot be had is left out, whatever the reason."""

ALL_TABLES: tuple[str, ...] = tuple(
    dict.fromkeys((*CORE_TABLES, *(endpoint.table for endpoint in ENDPOINTS), *CHILD_TABLES))
)


def select_tables(
    *, only: Iterable[str] = (), skip: Iterable[str] = (), include: Iterable[str] = ()
) -> tuple[str, ...]:
    """Return the tables to read, in the catalogue's order. Items may hold commas.

    `all` is every list but those that cost a request for each record: these are named.

    Raises UsageError for a name that is not in the catalogue, or when nothing is left.
    """
    wanted = _names("--only", only) or {*CORE_TABLES, *USUAL_TABLES}
    extra = _names("--include", include, allow_all=True)
    left_out = _names("--skip", skip)
    chosen = tuple(
        table for table in ALL_TABLES if table in (wanted | extra) and table not in left_out
    )
    if not chosen:
        raise UsageError("--only, --skip and --include leave no table to read")
    for child in CHILDREN:
        if child.table in chosen and child.parent not in chosen:
            raise UsageError(
                f"{child.table} is read for each record of {child.parent}, which this run does not "
                "read",
                cure=f"read {child.parent} too, or leave {child.table} out",
            )
    return chosen


def single_of(table: str) -> Endpoint | None:
    """Return the list of `table` whose records can be asked for one by one."""
    return next((each for each in ENDPOINTS if each.table == table and each.single), None)


def endpoints_of(tables: Iterable[str]) -> tuple[Endpoint, ...]:
    """Return the catalogue's rows for `tables` (submissions have none: their forms decide)."""
    wanted = set(tables)
    return tuple(endpoint for endpoint in ENDPOINTS if endpoint.table in wanted)


def _names(flag: str, items: Iterable[str], *, allow_all: bool = False) -> set[str]:
    names = {part.strip() for item in items for part in item.split(",")} - {""}
    every = set(ALL_TABLES) - set(CHILD_TABLES) if allow_all and "all" in names else set()
    names -= {"all"} if allow_all else set()
    unknown = sorted(names - set(ALL_TABLES))
    if unknown:
        near = {n: get_close_matches(n.lower().replace("-", "_"), ALL_TABLES, 1) for n in unknown}
        meant = {name: found[0] for name, found in near.items() if found}
        said = ", ".join(f"{found} for {name}" for name, found in meant.items())
        good = sorted((names - set(unknown)) | set(meant.values()))
        raise UsageError(
            f"{flag}: no table is called {', '.join(unknown)}; there are: {', '.join(ALL_TABLES)}",
            cure=f"did you mean {said}?" if meant else "name one of these",
            instead=(flag, ",".join(good)) if good else (),
            without=(flag.removeprefix("--"),),
        )
    return names | every
