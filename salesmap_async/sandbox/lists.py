"""What the workspace answers to a path and its query: the `data` object of a good answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import unquote

from salesmap_async.api.endpoints import (
    CHILDREN,
    ENDPOINTS,
    SUBMISSION_PATH,
    WORKSPACE_PATH,
    Child,
    Endpoint,
    submissions_of,
)
from salesmap_async.sandbox.dice import Dice, identity
from salesmap_async.sandbox.pages import (
    DateFilter,
    UnknownCursorError,
    filters_of,
    list_data,
    page_of,
)
from salesmap_async.sandbox.table import Table
from salesmap_async.sandbox.workspace import Workspace

Data = dict[str, Any]
UnknownCursor = Literal["refuse", "empty"]

_SUBMISSIONS = re.compile(r"/webForm/([^/]+)/submit")
_ONE_OBJECT = frozenset({"/memo", "/custom-object"})
_BY_PATH = {endpoint.path: endpoint for endpoint in ENDPOINTS}


class NoSuchRecordError(Exception):
    """A record that does not exist (any more), asked for by its id in the list at this path."""


class NoSuchFormError(Exception):
    """A form that does not exist any more, or belongs to another workspace."""


class ListReader:
    """Reads the workspace as it is at the moment of each request.

    `unknown_cursor`: whether a paged list refuses a cursor it does not know, or ends there.
    `date_filter`: what it makes of dates. `offset_cursors`: its cursors count records.
    """

    def __init__(
        self,
        workspace: Workspace,
        *,
        unknown_cursor: UnknownCursor,
        date_filter: DateFilter,
        offset_cursors: bool,
    ) -> None:
        self._workspace = workspace
        self._date_filter = date_filter
        self._offset_cursors = offset_cursors
        self._unknown_cursor = unknown_cursor
        self._detours: dict[str, str | None] = {}

    def data(self, path: str, query: Mapping[str, str]) -> Data:
        """Return what is asked for.

        Raises NoSuchFormError, NoSuchRecordError, BadParameterError, UnknownCursorError.
        """
        child = child_at(path, query)
        if child is not None:
            return self._children(*child)
        endpoint = endpoint_at(path)
        if endpoint is None and (found := _single_at(path)) is not None:
            return self._record(*found)
        if endpoint is None:
            return self._me()
        try:
            return self._page(endpoint, query)
        except UnknownCursorError:
            if self._unknown_cursor == "refuse":
                raise
            return {endpoint.list_key: [], "nextCursor": None}

    def detour(self, cursor: str | None) -> str:
        """Return a new cursor that stands for the same place in the list as `cursor`."""
        name = f"detour-{len(self._detours)}"
        self._detours[name] = self._straight(cursor)
        return name

    def first_cursor(self, path: str, query: Mapping[str, str]) -> str | None:
        """Return the next cursor of the first page."""
        data = self.data(path, {key: query[key] for key in query if key != "cursor"})
        return data.get("nextCursor") or data.get("nextCurosr")

    def _me(self) -> Data:
        room = {"id": self._workspace.workspace_id, "name": self._workspace.workspace_name}
        first_user = next(iter(self._workspace.table("user")), {})
        return {"user": {**first_user, "room": room}}

    def _children(self, child: Child, parent_id: str) -> Data:
        """Return what a record has of such a list: none, one or two, by its id alone."""
        parents = self._workspace.lists[next(e.path for e in ENDPOINTS if e.table == child.parent)]
        if parents.position(parent_id) is None:
            raise NoSuchRecordError(f"/{child.parent}")
        what = child.table.partition("_")[2]
        dice = Dice(parent_id, child.table)
        records = [
            {"id": identity(parent_id, child.table, number), "name": f"{what} {number}"}
            for number in range(dice.below(3))
        ]
        return {f"{what}List": records, "nextCursor": None}

    def _record(self, endpoint: Endpoint, record_id: str) -> Data:
        """Return one record, a list of one for the lists that answer so."""
        table = self._workspace.lists[endpoint.path]
        place = table.position(record_id)
        trash = self._workspace.trash.get(endpoint.path, {})
        record = trash.get(record_id) if place is None else table.peek(place)
        if record is None:
            raise NoSuchRecordError(endpoint.path)
        return {endpoint.single: record if endpoint.path in _ONE_OBJECT else [record]}

    def _page(self, endpoint: Endpoint, query: Mapping[str, str]) -> Data:
        table = self._table(endpoint)
        cursor = self._straight(query.get("cursor")) if endpoint.paged else None
        size = endpoint.page_size if endpoint.paged else max(1, len(table))
        filters = filters_of(endpoint.path, query, self._date_filter)
        page = page_of(
            table, cursor=cursor, size=size, filters=filters, by_place=self._offset_cursors
        )
        return list_data(endpoint, page, cursor=cursor)

    def _table(self, endpoint: Endpoint) -> Table:
        form = _SUBMISSIONS.fullmatch(endpoint.path)
        if form is None:
            return self._workspace.lists[endpoint.path]
        if form[1] not in self._workspace.submissions:
            raise NoSuchFormError(form[1])
        return Table(self._workspace.submissions[form[1]])

    def _straight(self, cursor: str | None) -> str | None:
        return self._detours.get(cursor, cursor) if cursor else None


PATHS_PATH = "/openapi"


def openapi_document(root: str) -> dict[str, Any]:
    """Return what `/openapi` says: every path, with names for its parameters and no more."""
    paths = [
        WORKSPACE_PATH,
        SUBMISSION_PATH,
        *_BY_PATH,
        *(f"{path}/{{id}}" for path, endpoint in _BY_PATH.items() if endpoint.single),
        *dict.fromkeys(child.path.partition("?")[0] for child in CHILDREN),
    ]
    return {
        "openapi": "3.0.0",
        "info": {"title": "Salesmap", "version": "2"},
        "paths": {f"{root.removeprefix('/api')}{path}": {"get": {}} for path in paths},
    }


def is_route(path: str) -> bool:
    """Tell whether the API has something at `path`."""
    known = path == WORKSPACE_PATH or endpoint_at(path) is not None
    return known or _single_at(path) is not None or path in _CHILD_ROUTES or _is_child(path)


_CHILD_ROUTES = frozenset(child.path.partition("?")[0] for child in CHILDREN)


def _is_child(path: str) -> bool:
    return child_at(path, {}) is not None


def _single_at(path: str) -> tuple[Endpoint, str] | None:
    """Return the list and the id of a path that asks for one record; None for other paths."""
    folder, _, record_id = path.rpartition("/")
    endpoint = _BY_PATH.get(folder)
    if endpoint is None or not endpoint.single or not record_id:
        return None
    return endpoint, unquote(record_id)


def child_at(path: str, query: Mapping[str, str]) -> tuple[Child, str] | None:
    """Return the list that each record of another has for itself, and whose it is; None: none."""
    for child in CHILDREN:
        route, _, fixed = child.path.partition("?")
        pattern = re.escape(route).replace(re.escape("{id}"), "([^/]+)")
        found = re.fullmatch(pattern, path)
        if found is None:
            continue
        wanted = dict(pair.split("=") for pair in fixed.split("&") if pair)
        if not wanted:
            return child, unquote(found[1])
        if query.get("objectType") == wanted["objectType"] and "objectId" in query:
            return child, query["objectId"]
    return None


def endpoint_at(path: str) -> Endpoint | None:
    """Return the list at `path`, None when there is none."""
    form = _SUBMISSIONS.fullmatch(path)
    return submissions_of(form[1]) if form is not None else _BY_PATH.get(path)
