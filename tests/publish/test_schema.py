"""Names, order, types and overflow of a table, and repairs: pure functions."""

from __future__ import annotations

import json
import random

import pytest

from salesmap_async.publish.records import add_values, person_of
from salesmap_async.publish.repair import repair
from salesmap_async.publish.schema import (
    MAX_COLUMNS,
    OVERFLOW,
    fold,
    lay_out,
    name_columns,
)
from salesmap_async.store.kinds import Kind


def names_of(keys: list[str], table: str = "todo") -> dict[str, str]:
    """Return key -> column name of a layout, without the overflow."""
    layout = lay_out(table, {key: {"text"} for key in keys})
    return {column.key: column.name for column in layout.columns}


def test_columns_are_id_then_links_then_the_rest_by_code_point() -> None:
    """The order depends on the names alone."""
    keys = ["나", "zId", "b", "B", "id", "가", "aId"]
    layout = lay_out("todo", {key: {"text"} for key in keys})
    names = [name for name, _ in layout.typed_names]
    assert names == ["id", "aId", "zId", "B", "b_2", "가", "나"]


def test_the_set_of_keys_alone_decides() -> None:
    """Any order of the same keys gives the same layout."""
    keys = ["Label", "label", "LABEL", "", "a\0", "a\ud800", "a\ufffd", "_overflow", "id", "xId"]
    wanted = lay_out("todo", {key: {"text"} for key in keys})
    for seed in range(20):
        random.Random(seed).shuffle(keys)
        assert lay_out("todo", {key: {"text"} for key in keys}) == wanted


def test_keys_that_differ_by_ascii_case_get_two_columns() -> None:
    """The first by code point keeps its name, the others are numbered."""
    assert names_of(["label", "Label", "LABEL"]) == {
        "LABEL": "LABEL", "Label": "Label_2", "label": "label_3",
    }  # fmt: skip


def test_only_ascii_letters_are_folded() -> None:
    """The Kelvin sign, accents and Hangul forms are columns of their own."""
    keys = ["k", "\u212a", "É", "é", "가", "\u1100\u1161", "a ", "a"]
    assert names_of(keys) == {key: key for key in keys}
    assert fold("KÉ") == "kÉ"


def test_required_columns_keep_their_names() -> None:
    """A key that differs from `id` or a link column by case makes way."""
    names = names_of(["ID", "id", "PEOPLEID", "peopleId"], table="deal")
    assert names == {
        "ID": "ID_2", "PEOPLEID": "PEOPLEID_2", "peopleId": "peopleId",
        "organizationId": "organizationId",
    }  # fmt: skip


def test_a_mapped_name_never_takes_a_real_key() -> None:
    """`label_2` exists, so `label` becomes `label_3`."""
    assert names_of(["Label", "label", "label_2"]) == {
        "Label": "Label", "label": "label_3", "label_2": "label_2",
    }  # fmt: skip


def test_odd_names_are_mapped() -> None:
    """Empty, NUL, lone surrogate and our own `_overflow` never keep their name."""
    assert names_of(["", "a\0b", "a\ud83d", "_OVERFLOW", "_empty"]) == {
        "": "_empty_2", "a\0b": "a\ufffdb", "a\ud83d": "a\ufffd", "_OVERFLOW": "_OVERFLOW_2",
        "_empty": "_empty",
    }  # fmt: skip


def test_an_id_under_another_key_leaves_a_real_id_key_readable() -> None:
    """Where `_id` is the record's id, its `id` key becomes a mapped column."""
    layout = lay_out("sequence", {"_id": {"text"}, "id": {"integer"}}, id_key="_id")
    assert layout.typed_names == (("id", "TEXT"), ("_id", "TEXT"), ("id_2", "INTEGER"))
    assert layout.mapped == (("id", "id_2"),)


def test_past_the_limit_keys_overflow_in_order() -> None:
    """1,900 columns with `id`; the last keys go to `_overflow`, and column_map says so."""
    keys = [f"field {number:04}" for number in range(2_100)]
    layout = lay_out("todo", {key: {"text"} for key in [*keys, "id"]})
    assert len(layout.typed_names) == MAX_COLUMNS + 1
    assert layout.typed_names[-1] == (OVERFLOW, "TEXT")
    assert [key for key, _ in layout.overflow] == keys[MAX_COLUMNS - 1 :]
    assert set(layout.mapped) == {(key, OVERFLOW) for key in keys[MAX_COLUMNS - 1 :]}


def test_exactly_the_limit_does_not_overflow() -> None:
    """1,899 keys and `id` fill the table."""
    layout = lay_out("todo", {f"f{number}": {"text"} for number in range(MAX_COLUMNS - 1)})
    assert len(layout.typed_names) == MAX_COLUMNS
    assert layout.overflow == ()


def test_required_columns_never_overflow() -> None:
    """Two thousand link-like keys do not push `contents` out of webform_history."""
    layout = lay_out("webform_history", {f"a{number}Id": {"text"} for number in range(2_000)})
    assert {"contents", "createdAt", "webFormId"} <= {name for name, _ in layout.typed_names}


@pytest.mark.parametrize(
    ("kinds", "declared"),
    [
        (["text"], "TEXT"),
        (["text", "json", "huge"], "TEXT"),
        (["integer", "boolean"], "INTEGER"),
        (["number"], "REAL"),
        (["integer", "number"], ""),
        (["integer", "huge"], ""),
        (["number", "minus zero"], ""),
        (["text", "integer"], ""),
        ([], ""),
    ],
)
def test_a_type_is_declared_only_where_every_value_has_it(kinds: list[Kind], declared: str) -> None:
    """Mixed and empty columns have no declared type."""
    assert lay_out("todo", {"x": kinds}).typed_names[1] == ("x", declared)


def test_core_tables_have_their_links_without_records() -> None:
    """`id` is TEXT even then; a link column that never had a value has no type."""
    layout = lay_out("memo", {})
    links = [("dealId", ""), ("leadId", ""), ("organizationId", ""), ("peopleId", "")]
    assert list(layout.typed_names) == [("id", "TEXT"), *links]
    assert len(layout.indexes()) == 4


def test_names_of_our_own_are_never_given_away() -> None:
    """`own` names count as taken."""
    assert name_columns({"X"}, required=(), own={"x"}) == {"X": "X_2"}


def test_repair_keeps_nested_keys_apart() -> None:
    """Two keys that would become one stay two, and each repair is counted."""
    value = json.loads(r'{"\ud800": 1, "\ud801": 2, "ok": ["\udfff", "가"]}')
    assert repair(value) == ({"\ufffd": 1, "\ufffd_2": 2, "ok": ["\ufffd", "가"]}, 3)


@pytest.mark.parametrize(
    ("submission", "person"),
    [
        ({"peopleId": "p", "personId": "q"}, "p"),
        ({"peopleId": None, "personId": "q"}, "q"),
        ({"peopleId": " ", "person": {"id": "r"}}, "r"),
        ({"peopleId": 7}, 7),
        ({"peopleId": True}, None),
        ({"person": "r"}, None),
        ({"person": {"id": ""}}, None),
        ({}, None),
    ],
)
def test_the_person_of_a_submission(submission: dict[str, object], person: object) -> None:
    """`peopleId`, else `personId`, else `person.id`; blank counts as missing."""
    assert person_of(submission) == person


def test_an_added_value_wins_and_is_counted() -> None:
    """What the path says is certain; overruling another value is a repair."""
    record = {"webFormId": "other", "x": 1}
    assert add_values(record, {"webFormId": "f"}) == 1
    assert record == {"webFormId": "f", "x": 1}
    assert add_values({"webFormId": None}, {"webFormId": "f"}) == 0
