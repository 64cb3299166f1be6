"""Reading an answer: what is a page (I3), what a 429 asks for, what the server says."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from salesmap_async.api.pages import (
    FORM_GONE,
    http_date,
    parse_page,
    refusal_wait,
    server_reason,
)
from salesmap_async.errors import UnusableAnswerError

MOMENT = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def body(**data: Any) -> bytes:
    return json.dumps({"success": True, "data": data}).encode()


def date(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)


# Pages


@pytest.mark.parametrize("key", ["nextCursor", "nextCurosr"])
def test_both_spellings_of_the_cursor_are_read(key: str) -> None:
    """The vendor's misprint of the cursor's key leads to the next page as well."""
    page = parse_page(body(dealList=[{"id": "a"}], **{key: "a"}), "dealList")
    assert page.records == [{"id": "a"}]
    assert page.next_cursor == "a"


def test_a_null_beside_the_other_spelling_does_not_end_the_list() -> None:
    """Where one spelling is null and the other carries a cursor, the cursor counts."""
    page = parse_page(body(dealList=[], nextCursor=None, nextCurosr="b"), "dealList")
    assert page.next_cursor == "b"


@pytest.mark.parametrize("data", [{}, {"nextCursor": None}])
def test_no_cursor_and_null_end_a_list(data: dict[str, Any]) -> None:
    """An absent cursor and null mean the same."""
    assert parse_page(body(memoList=[{"id": "z"}], **data), "memoList").next_cursor is None


def test_an_empty_list_is_a_page() -> None:
    """An empty list is a page, with or without a cursor; whether it is the end is for the chain."""
    assert parse_page(body(memoList=[], nextCursor="c"), "memoList").next_cursor == "c"
    assert parse_page(body(memoList=[]), "memoList").records == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "is empty"),
        (b" \r\n", "is empty"),
        (b"<!DOCTYPE html><html></html>", "HTML page"),
        (b"\n  <html>", "HTML page"),
        (b'{"success": true, "data": {"memoList": [{"id": "a', "not valid JSON"),
        (b"\xff\xfe{}", "not valid JSON"),
        (b'{"success": true, "data": {"memoList": [{"id": NaN}]}}', "not valid JSON"),
        (b'{"success": true, "data": {"memoList": []}} trailing', "not valid JSON"),
        (b"null", "not an object"),
        (b"[]", "not an object"),
        (b'"text"', "not an object"),
        ('{"success": false, "reason": "점검 중"}'.encode(), "does not say success: 점검 중"),
        (b'{"success": "true", "data": {"memoList": []}}', "does not say success"),
        (b'{"success": 1, "data": {"memoList": []}}', "does not say success"),
        (b'{"data": {"memoList": []}}', "does not say success"),
        (b'{"memoList": [], "nextCursor": null}', "does not say success"),
        (b'{"success": true}', "no data object"),
        (b'{"success": true, "data": null}', "no data object"),
        (b'{"success": true, "data": []}', "no data object"),
        (b'{"success": true, "data": {}}', "memoList is missing"),
        (b'{"success": true, "data": {"dealList": []}}', "memoList is missing"),
        (b'{"success": true, "data": {"memoList": null}}', "memoList is not a list"),
        (b'{"success": true, "data": {"memoList": {"0": {}}}}', "memoList is not a list"),
        (b'{"success": true, "data": {"memoList": [{}, 7]}}', r"memoList\[1\] is not an object"),
        (b'{"success": true, "data": {"memoList": [null]}}', r"memoList\[0\] is not an object"),
        (b'{"success": true, "data": {"memoList": [], "nextCursor": 7}}', "not a cursor"),
        (b'{"success": true, "data": {"memoList": [], "nextCursor": false}}', "not a cursor"),
        (b'{"success": true, "data": {"memoList": [], "nextCursor": "\\ud800"}}', "sent back"),
    ],
)
def test_anything_else_is_no_page(answer: bytes, said: str) -> None:
    """Nothing that breaks one line of I3 is ever taken for a page, least of all an empty one."""
    with pytest.raises(UnusableAnswerError, match=said) as caught:
        parse_page(answer, "memoList")
    assert caught.value.status == 200


# What a 429 asks for


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), (" 7 ", 7.0), ("1.5", 1.5), ("3600", 3600.0), ("0.25", 0.25)],
)
def test_the_header_gives_seconds(header: str, seconds: float) -> None:
    """Seconds of `Retry-After` are taken in full, decimals and hours too."""
    assert refusal_wait({"Retry-After": header}, b"") == (seconds, "Retry-After")


def test_a_date_is_measured_by_the_servers_clock() -> None:
    """Where the answer has a Date, a clock that is wrong here makes no difference."""
    headers = {"Retry-After": date(MOMENT + timedelta(seconds=90)), "Date": date(MOMENT)}
    assert refusal_wait(headers, b"") == (90.0, "Retry-After")


def test_a_date_without_the_servers_clock_is_measured_by_ours() -> None:
    """Without a Date header this machine's clock has to do."""
    wait = refusal_wait({"Retry-After": date(datetime.now(UTC) + timedelta(hours=1))}, b"")
    assert wait is not None
    assert 3590 < wait[0] <= 3600


@pytest.mark.parametrize(
    "header",
    [
        "",
        "-5",
        "0",
        "-0.0",
        "nan",
        "NaN",
        "inf",
        "-inf",
        "Infinity",
        "soon",
        "1e999",
        "10 s",
        "7;8",
    ],
)
def test_nonsense_counts_as_absent(header: str) -> None:
    """Without a usable header, and without a sentence in the body, nothing is asked for."""
    assert refusal_wait({"Retry-After": header}, b"") is None


def test_a_date_in_the_past_counts_as_absent() -> None:
    """A moment that has passed asks for no wait."""
    headers = {"Retry-After": date(MOMENT), "Date": date(MOMENT + timedelta(seconds=1))}
    assert refusal_wait(headers, b"") is None


@pytest.mark.parametrize(
    ("payload", "seconds"),
    [
        ({"success": False, "reason": "3초 후 재시도해주세요."}, 3.0),
        ({"success": False, "message": "3초 후 재시도해주세요."}, 3.0),
        ({"error": "3초 후 재시도해주세요."}, 3.0),
        ({"message": "Too Many Requests", "reason": "2.5초 후 재시도해주세요."}, 2.5),
        ({"message": "Too Many Requests", "reason": ["막힘", "12 초 후 재시도해주세요."]}, 12.0),
        ({"reason": "요청이 너무 많습니다. 120초 후 재시도해주세요."}, 120.0),
    ],
)
def test_the_body_gives_seconds(payload: dict[str, Any], seconds: float) -> None:
    """Without a header the sentence of the body is read, wherever it stands."""
    wait = refusal_wait({}, json.dumps(payload).encode())
    assert wait == (seconds, "the answer's text")


def test_the_header_wins_over_the_body() -> None:
    """Two waits: the header's counts; a nonsense header gives way to the body."""
    text = json.dumps({"reason": "3초 후 재시도해주세요."}).encode()
    assert refusal_wait({"Retry-After": "9"}, text) == (9.0, "Retry-After")
    assert refusal_wait({"Retry-After": "nan"}, text) == (3.0, "the answer's text")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<html>3</html>",
        b'{"reason": "0\xec\xb4\x88 \xed\x9b\x84"}',
        b'{"reason": "later"}',
        b"[]",
        b'{"reason": 5}',
    ],
)
def test_a_body_without_seconds_asks_for_nothing(text: bytes) -> None:
    """The throttle then waits by its own rule."""
    assert refusal_wait({}, text) is None


def test_a_body_with_an_endless_number_asks_for_nothing() -> None:
    """A number that is no finite float is no wait."""
    text = json.dumps({"reason": "9" * 290 + "초 후"}).encode()
    wait = refusal_wait({}, text)
    assert wait is None or wait[0] > 0


# The server's words


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ({"reason": "형식이 다릅니다."}, "형식이 다릅니다."),
        ({"message": "Bad Request", "reason": "왜"}, "왜; Bad Request"),
        ({"message": "Bad Request", "reason": ["하나", "둘"]}, "하나; 둘; Bad Request"),
        ({"message": "같음", "reason": "같음"}, "같음"),
        ({"error": "없음"}, "없음"),
        ({"reason": None, "message": 7, "error": ["", {"a": 1}]}, ""),
        (["not an object"], ""),
    ],
)
def test_the_reason_is_read_in_every_shape(payload: Any, reason: str) -> None:
    """Strings and lists under reason, message and error become one line."""
    assert server_reason(json.dumps(payload).encode()) == reason


def test_the_reason_is_one_printable_line() -> None:
    """Line breaks, escape codes and half emojis of a server do not reach a terminal."""
    text = json.dumps({"reason": "a\nb\r\x1b[31mred\x00\u2028\ud83d" + "x" * 1000}).encode()
    reason = server_reason(text)
    assert reason.isprintable()
    assert len(reason) <= 300
    reason.encode()


def test_a_body_that_is_not_json_has_no_reason() -> None:
    """An HTML error page is not quoted."""
    assert server_reason(b"<html><h1>502</h1></html>") == ""


def test_the_lost_form_is_recognised_in_a_list_of_reasons() -> None:
    """The words for a form that is gone are found in whatever shape the 400 has."""
    assert FORM_GONE in server_reason(json.dumps({"reason": [f"{FORM_GONE}."]}).encode())


@pytest.mark.parametrize("text", [None, "", "soon", "99 Foo 2026 99:99:99 GMT", "1"])
def test_a_bad_date_is_no_date(text: str | None) -> None:
    """Whatever cannot be read as an HTTP date is None."""
    assert http_date(text) is None


def test_a_date_without_a_zone_is_utc() -> None:
    """HTTP dates are GMT, said or not."""
    assert http_date("Sun, 01 Mar 2026 12:00:00 -0000") == MOMENT


@pytest.mark.parametrize(
    ("more", "beside"),
    [
        ({"next_cursor": "x"}, {}),
        ({"cursor": "x"}, {}),
        ({"pageInfo": {"endCursor": "x"}}, {}),
        ({}, {"nextCursor": "x"}),
        ({}, {"paging": {"cursorNext": "x"}}),
        ({"hasMore": True}, {}),
        ({"has_next_page": True}, {}),
        ({"pageInfo": {"hasNextPage": True}}, {}),
        ({"nextCursor": None, "hasMore": True}, {}),
        ({}, {"meta": {"hasNext": True}}),
    ],
)
def test_an_end_that_hides_further_pages_is_refused(
    more: dict[str, Any], beside: dict[str, Any]
) -> None:
    """A cursor under a name that is not known must not be taken for none."""
    body = json.dumps({"success": True, "data": {"memoList": [], **more}, **beside}).encode()
    with pytest.raises(UnusableAnswerError, match=r"gives (no|a) cursor"):
        parse_page(body, "memoList")


@pytest.mark.parametrize(
    "more",
    [
        {"nextCursor": "", "hasMore": False},
        {"nextCursor": None, "previousCursor": "x"},
        {"cursor": None, "pageInfo": {"endCursor": ""}},
        {"hasMore": "true"},
        {"memoList": [{"cursorId": "x", "hasMore": True}]},
    ],
)
def test_an_end_in_other_words_is_an_end(more: dict[str, Any]) -> None:
    """Null, empty, false, a cursor back, and what stands in the records."""
    body = json.dumps({"success": True, "data": {"memoList": [], **more}}).encode()
    assert parse_page(body, "memoList").next_cursor is None


def test_whether_an_answer_says_that_it_is_the_last() -> None:
    """No key for a cursor at all is an end too, but one that deserves a remark."""
    for data, says in (({"nextCursor": None}, True), ({"nextCurosr": ""}, True), ({}, False)):
        body = json.dumps({"success": True, "data": {"memoList": [], **data}}).encode()
        assert parse_page(body, "memoList").says_end is says


@pytest.mark.parametrize("record", ["{}", "[]", '{"id":"{[","x":{"y":[1]}}'])
def test_a_page_of_too_many_records_is_refused_before_it_is_built(record: str) -> None:
    """Ten thousand are taken, one more is not; brackets in texts and deeper ones do not count."""

    def body(count: int) -> bytes:
        records = ",".join([record] * count)
        return f'{{"success":true,"data":{{"memoList":[{records}],"nextCursor":null}}}}'.encode()

    if record.startswith("{"):
        assert len(parse_page(body(10_000), "memoList").records) == 10_000
    with pytest.raises(UnusableAnswerError, match="more than 10,000 records"):
        parse_page(body(10_001), "memoList")
