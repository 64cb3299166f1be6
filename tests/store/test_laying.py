"""How records are laid out: what is stored tells each one as it came, whatever the others had."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from salesmap_async import exact_json
from salesmap_async.store.kinds import Kinds, from_json
from salesmap_async.store.laying import SPARSE, LaidPage, Laying, came

VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3)
    | st.lists(st.none() | st.integers(), max_size=2)
)
RECORDS = st.dictionaries(st.sampled_from([*"abcdefghijklmnop", "반쪽 \ud83d"]), VALUES)
PAGES = st.lists(st.lists(st.tuples(st.none() | st.text(max_size=2), RECORDS), max_size=5))

Named = tuple[str | None, Mapping[str, Any]]


class Reader:
    """Reads pages back as the work DB's reader does: by the keys and shapes stored until then."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.shapes: dict[int, Sequence[str]] = {}
        self.kinds = "{}"

    def read(self, page: LaidPage) -> list[Named]:
        for place, key in page.keys:
            assert place == len(self.keys)
            self.keys.append(key)
        self.shapes |= {number: keys for keys, number in page.shapes.items()}
        self.kinds = page.kinds or self.kinds
        return [(each.id, self._record(each.shape, each.nulls, each.body)) for each in page.records]

    def _record(self, shape: int | None, nulls: str | None, body: str) -> dict[str, Any]:
        values = exact_json.loads(body.encode())
        keys = self.keys[: len(values)] if shape is None else self.shapes[shape]
        return came(keys, values, nulls)


def told(record: Mapping[str, Any]) -> str:
    """Return a record as text in which 1, 1.0, true, -0.0 and a missing key differ."""
    return json.dumps(record, sort_keys=True)


@given(PAGES, st.integers(0, 5))
def test_every_record_is_read_as_it_came(
    pages: list[list[tuple[str | None, dict[str, Any]]]], resumed_at: int
) -> None:
    """Nulls and missing keys are told apart, over pages and over a resume; so are kinds."""
    laying, reader, kinds = Laying(), Reader(), Kinds()
    for number, page in enumerate(pages):
        if number == resumed_at:
            laying = Laying()
            laying.learn(len(reader.shapes), {"a": (reader.keys, reader.kinds)})
        found = reader.read(laying.lay_out("a", page))
        assert [(name, told(record)) for name, record in found] == [
            (name, told(record)) for name, record in page
        ]
        for _, record in page:
            kinds.add(record)
    assert from_json(reader.kinds) == kinds.by_key()


@given(st.lists(RECORDS, min_size=1))
def test_a_record_without_an_id_keeps_the_order_of_its_keys(records: list[dict[str, Any]]) -> None:
    """It is ordered and compared by its own text."""
    laid = Laying().lay_out("a", [(None, record) for record in records])
    shapes = {number: keys for keys, number in laid.shapes.items()}
    assert not laid.keys
    assert [list(shapes[each.shape or 0]) for each in laid.records] == list(map(list, records))


def test_the_keys_of_a_list_are_stored_once() -> None:
    """However often records leave some out; new ones are told with the page that has them."""
    laying = Laying()
    first = laying.lay_out("a", [("1", {"id": "1", "x": 1}), ("2", {"id": "2", "y": None})])
    assert first.keys == [(0, "id"), (1, "x"), (2, "y")]
    assert [each.body for each in first.records] == ['["1",1,null]', '["2",null,null]']
    assert [each.nulls for each in first.records] == [None, "[2]"]
    again = laying.lay_out("a", [("3", {"y": 1}), ("4", {"z": 1, "y": 2, "x": None, "id": "4"})])
    assert (again.keys, again.shapes) == ([(3, "z")], {})
    assert [each.nulls for each in again.records] == [None, ""]


def test_a_record_with_few_of_the_keys_keeps_its_own() -> None:
    """A list whose keys grow for ever does not make every record as wide as all of them."""
    laying = Laying()
    wide = {f"k{number}": number for number in range(SPARSE * 2 + 1)}
    laying.lay_out("a", [("1", wide)])
    narrow = laying.lay_out("a", [("2", {"id": "2", "new": None})])
    assert (narrow.keys, narrow.shapes) == ([], {("id", "new"): 1})
    assert narrow.records[0].body == '["2",null]'
