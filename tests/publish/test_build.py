"""From a work DB to a built snapshot: real files, read back by plain SQL."""

from __future__ import annotations

import json
import random
import sqlite3
import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salesmap_async.api.endpoints import CORE_TABLES
from salesmap_async.errors import PublishError, StoreError
from salesmap_async.events import Event, Note, ignore
from salesmap_async.exact_json import without_lone_surrogates
from salesmap_async.publish.build import BuildRequest, build_snapshot
from salesmap_async.publish.manifest import ManifestRow
from salesmap_async.publish.repair import repair
from salesmap_async.publish.rows import rows_at_once, table_sha256
from salesmap_async.publish.schema import OVERFLOW
from salesmap_async.sqlite_file import quoted
from tests.support.built import build, reading, rows_of
from tests.support.work_db_maker import ChainSpec, make_work_db


def types_of(path: Path, table: str) -> dict[str, str]:
    with reading(path) as connection:
        return {
            name: declared
            for _, name, declared, *_ in connection.execute(f"PRAGMA table_info({quoted(table)})")
        }


def todo(*records: Mapping[str, Any], **more: Any) -> ChainSpec:
    return ChainSpec(table="todo", records=records, **more)


def test_values_keep_their_json_kind(tmp_path: Path) -> None:
    """Text, integers, numbers, booleans, objects, lists and nulls, each as it came."""
    path, _ = build(
        tmp_path,
        [
            todo(
                {"id": "1", "전화": "01012345678", "금액": 150, "비율": 1.0, "ok": True},
                {
                    "id": "2",
                    "담당자": {"이름": "홍길동", "n": 1.0},
                    "목록": [1, "가"],
                    "금액": None,
                },
            )
        ],
    )
    first, second = rows_of(path, "todo")
    assert first["전화"] == "01012345678"
    assert (first["금액"], first["ok"]) == (150, 1)
    assert type(first["비율"]) is float
    assert second["담당자"] == '{"이름":"홍길동","n":1.0}'
    assert second["목록"] == '[1,"가"]'
    assert second["금액"] is None
    types = types_of(path, "todo")
    assert (types["전화"], types["금액"], types["비율"], types["담당자"]) == (
        "TEXT", "INTEGER", "REAL", "TEXT",
    )  # fmt: skip


@pytest.mark.parametrize("value", ["", "0", "x''", 0, 0.0, False, [], {}, None])
def test_only_null_is_stored_as_null(tmp_path: Path, value: object) -> None:
    """Rows are bound with a stand-in for NULL; no empty or false value is mistaken for it."""
    path, manifest = build(tmp_path, [todo({"id": "1", "값": value}, {"id": "2", "값": "글"})])
    assert (rows_of(path, "todo")[0]["값"] is None) == (value is None)
    with reading(path) as connection:
        assert table_sha256(connection, "todo") == manifest["todo"].content_sha256


def test_big_integers_are_exact_beside_null(tmp_path: Path) -> None:
    """2**53 + 1 stays an integer; 2**63 and more become decimal text, and the column untyped."""
    path, _ = build(
        tmp_path,
        [
            todo(
                {"id": "1", "a": 9007199254740993, "b": 2**63, "c": -(2**63)},
                {"id": "2", "a": None, "b": 1, "c": 10**30},
            )
        ],
    )
    first, second = rows_of(path, "todo")
    assert (first["a"], first["b"], first["c"]) == (9007199254740993, str(2**63), -(2**63))
    assert (second["b"], second["c"]) == (1, str(10**30))
    assert types_of(path, "todo") == {"id": "TEXT", "a": "INTEGER", "b": "", "c": ""}


def test_mixed_numbers_stay_apart(tmp_path: Path) -> None:
    """`24000` and `24000.0` on two pages, and -0.0, read back as they came."""
    path, _ = build(
        tmp_path,
        [todo({"id": "1", "x": 24000, "z": -0.0}, {"id": "2", "x": 24000.0, "z": 0.5})],
    )
    first, second = rows_of(path, "todo")
    assert (repr(first["x"]), repr(second["x"])) == ("24000", "24000.0")
    assert repr(first["z"]) == "-0.0"


def test_lone_surrogates_are_repaired_and_counted(tmp_path: Path) -> None:
    """In a value, nested, and in a key."""
    path, manifest = build(
        tmp_path,
        [todo({"id": "1", "memo": "\ud83d!", "deep": [{"\ud800": "\udc00"}], "k\ud801": "가"})],
    )
    (row,) = rows_of(path, "todo")
    assert row["memo"] == "\ufffd!"
    assert json.loads(row["deep"]) == [{"\ufffd": "\ufffd"}]
    assert row["k\ufffd"] == "가"
    assert manifest["todo"].repaired == 4


def test_odd_names_are_in_the_column_map(tmp_path: Path) -> None:
    """Case pairs, quotes, the empty name and NUL lose nothing."""
    record = {"id": "1", "Label": 1, "label": 2, 'qu"ote': 3, "": 4, "n\0l": 5, "rowid": 6}
    path, _ = build(tmp_path, [todo(record)])
    (row,) = rows_of(path, "todo")
    with reading(path) as connection:
        mapped = dict(
            connection.execute('SELECT "key", "column" FROM column_map WHERE "table" = ?', ["todo"])
        )
    assert {key: row[mapped.get(key, key)] for key in record} == record
    assert mapped.keys() == {"label", "", "n\0l"}


def test_2100_fields_are_all_readable(tmp_path: Path) -> None:
    """1,900 columns and a JSON column for the rest."""
    record = {"id": "1"} | {f"필드 {number}": number for number in range(2_100)}
    path, manifest = build(tmp_path, [todo(record, {"id": "2"})])
    first, second = rows_of(path, "todo")
    assert manifest["todo"].column_count == 1_901
    spilled = json.loads(first.pop(OVERFLOW))
    assert len(spilled) == 201
    assert first | spilled == record
    assert second[OVERFLOW] is None


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.sampled_from([0.0, -0.0, 24000.0, 2**63, 2**64, 9007199254740993, "010", "1.0", ""])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
KEYS = st.sampled_from(
    ["Label", "label", "LABEL", "label_2", "", "_empty", "_overflow", "_Overflow", "rowid", "oid",
     'a"b', "ID", "a\0b", "a\ufffdb", "\ud800", "x\ud83d", "이름", "peopleId", "PeopleId"]
) | st.text(max_size=4)  # fmt: skip


def as_readable(value: Any) -> Any:
    """Return what a reader of the DB may expect for a top-level JSON value."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        return without_lone_surrogates(value)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return str(value)
    return value


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.dictionaries(KEYS, JSON_VALUES, max_size=8), min_size=1, max_size=5))
def test_hostile_records_are_read_back_key_by_key(records: list[dict[str, Any]]) -> None:
    """Whatever JSON holds comes back through column_map with its kind."""
    for number, record in enumerate(records):
        record["id"] = f"id {number}"
    with tempfile.TemporaryDirectory() as directory:
        path, manifest = build(Path(directory), [todo(*records)])
        rows = rows_of(path, "todo")
        with reading(path) as connection:
            pairs = connection.execute('SELECT "key", "column" FROM column_map').fetchall()
            assert table_sha256(connection, "todo") == manifest["todo"].content_sha256
    # Two broken keys may read the same once repaired: then any of their columns may hold it.
    columns: dict[str, list[str]] = {}
    for key, column in pairs:
        columns.setdefault(key, []).append(column)
    for record, row in zip(records, rows, strict=True):
        for key, value in record.items():
            name = without_lone_surrogates(key)
            candidates = [*columns.get(name, []), *([name] if name in row else [])]
            assert any(_same(row[column], as_readable(value)) for column in candidates), key


def _same(stored: Any, value: Any) -> bool:
    if isinstance(value, dict | list):
        wanted, _ = repair(value)
        return stored is not None and json.dumps(json.loads(stored)) == json.dumps(wanted)
    return type(stored) is type(value) and repr(stored) == repr(value)


def people(count: int) -> list[dict[str, Any]]:
    source = random.Random(7)
    return [
        {
            "id": f"{source.getrandbits(64):016x}",
            "이름": f"사람 {number}",
            "organizationId": str(number % 7) if number % 3 else None,
            "점수": source.choice([1, 1.5, "없음", None, True]),
            **({f"늦은 필드 {number % 5}": number} if number > count // 2 else {}),
        }
        for number in range(count)
    ]


def test_order_of_arrival_and_paging_do_not_matter(tmp_path: Path) -> None:
    """Shuffled inserts and other page sizes give the same fingerprint and the same bytes."""
    records = [*people(300), {"이름": "no id"}, {"이름": "another"}]
    builds = [
        build(
            tmp_path,
            [ChainSpec(table="people", records=records, page_size=page_size)],
            name=f"built {page_size}.db",
            shuffle_seed=page_size,
        )
        for page_size in (1, 7, 50)
    ]
    shuffled = random.Random(3).sample(records, len(records))
    builds.append(build(tmp_path, [ChainSpec(table="people", records=shuffled)], name="other.db"))
    assert len({manifest["people"].content_sha256 for _, manifest in builds}) == 1
    assert len({str(rows_of(path, "people")) for path, _ in builds}) == 1


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    """Without page counts in the manifest in between, the whole files are equal."""
    records = people(200)
    chain = ChainSpec(table="people", records=records)
    one, _ = build(tmp_path, [chain], name="1.db", shuffle_seed=1)
    two, _ = build(tmp_path, [chain], name="2.db", shuffle_seed=2)
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("dense", [False, True])
def test_the_later_version_of_an_id_wins_and_leaves_no_trace(tmp_path: Path, dense: bool) -> None:
    """Chain order decides; keys and kinds of the loser do not show in the table."""
    records = [{"id": "1", "x": "old", "gone": 1}, {"id": "2", "x": 2}, {"id": "1", "x": 1}]
    path, manifest = build(tmp_path, [todo(*records, page_size=1, dense=dense)], shuffle_seed=5)
    assert rows_of(path, "todo") == [{"id": "1", "x": 1}, {"id": "2", "x": 2}]
    assert types_of(path, "todo")["x"] == "INTEGER"
    assert manifest["todo"].duplicates == 1


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    st.lists(st.dictionaries(KEYS, JSON_VALUES, max_size=6), min_size=1, max_size=5), st.booleans()
)
def test_noted_kinds_and_read_kinds_are_the_same(
    records: list[dict[str, Any]], dense: bool
) -> None:
    """An id that comes twice makes the build read the records: the table stays what it was."""
    for number, record in enumerate(records):
        record["id"] = f"id {number}"
    with tempfile.TemporaryDirectory() as directory:
        _, noted = build(Path(directory), [todo(*records, dense=dense)], name="noted.db")
        twice = todo(*records, records[0], dense=dense)
        _, read = build(Path(directory), [twice], name="read.db")
    assert (noted["todo"].duplicates, read["todo"].duplicates) == (0, 1)
    assert noted["todo"].content_sha256 == read["todo"].content_sha256


def test_records_without_an_id_are_kept_and_counted(tmp_path: Path) -> None:
    """After the others, in the order of their content."""
    path, manifest = build(tmp_path, [todo({"x": "b"}, {"id": " ", "x": "a"}, {"id": 3, "x": "c"})])
    assert [(row["id"], row["x"]) for row in rows_of(path, "todo")] == [
        ("3", "c"), (None, "a"), (None, "b"),
    ]  # fmt: skip
    assert manifest["todo"].without_id == 2


def test_the_id_may_stand_under_another_key(tmp_path: Path) -> None:
    """memo_type has `_id`; the column `id` holds it too."""
    chain = ChainSpec(table="memo_type", records=[{"_id": "m1", "name": "통화"}], id_key="_id")
    path, _ = build(tmp_path, [chain])
    assert rows_of(path, "memo_type") == [{"id": "m1", "_id": "m1", "name": "통화"}]


def test_values_of_the_path_are_added(tmp_path: Path) -> None:
    """Fields of two objects in one table, each with its object type."""
    path, manifest = build(
        tmp_path,
        [
            ChainSpec(
                table="field",
                name=f"field/{kind}",
                records=[{"id": f"{kind}1", "objectType": said}],
                added={"objectType": kind},
            )
            for kind, said in (("deal", None), ("people", "deal"))
        ],
    )
    assert [row["objectType"] for row in rows_of(path, "field")] == ["deal", "people"]
    assert manifest["field"].repaired == 1
    assert manifest["field"].endpoint.startswith("/field/people, /field/")


def test_what_is_added_decides_the_column_too(tmp_path: Path) -> None:
    """No record has the key, or one with another kind: the column is there, and is text."""
    records: list[dict[str, Any]] = [{"id": "1"}, {"id": "2", "kind": 5}]
    chain = todo(*records, added={"path": "/x", "kind": "deal"})
    path, _ = build(tmp_path, [chain])
    assert rows_of(path, "todo")[1] == {"id": "2", "kind": "deal", "path": "/x"}
    assert types_of(path, "todo") == {"id": "TEXT", "kind": "TEXT", "path": "TEXT"}


def test_submissions_that_are_dropped_leave_no_trace(tmp_path: Path) -> None:
    """Their keys make no column, whether or not their form is known."""
    records: list[dict[str, Any]] = [
        {"id": "1", "peopleId": "p1"},
        {"id": "2", "peopleId": "stranger", "gone": 1},
    ]
    chain = ChainSpec(table="webform_history", records=records)
    path, _ = build(tmp_path, [chain], allowed=["p1"])
    assert "gone" not in types_of(path, "webform_history")


def webforms(**states: str) -> list[ChainSpec]:
    submissions: dict[str, list[dict[str, Any]]] = {
        "f1": [
            {"id": "s1", "peopleId": "p1", "contents": [{"label": "이름", "value": "가"}, {}]},
            {"id": "s2", "personId": "p2"},
            {"id": "s2", "personId": "p2", "createdAt": "2026-01-01"},
            {"id": "s3", "peopleId": "stranger"},
            {"id": "s4", "peopleId": " "},
        ],
        "f2": [{"id": "s5", "person": {"id": "p1"}}, {"id": "s1", "peopleId": "stranger"}],
        "f3": [],
    }
    return [
        ChainSpec(
            table="webform_history",
            name=f"webForm/{form}/submit",
            records=records,
            added={"webFormId": form},
            state=states.get(form, "done"),
        )
        for form, records in submissions.items()
    ]


def test_submissions_are_filtered_counted_and_told(tmp_path: Path) -> None:
    """Duplicates first, then the person; every form has its line, also with nothing dropped."""
    events: list[Event] = []
    path, manifest = build(
        tmp_path,
        webforms(f3="skipped"),
        allowed=["p1", "p2"],
        forms={"f1": "교육 문의", "f2": "데모", "f3": "없어진 폼"},
        tell=events.append,
    )
    rows = rows_of(path, "webform_history")
    assert [(row["id"], row["peopleId"], row["webFormId"]) for row in rows] == [
        ("s1", "p1", "f1"), ("s2", "p2", "f1"), ("s5", "p1", "f2"),
    ]  # fmt: skip
    assert [event.text for event in events if isinstance(event, Note)][:3] == [
        "webform_history: form 교육 문의 (f1): kept=2 dropped_missing=1 dropped_not_allowed=1",
        "webform_history: form 데모 (f2): kept=1 dropped_missing=0 dropped_not_allowed=1",
        "webform_history: dropped_missing=1 dropped_not_allowed=2",
    ]
    row = manifest["webform_history"]
    assert (row.dropped_missing, row.dropped_not_allowed, row.duplicates) == (1, 2, 1)
    assert row.errors == "form 없어진 폼 (f3) is gone upstream: skipped"


def test_submissions_that_are_numbered_per_form_are_all_there(tmp_path: Path) -> None:
    """The ids of one form are not those of another: the key is (form, id)."""
    chains = [
        ChainSpec(
            table="webform_history",
            name=f"webForm/{form}/submit",
            records=[{"id": number, "peopleId": "p1", "text": form} for number in (1, 2, 3, 3)],
            added={"webFormId": form},
        )
        for form in ("f1", "f2", "f3")
    ]
    path, manifest = build(tmp_path, chains, allowed=["p1"], forms=dict.fromkeys(("f1", "f2")))
    rows = rows_of(path, "webform_history")
    found = [(row["id"], row["webFormId"], row["text"]) for row in rows]
    assert found == [(str(n), form, form) for n in (1, 2, 3) for form in ("f1", "f2", "f3")]
    assert manifest["webform_history"].duplicates == 3
    with reading(path) as connection:
        columns = connection.execute("PRAGMA table_info(webform_history)").fetchall()
    assert [name for _, name, _, _, _, key in sorted(columns, key=lambda c: c[5]) if key] == [
        "webFormId",
        "id",
    ]


def test_fields_of_one_id_in_several_types_are_all_there(tmp_path: Path) -> None:
    """`id` is the same for the same field of nine types: the key is (type, id)."""
    chains = [
        ChainSpec(
            table="field",
            name=f"field/{kind}",
            records=[{"id": "f1", "name": f"이름 {kind}"}],
            added={"objectType": kind},
        )
        for kind in ("people", "deal", "lead")
    ]
    path, _ = build(tmp_path, chains)
    assert {row["objectType"]: row["name"] for row in rows_of(path, "field")} == {
        kind: f"이름 {kind}" for kind in ("people", "deal", "lead")
    }


def test_equal_records_without_an_id_count_once_within_a_list(tmp_path: Path) -> None:
    """A page that was read twice; another list's record is another one, however equal."""
    same = {"name": "이름 없음", "tags": [1, 2]}
    path, manifest = build(
        tmp_path,
        [
            ChainSpec(
                table="people", name="a", records=[same, same, {**same, "name": "다른 이름"}]
            ),
            ChainSpec(table="people", name="b", records=[same]),
        ],
    )
    assert len(rows_of(path, "people")) == 3
    assert (manifest["people"].duplicates, manifest["people"].without_id) == (1, 3)


def test_records_of_skipped_chains_are_left_out(tmp_path: Path) -> None:
    """A form that vanished halfway shows none of its submissions."""
    path, _ = build(tmp_path, webforms(f1="skipped"), allowed=["p1", "p2"])
    assert [row["id"] for row in rows_of(path, "webform_history")] == ["s5"]


def test_core_tables_always_exist(tmp_path: Path) -> None:
    """Empty, with their columns and indexes; the manifest says they were never read."""
    path, manifest = build(tmp_path, [], tables=("deal",))
    with reading(path) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    assert {*CORE_TABLES, "manifest", "run_info", "column_map", "deal_peopleId"} <= tables
    assert set(types_of(path, "webform_history")) == {
        "id", "peopleId", "webFormId", "organizationId", "dealId", "leadId", "createdAt",
        "contents",
    }  # fmt: skip
    assert (manifest["deal"].errors, manifest["deal"].run_tag) == ("", "t1")
    assert (manifest["memo"].errors, manifest["memo"].run_tag) == ("not read by any run yet", "")


def test_the_file_is_at_rest(tmp_path: Path) -> None:
    """Rollback mode, page size 4096, nothing beside it, and a manifest that agrees with itself."""
    (tmp_path / "built.db-wal").write_bytes(b"left over")
    (tmp_path / "built.db").write_bytes(b"left over")
    path, manifest = build(tmp_path, [ChainSpec(table="people", records=people(30))])
    assert path.read_bytes()[16:20] == b"\x10\x00\x01\x01"
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith("built.db")] == [
        "built.db"
    ]
    with reading(path) as connection:
        for table in CORE_TABLES:
            assert table_sha256(connection, table) == manifest[table].content_sha256
    assert [ManifestRow(**row) for row in rows_of(path, "manifest")] == list(manifest.values())
    (info,) = rows_of(path, "run_info")
    assert list(info) == ["run_tag", "captured_at_utc", "requests"]


def test_tables_not_read_are_carried_over(tmp_path: Path) -> None:
    """Same rows, layout, indexes, key names, and the tag of the run that read them."""
    old, before = build(
        tmp_path,
        [ChainSpec(table="people", records=people(20)), todo({"id": "1", "Label": 1, "label": 2})],
        name="old #1? 한글.db",
        run_tag="old",
    )
    new, after = build(
        tmp_path, [ChainSpec(table="deal", records=[{"id": "d"}])], carry_from=old, run_tag="new"
    )
    for table in ("people", "todo"):
        assert after[table] == before[table]
        assert rows_of(new, table) == rows_of(old, table)
    assert after["deal"].run_tag == "new"
    with reading(new) as connection:
        sql = "SELECT count(*) FROM sqlite_master WHERE name = 'people_organizationId'"
        assert connection.execute(sql).fetchone() == (1,)
        assert connection.execute("SELECT * FROM column_map").fetchall() == [
            ("todo", "label", "label_2")
        ]


def test_an_older_tools_db_is_carried_over(tmp_path: Path) -> None:
    """A manifest without our columns, odd tables and blobs are no obstacle."""
    old = tmp_path / "old.db"
    with closing(sqlite3.connect(old)) as connection:
        connection.executescript(
            """
            CREATE TABLE people ("id" TEXT, "이름", raw BLOB);
            INSERT INTO people VALUES ('1', '홍길동', x'00ff'), ('1', NULL, NULL);
            CREATE TABLE "Memo" (text); INSERT INTO "Memo" VALUES (CAST(x'ff41' AS TEXT));
            CREATE TABLE extra (id TEXT PRIMARY KEY) WITHOUT ROWID;
            CREATE TABLE stranger (id);
            CREATE TABLE manifest ("table" TEXT, endpoint TEXT, row_count INTEGER, errors TEXT);
            INSERT INTO manifest VALUES ('people', '/people', 99, 'e'), ('extra', '/extra', 0, '');
            INSERT INTO manifest VALUES ('Memo', '/memo', 1, NULL);
            CREATE TABLE run_info (run_tag TEXT, note TEXT);
            INSERT INTO run_info VALUES ('ancient', '');
            """
        )
    new, manifest = build(tmp_path, [], tables=("deal",), carry_from=old)
    assert rows_of(new, "people") == rows_of(old, "people")
    assert (manifest["people"].row_count, manifest["people"].run_tag) == (2, "ancient")
    assert manifest["people"].errors == "e"
    assert "extra" in manifest
    assert manifest["Memo"].row_count == 1
    assert "stranger" not in manifest


class Abandoned(Exception):
    """What `stop` raises in these tests."""


@pytest.mark.parametrize("batches", [0, 3, 7])
def test_a_stopped_build_leaves_nothing(tmp_path: Path, batches: int) -> None:
    """`stop` is asked between batches of both passes; what it raises comes out, the file goes.

    An id that comes twice makes it read the records once more.
    """
    calls = iter([None] * batches)

    def stop() -> None:
        if next(calls, "end") == "end":
            raise Abandoned

    records = [*people(1_000), people(1)[0]]
    work_db = make_work_db(tmp_path / "work.db", [ChainSpec(table="people", records=records)])
    request = BuildRequest(
        work_db=work_db,
        building_db=tmp_path / "built.db",
        tables=("people",),
        carry_from=None,
        run_info={},
        run_tag="t",
    )
    with pytest.raises(Abandoned):
        build_snapshot(request, tell=ignore, stop=stop)
    assert [each.name for each in tmp_path.iterdir()] == ["work.db"]


def test_a_missing_or_damaged_work_db_is_a_store_error(tmp_path: Path) -> None:
    """Missing, not a database, or holding a record that is no list of its keys' values."""
    with pytest.raises(StoreError):
        _build_from(tmp_path / "none.db")
    (tmp_path / "bad.db").write_bytes(b"x" * 5_000)
    with pytest.raises(StoreError):
        _build_from(tmp_path / "bad.db")
    for body, complaint in (("[1, 2]", "fit its keys"), ("{}", "fit its keys"), ("[", "not JSON")):
        work_db = make_work_db(tmp_path / f"{body}.db", [todo({"id": "1"})])
        with closing(sqlite3.connect(work_db)) as connection:
            connection.execute("UPDATE record SET body = ?", (body,))
            connection.commit()
        with pytest.raises(StoreError, match=complaint):
            _build_from(work_db)


def test_a_file_that_cannot_be_written_is_a_publish_error(tmp_path: Path) -> None:
    """The message names the path; the final DB was not touched."""
    work_db = make_work_db(tmp_path / "work.db", [todo({"id": "1"})])
    with pytest.raises(PublishError, match="missing directory"):
        _build_from(work_db, tmp_path / "missing directory" / "built.db")


def _build_from(work_db: Path, building_db: Path | None = None) -> None:
    request = BuildRequest(
        work_db=work_db,
        building_db=building_db or work_db.with_name("built.db"),
        tables=("todo",),
        carry_from=None,
        run_info={},
        run_tag="t",
    )
    build_snapshot(request, tell=ignore, stop=lambda: None)


def test_a_full_disk_is_a_publish_error_that_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLITE_FULL in mid-build: a cure, and no half file."""
    chain = ChainSpec(table="todo", records=[{"id": str(n), "x": "y" * 900} for n in range(900)])
    work_db = make_work_db(tmp_path / "work.db", [chain])
    connect = sqlite3.connect

    def limited(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **kwargs)
        if "built.db" in str(args[0]):
            connection.execute("PRAGMA max_page_count = 20")
        return connection

    monkeypatch.setattr(sqlite3, "connect", limited)
    with pytest.raises(PublishError, match="full") as caught:
        _build_from(work_db)
    assert "disk" in caught.value.cure
    assert [each.name for each in tmp_path.iterdir()] == ["work.db"]


@pytest.mark.parametrize(("columns", "rows"), [(1, 200), (100, 200), (1_900, 10), (30_000, 1)])
def test_rows_in_memory_are_bounded_by_their_values(columns: int, rows: int) -> None:
    """I7: memory grows neither with the records nor with the fields."""
    assert rows_at_once(columns) == rows
