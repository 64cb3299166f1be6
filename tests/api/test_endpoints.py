"""The catalogue of lists, and which of its tables a run reads."""

from __future__ import annotations

from typing import Any

import pytest

from salesmap_async.api.endpoints import (
    ALL_TABLES,
    CHILD_TABLES,
    CORE_TABLES,
    ENDPOINTS,
    SUBMISSION_TABLE,
    USUAL_TABLES,
    endpoints_of,
    select_tables,
    submissions_of,
)
from salesmap_async.errors import UsageError

CORE = (
    "organization",
    "people",
    "deal",
    "lead",
    "memo",
    "user",
    "team",
    "webform",
    "webform_history",
)
OBJECTS = ("deal", "lead", "people", "organization", "custom_object")

LISTS = tuple(table for table in ALL_TABLES if table not in CHILD_TABLES)
"""Those that do not cost a request for each record of another."""


def test_the_core_set() -> None:
    """Without options a run reads the nine core tables, and the pipelines."""
    assert CORE_TABLES == CORE
    assert select_tables() == (*CORE, *USUAL_TABLES)
    assert USUAL_TABLES == ("deal_pipeline", "lead_pipeline")


def test_every_list_of_the_api_is_there() -> None:
    """Each row of the API's list of endpoints is a row of the catalogue, by path and list key."""
    wanted = {
        "/organization": "organizationList",
        "/people": "peopleList",
        "/deal": "dealList",
        "/lead": "leadList",
        "/memo": "memoList",
        "/user": "userList",
        "/team": "teamList",
        "/webForm": "webFormList",
        "/todo": "todoList",
        "/product": "productList",
        "/custom-object-definitions": "customObjectDefinitionList",
        "/custom-object": "customObjectList",
        "/deal/pipeline": "pipelineList",
        "/lead/pipeline": "pipelineList",
        "/pipeline": "pipelineList",
        "/memo/type-list": "typeList",
        "/sequence": "sequenceList",
    }
    kinds = [
        "people",
        "organization",
        "deal",
        "lead",
        "product",
        "quote",
        "quote-product",
        "todo",
        "custom-object",
    ]
    wanted |= {f"/field/{kind}": "fieldList" for kind in kinds}
    for name in ("deal", "lead", "people", "organization"):
        wanted[f"/{name}/history"] = f"{name}HistoryList"
        wanted[f"/{name}/activity"] = f"{name}ActivityList"
    wanted["/custom-object/history"] = "customObjectHistoryList"
    wanted["/custom-object/activity"] = "customObjectActivityList"
    assert {endpoint.path: endpoint.list_key for endpoint in ENDPOINTS} == wanted


def test_names_in_the_work_db_are_unique() -> None:
    """Two lists never share the place where their progress is kept."""
    names = [endpoint.chain_name for endpoint in ENDPOINTS]
    assert len(names) == len(set(names))
    assert len(ALL_TABLES) == len(set(ALL_TABLES))


def test_what_only_the_path_tells_is_added_to_the_records() -> None:
    """Fields know their object's type, submissions their form."""
    added = {endpoint.path: dict(endpoint.added) for endpoint in ENDPOINTS if endpoint.added}
    assert added["/field/quote-product"] == {"objectType": "quote-product"}
    assert dict(submissions_of("f1").added) == {"webFormId": "f1"}


@pytest.mark.parametrize(
    ("form_id", "path"),
    [
        ("0af3", "/webForm/0af3/submit"),
        ("a/../b", "/webForm/a%2F..%2Fb/submit"),
        ("a?b#c", "/webForm/a%3Fb%23c/submit"),
        ("가", "/webForm/%EA%B0%80/submit"),
    ],
)
def test_a_forms_id_cannot_lead_elsewhere(form_id: str, path: str) -> None:
    """An id comes from the server, so it is one path segment and nothing more."""
    assert submissions_of(form_id).path == path


@pytest.mark.parametrize(
    ("options", "tables"),
    [
        ({"only": ("deal",)}, ("deal",)),
        ({"only": ("memo,deal", " lead ")}, ("deal", "lead", "memo")),
        ({"only": ("deal",), "include": ("todo",)}, ("deal", "todo")),
        (
            {"skip": ("memo,lead",)},
            (*(t for t in CORE if t not in ("memo", "lead")), *USUAL_TABLES),
        ),
        ({"skip": ("lead_pipeline",)}, (*CORE, "deal_pipeline")),
        ({"include": ("todo", "product")}, (*CORE, "todo", "product", *USUAL_TABLES)),
        ({"include": ("all",)}, LISTS),
        ({"include": ("all",), "skip": ("memo",)}, tuple(t for t in LISTS if t != "memo")),
        ({"only": (",deal,",)}, ("deal",)),
    ],
)
def test_tables_are_chosen(options: dict[str, Any], tables: tuple[str, ...]) -> None:
    """Repeated options and commas mean the same; the order is always the catalogue's."""
    assert select_tables(**options) == tables


@pytest.mark.parametrize(
    "options",
    [
        {"only": ("deals",)},
        {"only": ("all",)},
        {"skip": ("Deal",)},
        {"include": ("todo,nothing",)},
        {"only": ("deal",), "skip": ("deal",)},
    ],
)
def test_a_table_that_is_not_there_is_refused(options: dict[str, Any]) -> None:
    """An unknown name, or a choice that leaves nothing, is a usage error."""
    with pytest.raises(UsageError):
        select_tables(**options)


def test_an_unknown_table_is_answered_with_the_known_ones() -> None:
    """The message lists what there is."""
    with pytest.raises(UsageError, match=r"no table is called deals; there are: organization,"):
        select_tables(only=("deals",))


def test_one_table_may_have_several_lists() -> None:
    """Fields of all types come into one table; submissions have no fixed list."""
    assert len(endpoints_of(("field",))) == 9
    assert endpoints_of((SUBMISSION_TABLE,)) == ()
    assert {endpoint.table for endpoint in endpoints_of(f"{o}_history" for o in OBJECTS)} == {
        f"{o}_history" for o in OBJECTS
    }


@pytest.mark.parametrize(
    ("typed", "meant"), [("deals", "deal"), ("custom-object", "custom_object"), ("memos", "memo")]
)
def test_a_mistyped_table_gets_a_hint(typed: str, meant: str) -> None:
    """The nearest name of the catalogue."""
    with pytest.raises(UsageError, match=f"no table is called {typed}") as caught:
        select_tables(only=(typed,))
    assert f"did you mean {meant} for {typed}?" in caught.value.cure
