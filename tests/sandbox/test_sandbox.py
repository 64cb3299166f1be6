"""The sandbox: an invented workspace served as the Salesmap API serves a real one."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import math
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from salesmap_async.api.endpoints import ENDPOINTS, Endpoint, submissions_of
from salesmap_async.errors import UsageError
from salesmap_async.sandbox import (
    SANDBOX_TOKEN,
    Arrival,
    Fault,
    Record,
    Sandbox,
    Table,
    Workspace,
    load_faults,
    serve,
)
from salesmap_async.sandbox.faults import Action, Flavour
from salesmap_async.sandbox.pages import end_form
from salesmap_async.sandbox.quota import Quota
from salesmap_async.sandbox.table import microseconds

CORE = ("organization", "people", "deal", "lead", "memo")
HEADERS = {"Authorization": f"Bearer {SANDBOX_TOKEN}"}


@dataclass(frozen=True)
class Answer:
    """One answer, read whole."""

    status: int
    headers: Any
    body: bytes

    @property
    def payload(self) -> Any:
        return json.loads(self.body)

    @property
    def data(self) -> Any:
        return self.payload["data"]


@dataclass(frozen=True)
class Asker:
    """Asks a sandbox; `all_of` follows a list's cursors to its end."""

    session: aiohttp.ClientSession
    sandbox: Sandbox

    async def __call__(self, path: str, *, method: str = "GET", **params: str) -> Answer:
        url = self.sandbox.base_url + path
        async with self.session.request(
            method, url, params=params, allow_redirects=False
        ) as answer:
            return Answer(answer.status, answer.headers, await answer.read())

    async def pages_of(self, endpoint: Endpoint, **params: str) -> list[dict[str, Any]]:
        pages = [(await self(endpoint.path, **params)).data]
        while cursor := next_cursor(pages[-1]):
            pages.append((await self(endpoint.path, cursor=cursor, **params)).data)
        return pages

    async def all_of(self, endpoint: Endpoint, **params: str) -> list[Record]:
        pages = await self.pages_of(endpoint, **params)
        return [record for page in pages for record in page[endpoint.list_key]]


def next_cursor(data: dict[str, Any]) -> str | None:
    return data.get("nextCursor") or data.get("nextCurosr")


def endpoint_of(path: str) -> Endpoint:
    return next(endpoint for endpoint in ENDPOINTS if endpoint.path == path)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(Workspace.generate(), quota=False) as running:
        yield running


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=20)
    async with aiohttp.ClientSession(headers=HEADERS, timeout=timeout) as opened:
        yield opened


@pytest.fixture
def ask(session: aiohttp.ClientSession, sandbox: Sandbox) -> Asker:
    return Asker(session, sandbox)


# The workspace


@pytest.mark.parametrize("table", CORE)
def test_the_same_seed_invents_the_same_records(table: str) -> None:
    """Two generations of one seed are equal, and another seed differs."""
    first, second, other = (Workspace.generate(records=400, seed=seed) for seed in (7, 7, 8))
    assert list(first.table(table)) == list(second.table(table))
    assert list(first.table(table)) != list(other.table(table))
    assert first.submissions == second.submissions


@pytest.mark.parametrize("records", [0, 1, 7, 60, 3000])
def test_the_five_core_lists_hold_the_records_asked_for(records: int) -> None:
    """`records` counts all core lists together, also when there are very few."""
    workspace = Workspace.generate(records=records)
    assert sum(len(list(workspace.table(table))) for table in CORE) == records


def test_a_mix_shapes_the_workspace() -> None:
    """A named share is kept, forms and wide fields are as many as asked for."""
    workspace = Workspace.generate(records=1000, mix={"memo": 0.8}, forms=300, wide_fields=150)
    assert len(workspace.table("memo")) >= 800
    assert len(workspace.table("webform")) == 300
    tracked = {key for deal in workspace.table("deal") for key in deal if " - " in key}
    assert len(tracked) >= 150
    with pytest.raises(ValueError, match="nothing_like_it"):
        Workspace.generate(mix={"nothing_like_it": 1})


def test_the_records_hold_what_breaks_careless_readers() -> None:
    """Odd ids, numbers, names, nulls, absent and late keys, and a lone surrogate all occur."""
    workspace = Workspace.generate()
    people, deals = list(workspace.table("people")), list(workspace.table("deal"))
    assert {len(person["id"]) for person in people} == {24, 36}
    assert 9007199254740993 in [person["외부 시스템 번호"] for person in people]
    assert any("Label" in person and "label" in person for person in people)
    assert {str(deal.get("Net(%)")) for deal in deals} >= {"31", "31.0"}
    assert any("\ud83d" in memo["text"] for memo in workspace.table("memo"))
    assert any(deal.get("카테고리", "") is None for deal in deals)
    assert any("카테고리" not in deal for deal in deals)
    assert "나중에 생긴 항목" not in set().union(*deals[:400])
    assert "나중에 생긴 항목" in set().union(*deals[400:])
    assert {person["전화"][0] for person in people if person["전화"]} == {"0"}


@pytest.mark.parametrize("table", CORE)
def test_each_text_field_holds_markup_somewhere(table: str) -> None:
    """Every field that holds free text holds quotes, tags or brackets in some record."""
    spiced = re.compile(r"[<\"'\[\\]")
    records = list(Workspace.generate(records=6000).table(table))
    texts = {
        "이름",
        "text",
        "htmlBody",
        "이메일",
        "전화",
        "비고",
        "업종",
        "담당 교육 영역",
        "유입 경로",
    }
    for key in texts & set(records[0]):
        assert any(spiced.search(record.get(key) or "") for record in records), key


def test_the_links_lead_somewhere() -> None:
    """People, deals and memos point at records that exist, with a few gaps."""
    workspace = Workspace.generate()
    for table, key, target in (
        ("people", "organizationId", "organization"),
        ("deal", "peopleId", "people"),
        ("memo", "dealId", "deal"),
    ):
        ids = {record["id"] for record in workspace.table(target)}
        links = {record[key] for record in workspace.table(table)}
        assert links - {None} <= ids
        assert len(links) > 20


def test_won_deals_spread_over_the_years() -> None:
    """Contracts are won from 2023 to 2026, some at midnight in Seoul on New Year 2025."""
    deals = list(Workspace.generate().table("deal"))
    won = [deal["계약 체결일"] for deal in deals if deal["상태"] == "Won"]
    assert {date[:4] for date in won} == {"2023", "2024", "2025", "2026"}
    assert "2024-12-31T15:00:00.000Z" in won
    assert {deal["상태"] for deal in deals} == {"Won", "Lost", "SQL", "In progress"}


def test_memos_are_ordered_by_their_creation() -> None:
    """Oldest first, and a page's first memo may be as old as the last one before."""
    moments = [memo["createdAt"] for memo in Workspace.generate().table("memo")]
    assert moments == sorted(moments)
    assert moments[49] == moments[50]


def test_submissions_have_the_gaps_of_real_ones() -> None:
    """Ids and people are missing, unknown, or under another key in some submissions."""
    workspace = Workspace.generate()
    sent = [each for records in workspace.submissions.values() for each in records]
    known = {person["id"] for person in workspace.table("people")}
    on_deals = {deal["peopleId"] for deal in workspace.table("deal")}
    senders = {each.get("peopleId") for each in sent} - {None}
    assert any("id" not in each for each in sent)
    assert any("personId" in each for each in sent)
    assert any("person" in each for each in sent)
    assert any("peopleId" in each and each["peopleId"] is None for each in sent)
    assert senders - known
    assert (senders & known) - on_deals
    assert senders & on_deals
    assert any({} in each["contents"] for each in sent)


def test_no_address_or_number_can_be_a_real_one() -> None:
    """Mail goes to example.com and mobile numbers are of the unused block 0000."""
    for person in Workspace.generate().table("people"):
        assert "@example.com" in (person.get("이메일") or "@example.com")
        assert re.match(r"010-0000-|0100000", person["전화"])


def test_a_key_customer_buys_in_several_years_through_several_groups() -> None:
    """The largest customer is a large company with contracts in each year from 2023 to 2026."""
    workspace = Workspace.generate()
    upper = {person["id"]: person["소속 상위 조직"] for person in workspace.table("people")}
    won = [deal for deal in workspace.table("deal") if deal["상태"] == "Won"]
    sums = Counter[str | None]()
    for deal in won:
        sums[deal["organizationId"]] += deal["금액"] or 0
    largest = max(sums.keys() - {None}, key=lambda key: sums[key])
    theirs = [deal for deal in won if deal["organizationId"] == largest]
    organizations = {each["id"]: each for each in workspace.table("organization")}
    assert organizations[largest]["기업 규모"] == "대기업"
    assert {deal["계약 체결일"][:4] for deal in theirs} == {"2023", "2024", "2025", "2026"}
    assert len({upper.get(deal["peopleId"]) for deal in theirs}) >= 3


# The table


def test_a_table_keeps_edits_deletions_and_insertions() -> None:
    """What a test changes is what is found again, by place and by id."""
    table = Workspace.generate(records=300).table("people")
    ids = [person["id"] for person in table]
    table[3]["이름"] = "바뀐 이름"
    del table[0]
    table.insert(1, {"id": "new"})
    table.append({"no": "id"})
    place = table.position(ids[3])
    assert place is not None
    assert table[place]["이름"] == "바뀐 이름"
    assert table.position(ids[0]) is None
    assert table.position("new") == 1
    assert table.position(ids[2]) == 2
    table[1]["id"] = "renamed"
    assert (table.position("new"), table.position("renamed")) == (None, 1)
    assert table.position("no such id") is None


def test_slices_of_a_table_are_its_records() -> None:
    """A slice can be read, replaced and deleted."""
    table = Table([{"id": str(number)} for number in range(5)])
    assert table[1:3] == [{"id": "1"}, {"id": "2"}]
    table[1:3] = [{"id": "x"}]
    del table[:1]
    assert [record["id"] for record in table] == ["x", "3", "4"]


# Lists and cursors


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: str(endpoint.path))
async def test_every_list_gives_exactly_its_records(ask: Asker, endpoint: Endpoint) -> None:
    """Following the cursors of a list gives the workspace's records, each once, in order."""
    given = await ask.all_of(endpoint)
    assert given == list(ask.sandbox.workspace.table(endpoint.path))
    assert given


async def test_the_submissions_of_every_form_can_be_read(ask: Asker) -> None:
    """Also where a page ends with a submission that has no id to be a cursor."""
    longest = 0
    for form_id, records in ask.sandbox.workspace.submissions.items():
        assert await ask.all_of(submissions_of(form_id)) == records
        longest = max(longest, len(records))
    assert longest > 50


async def test_a_page_can_end_with_a_record_that_has_no_id(ask: Asker) -> None:
    """Its cursor is then its place, and nothing is lost."""
    form_id = ask.sandbox.workspace.table("webform")[0]["id"]
    records: list[Record] = [{"contents": [number]} for number in range(120)]
    ask.sandbox.workspace.submissions[form_id] = records
    assert await ask.all_of(submissions_of(form_id)) == records


async def test_the_three_forms_of_an_end_all_occur(ask: Asker) -> None:
    """Null, no key at all, and a full page with a cursor before an empty list."""
    last = {}
    for path in ("/organization", "/people", "/deal"):
        endpoint = endpoint_of(path)
        last[end_form(path)] = (await ask.pages_of(endpoint))[-2:], endpoint
    (_, page), _ = last["null"]
    assert page["nextCursor"] is None
    (_, page), _ = last["absent"]
    assert not {"nextCursor", "nextCurosr"} & set(page)
    (full, page), endpoint = last["empty_page"]
    assert len(full[endpoint.list_key]) == 50
    assert page[endpoint.list_key] == []
    assert next_cursor(page) is None


@pytest.mark.parametrize("path", ["/deal", "/lead"])
async def test_the_cursors_key_is_misprinted_on_some_pages(ask: Asker, path: str) -> None:
    """Deals and leads print `nextCurosr` on some pages and `nextCursor` on others."""
    pages = await ask.pages_of(endpoint_of(path))
    assert {key for page in pages for key in page if key.startswith("next")} == {
        "nextCursor",
        "nextCurosr",
    }


async def test_the_cursor_is_the_id_of_the_last_record(ask: Asker) -> None:
    """A page of fifty goes on after the record that its cursor names; leads come in tens."""
    page = (await ask("/memo")).data
    assert len(page["memoList"]) == 50
    assert page["nextCursor"] == page["memoList"][-1]["id"] == page["memoList"][-1]["cursorId"]
    assert len((await ask("/lead")).data["leadList"]) == 10


@pytest.mark.parametrize("unknown_cursor", ["refuse", "empty"])
async def test_an_unknown_cursor_is_refused_or_ends_the_list(
    session: aiohttp.ClientSession, unknown_cursor: Any
) -> None:
    """As when the record that the cursor names was deleted a moment ago."""
    workspace = Workspace.generate(records=400)
    async with Sandbox(workspace, unknown_cursor=unknown_cursor) as sandbox:
        ask = Asker(session, sandbox)
        gone = workspace.table("people").pop(49)["id"]
        answer = await ask("/people", cursor=gone)
    if unknown_cursor == "refuse":
        assert answer.status == 400
    else:
        assert answer.data == {"peopleList": [], "nextCursor": None}


@pytest.mark.parametrize("path", ["/user", "/team", "/webForm"])
async def test_lists_without_pages_ignore_a_cursor(ask: Asker, path: str) -> None:
    """An unknown cursor gives the first page again."""
    assert (await ask(path, cursor="anything")).body == (await ask(path)).body


@pytest.mark.parametrize("path", ["/memo", "/deal/activity"])
async def test_dates_bound_a_list_inclusively(ask: Asker, path: str) -> None:
    """startDate and endDate take an ISO time with any offset; a date alone is midnight UTC."""
    records = list(ask.sandbox.workspace.table(path))
    first, last = records[10]["createdAt"], records[90]["createdAt"]
    expected = [each for each in records if first <= each["createdAt"] <= last]
    given = await ask.all_of(endpoint_of(path), startDate=first, endDate=last)
    assert given == expected
    day = records[60]["createdAt"][:10]
    until_day = await ask.all_of(endpoint_of(path), endDate=day)
    until_nine = await ask.all_of(endpoint_of(path), endDate=f"{day}T09:00:00+09:00")
    assert until_day == until_nine
    assert until_day == [each for each in records if each["createdAt"] <= f"{day}T00:00:00.000Z"]


async def test_memos_and_activities_can_be_filtered(ask: Asker) -> None:
    """ownerId narrows memos, types narrows activities, over as many pages as it takes."""
    memos = list(ask.sandbox.workspace.table("memo"))
    owner = memos[0]["ownerId"]
    given = await ask.all_of(endpoint_of("/memo"), ownerId=owner)
    assert given == [memo for memo in memos if memo["ownerId"] == owner]
    assert len(given) > 50
    activities = list(ask.sandbox.workspace.table("deal_activity"))
    given = await ask.all_of(endpoint_of("/deal/activity"), types="call,email")
    assert given == [each for each in activities if each["type"] in ("call", "email")]


async def test_a_changed_workspace_is_served_as_it_is_now(ask: Asker) -> None:
    """Edits, deletions and insertions between two pages are seen by the second."""
    people = ask.sandbox.workspace.table("people")
    first = (await ask("/people")).data
    del people[50]
    people.insert(51, {"id": "new", "이름": "새 사람"})
    second = (await ask("/people", cursor=first["nextCursor"])).data["peopleList"]
    assert second == people[50:100]
    assert second[1]["id"] == "new"


async def test_numbers_and_a_lone_surrogate_go_out_exactly(ask: Asker) -> None:
    """An integer beyond a float's digits, 24000.0, and half an emoji as a JSON escape."""
    people = (await ask("/people")).body
    assert b"9007199254740993" in people
    deals = b"".join([(await ask("/deal")).body, (await ask("/lead")).body])
    assert b":24000.0" in deals
    assert b":24000," in deals
    memos = (await ask("/memo")).body
    assert b"\\ud83d" in memos
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(memos)


async def test_an_integer_of_more_than_64_bits_goes_out_whole(ask: Asker) -> None:
    """A record edited by hand may hold any JSON value."""
    ask.sandbox.workspace.table("people")[0]["큰 수"] = 2**70
    assert (await ask("/people")).data["peopleList"][0]["큰 수"] == 2**70


async def test_user_me_names_the_workspace(ask: Asker) -> None:
    """The room is the workspace that the token belongs to."""
    workspace = ask.sandbox.workspace
    room = (await ask("/user/me")).data["user"]["room"]
    assert room == {"id": workspace.workspace_id, "name": workspace.workspace_name}


# Errors of the API


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "헤더에서 Authorization을 찾을 수 없습니다."),
        ({"Authorization": "Bearer other"}, "유효하지 않은 토큰입니다."),
    ],
)
async def test_a_missing_or_wrong_token_is_refused(
    sandbox: Sandbox, headers: dict[str, str], reason: str
) -> None:
    """401 with the reason that the CRM gives."""
    async with aiohttp.ClientSession(headers=headers) as session:
        answer = await Asker(session, sandbox)("/people")
    assert answer.status == 401
    assert answer.payload == {"success": False, "message": "Unauthorized", "reason": reason}


@pytest.mark.parametrize("path", ["/nothing", "/people/", "/../user/me", "/field/unknown"])
async def test_an_unknown_route_is_an_html_page(ask: Asker, path: str) -> None:
    """404 does not come as JSON, inside the API root or outside it."""
    answer = await ask(path)
    assert answer.status == 404
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.body.startswith(b"<!DOCTYPE html>")


async def test_a_wrong_method_is_refused(ask: Asker) -> None:
    """Only GET reads."""
    assert (await ask("/people", method="POST")).status == 405


async def test_a_bad_date_is_refused(ask: Asker) -> None:
    """400 names the parameter."""
    answer = await ask("/memo", startDate="yesterday")
    assert answer.status == 400
    assert "startDate" in answer.payload["reason"]


async def test_forms_that_do_not_exist_any_more_are_refused(ask: Asker) -> None:
    """Some forms that people have submitted answer 400, the sentence under any of its keys."""
    workspace = ask.sandbox.workspace
    listed = {form["id"] for form in workspace.table("webform")}
    named = {
        form["id"]
        for person in workspace.table("people")
        for form in person["제출된 웹폼 목록"] or ()
    }
    on_deals = {deal["peopleId"] for deal in workspace.table("deal")}
    assert named - listed
    assert any(
        form["id"] not in listed
        for person in workspace.table("people")
        if person["id"] in on_deals
        for form in person["제출된 웹폼 목록"] or ()
    )
    keys = set()
    for form_id in (*(named - listed), *map(str, range(30))):
        answer = await ask(f"/webForm/{form_id}/submit")
        assert answer.status == 400
        assert "웹 폼을 찾을 수 없습니다." in answer.body.decode()
        keys.add(tuple(answer.payload))
    assert keys == {("success", "message", "reason"), ("success", "message"), ("error",)}


# The quota


def test_the_quota_slides() -> None:
    """In any ten seconds a hundred are admitted; a refused one costs nothing."""
    quota = Quota()
    assert [quota.admit(number * 0.01) for number in range(100)] == [None] * 100
    assert quota.admit(4.0) == pytest.approx(6.0)
    assert quota.admit(9.999) == pytest.approx(0.001)
    assert quota.admit(10.0) is None
    assert quota.admit(10.001) == pytest.approx(0.009)


def test_another_client_takes_its_share_of_the_quota() -> None:
    """With thirty used by others, the seventy-first request is refused."""
    quota = Quota(used_by_others=30)
    assert [quota.admit(0.0) for _ in range(70)] == [None] * 70
    assert quota.admit(1.0) == pytest.approx(9.0)
    assert Quota(used_by_others=100).admit(0.0) == 10.0


async def test_the_101st_request_is_refused_as_the_crm_does_it(
    session: aiohttp.ClientSession,
) -> None:
    """No Retry-After header; the seconds stand in the sentence of the reason."""
    async with Sandbox(Workspace.generate(records=100)) as sandbox:
        ask = Asker(session, sandbox)
        started = time.monotonic()
        answers = [await ask("/user") for _ in range(101)]
        elapsed = time.monotonic() - started
    assert [answer.status for answer in answers] == [200] * 100 + [429]
    assert "Retry-After" not in answers[-1].headers
    sentence = re.fullmatch(r"([\d.]+)초 후 재시도해주세요\.", answers[-1].payload["reason"])
    assert sentence is not None
    assert 10 - elapsed <= float(sentence[1]) <= 10.1
    assert [arrival.status for arrival in sandbox.arrivals] == [200] * 100 + [429]


async def test_refused_tokens_and_the_arrivals_cost_no_quota(
    session: aiohttp.ClientSession,
) -> None:
    """Only requests of the workspace count."""
    async with Sandbox(Workspace.generate(records=100), quota_used_by_others=98) as sandbox:
        ask = Asker(session, sandbox)
        async with aiohttp.ClientSession() as stranger:
            await Asker(stranger, sandbox)("/user")
        await ask("/../../_arrivals")
        statuses = [(await ask("/user")).status for _ in range(3)]
    assert statuses == [200, 200, 429]


# Arrivals


async def test_arrivals_tell_when_what_came_and_how_it_ended(ask: Asker) -> None:
    """In order of arrival, with the monotonic time, path, cursor and status."""
    before = time.monotonic()
    cursor = (await ask("/people")).data["nextCursor"]
    await ask("/people", cursor=cursor)
    await ask("/nothing")
    arrivals = ask.sandbox.arrivals
    assert [(each.path, each.cursor, each.status) for each in arrivals] == [
        ("/people", None, 200),
        ("/people", cursor, 200),
        ("/nothing", None, 404),
    ]
    moments = [before, *(each.at_s for each in arrivals), time.monotonic()]
    assert moments == sorted(moments)


async def test_other_processes_can_read_the_arrivals(
    session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """GET /_arrivals and the log file tell the same, and asking leaves no trace."""
    log = tmp_path / "arrivals.jsonl"
    async with Sandbox(Workspace.generate(records=100), arrivals_log=log) as sandbox:
        ask = Asker(session, sandbox)
        await ask("/people")
        await ask("/user")
        while_running = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
        told = (await ask("/../../_arrivals")).payload
        told_again = (await ask("/../../_arrivals")).payload
    assert told == told_again == while_running
    assert [(each["path"], each["status"]) for each in told] == [("/people", 200), ("/user", 200)]
    assert set(told[0]) == {"at_s", "path", "cursor", "since", "status"}


# Faults


async def test_a_fault_is_chosen_by_path_cursor_turn_and_times(ask: Asker) -> None:
    """Glob, cursor ("" is the first page), nth matching request, how many times."""
    cursor = (await ask("/people")).data["nextCursor"]
    ask.sandbox.faults += [
        Fault(action="status", status=500, path="/peo*", nth=2, times=2),
        Fault(action="status", status=502, path="/deal", cursor=""),
        Fault(action="status", status=503, path="/people", cursor=cursor, times=None),
    ]
    assert [(await ask("/people")).status for _ in range(4)] == [200, 500, 500, 200]
    assert [(await ask("/deal")).status for _ in range(2)] == [502, 200]
    assert [(await ask("/people", cursor=cursor)).status for _ in range(3)] == [503] * 3


async def test_faults_that_want_the_same_request_take_turns(ask: Asker) -> None:
    """A list of faults is a script, also when two of them are equal."""
    script = [Fault(action="status", status=status) for status in (500, 500, 502)]
    ask.sandbox.faults += script
    assert [(await ask("/user")).status for _ in range(4)] == [500, 500, 502, 200]
    assert [arrival.fault for arrival in ask.sandbox.arrivals] == [*["status"] * 3, None]


async def test_nth_counts_every_matching_request(ask: Asker) -> None:
    """Whatever another fault did to the requests before."""
    ask.sandbox.faults += [Fault(action="html", nth=nth) for nth in (1, 3)]
    kinds = [(await ask("/user")).headers["Content-Type"] for _ in range(4)]
    assert [kind.startswith("text/html") for kind in kinds] == [True, False, True, False]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("reason", {"success": False, "message": "Bad Gateway", "reason": "이유"}),
        ("reason_list", {"success": False, "message": "Bad Gateway", "reason": ["이유"]}),
        ("message", {"success": False, "message": "이유"}),
        ("error", {"error": "이유"}),
    ],
)
async def test_a_status_can_take_each_shape(
    ask: Asker, shape: Any, expected: dict[str, Any]
) -> None:
    """The reason stands where the fault says."""
    ask.sandbox.faults.append(Fault(action="status", status=502, reason="이유", shape=shape))
    answer = await ask("/people")
    assert (answer.status, answer.payload) == (502, expected)


async def test_a_status_can_come_as_html_or_with_any_body(ask: Asker) -> None:
    """A 503 of a proxy is a page; a body of one's own goes out verbatim; any status works."""
    ask.sandbox.faults += [
        Fault(action="status", status=503, shape="html"),
        Fault(action="status", status=403, body='{"error":"IP"}'),
        Fault(action="status", status=599),
    ]
    page, own, odd = [await ask("/people") for _ in range(3)]
    assert (page.status, page.headers["Content-Type"][:9]) == (503, "text/html")
    assert (own.status, own.body) == (403, b'{"error":"IP"}')
    assert (odd.status, odd.payload["success"]) == (599, False)


@pytest.mark.parametrize(
    "flavour", ["retry_after", "retry_after_date", "reason", "message", "none"]
)
async def test_a_429_tells_its_seconds_in_each_way(ask: Asker, flavour: Flavour) -> None:
    """A header in seconds, a header with a date, a sentence under two keys, or nothing."""
    ask.sandbox.faults.append(Fault(action="429", flavour=flavour, seconds=7.5))
    answer = await ask("/people")
    assert answer.status == 429
    sentence, header = "7.5초 후 재시도해주세요.", answer.headers.get("Retry-After")
    assert (answer.payload.get("reason") == sentence) == (flavour == "reason")
    assert (answer.payload["message"] == sentence) == (flavour == "message")
    if flavour == "retry_after":
        assert header == "8"
    elif flavour == "retry_after_date":
        assert 5 < parsedate_to_datetime(str(header)).timestamp() - time.time() <= 9
    else:
        assert header is None


@pytest.mark.parametrize("header", ["-5", "nan", "3600", ""])
async def test_a_429_can_carry_any_header(ask: Asker, header: str) -> None:
    """Also one that makes no sense."""
    ask.sandbox.faults.append(Fault(action="429", header=header))
    assert (await ask("/people")).headers["Retry-After"] == header


async def test_an_enforced_429_closes_the_window_for_everything(ask: Asker) -> None:
    """Every path is refused until the seconds told have passed, and then none is."""
    ask.sandbox.faults.append(Fault(action="429", path="/people", seconds=0.2, enforced=True))
    assert (await ask("/people")).status == 429
    refused = await ask("/user")
    assert refused.status == 429
    assert float(refused.payload["reason"].split("초")[0]) <= 0.2
    await asyncio.sleep(0.2)
    assert (await ask("/user")).status == 200


@pytest.mark.parametrize(
    ("action", "holds"),
    [
        ("success_false", lambda got: got["success"] is False),
        ("no_list_key", lambda got: got["success"] and "peopleList" not in got["data"]),
        ("list_not_list", lambda got: isinstance(got["data"]["peopleList"], dict)),
        ("drop_envelope", lambda got: "success" not in got and len(got["peopleList"]) == 50),
    ],
)
async def test_a_200_can_lack_what_a_page_needs(
    ask: Asker, action: Action, holds: Callable[[Any], bool]
) -> None:
    """Valid JSON with status 200 that is not a page."""
    ask.sandbox.faults.append(Fault(action=action))
    answer = await ask("/people")
    assert answer.status == 200
    assert holds(answer.payload)


async def test_a_200_can_be_no_json_at_all(ask: Asker) -> None:
    """A maintenance page, an empty body, half a page, or any text."""
    ask.sandbox.faults += [
        Fault(action="html"),
        Fault(action="empty_200"),
        Fault(action="garbage"),
        Fault(action="garbage", body='{"success": true, "data": {"peopleList": [NaN]}}'),
    ]
    page, empty, half, nan = [await ask("/people") for _ in range(4)]
    assert {answer.status for answer in (page, empty, half, nan)} == {200}
    assert page.headers["Content-Type"].startswith("text/html")
    assert empty.body == b""
    for answer in (half, nan):
        assert answer.headers["Content-Type"].startswith("application/json")
        with pytest.raises(orjson.JSONDecodeError):
            orjson.loads(answer.body)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(action="reset", times=None), aiohttp.ClientConnectionError),
        (Fault(action="truncate", cut="length"), aiohttp.ClientPayloadError),
        (Fault(action="truncate", cut="chunked"), aiohttp.ClientPayloadError),
    ],
)
async def test_connections_break(
    ask: Asker,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    fault: Fault,
    error: type[Exception],
) -> None:
    """Before the headers or in the middle of a body, and the server says nothing about it."""
    ask.sandbox.faults.append(fault)
    with caplog.at_level(logging.DEBUG), pytest.raises(error):
        await ask("/people")
    ask.sandbox.faults.clear()
    assert (await ask("/people")).status == 200
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []
    assert capfd.readouterr() == ("", "")


async def test_a_body_can_end_early_without_a_sign(ask: Asker) -> None:
    """Closed without a length, or gzip without its tail: only the JSON tells."""
    whole = (await ask("/people")).body
    ask.sandbox.faults += [Fault(action="truncate", cut="close"), Fault(action="gzip_cut")]
    closed, unzipped = await ask("/people"), await ask("/people")
    assert closed.body == whole[: len(whole) // 2]
    assert unzipped.headers["Content-Encoding"] == "gzip"
    assert len(unzipped.body) < len(whole)
    assert whole.startswith(unzipped.body)


async def test_a_huge_body_is_streamed(ask: Asker) -> None:
    """Valid JSON of the size asked for, plain or small on the wire."""
    ask.sandbox.faults += [
        Fault(action="huge", size_bytes=300_000),
        Fault(action="huge", size_bytes=300_000, compressed=True),
    ]
    plain, packed = await ask("/people"), await ask("/people")
    assert len(plain.body) == 300_000
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.body == plain.body
    assert "filler" in plain.data


async def test_a_redirect_names_its_target(ask: Asker) -> None:
    """302 with the URL of the fault."""
    ask.sandbox.faults.append(Fault(action="redirect", url="http://example.com/away"))
    answer = await ask("/people")
    assert (answer.status, answer.headers["Location"]) == (302, "http://example.com/away")


async def test_a_cursor_can_repeat_itself(ask: Asker) -> None:
    """A loop answers with the cursor that was asked for; a first page cannot loop."""
    ask.sandbox.faults.append(Fault(action="loop", path="/people"))
    cursor = (await ask("/people")).data["nextCursor"]
    assert (await ask("/people", cursor=cursor)).data["nextCursor"] == cursor
    assert (await ask("/people", cursor=cursor)).data["nextCursor"] != cursor


@pytest.mark.parametrize("path", ["/people", "/deal"])
async def test_cursors_can_go_in_a_circle(ask: Asker, path: str) -> None:
    """A, B, A, B: no cursor repeats the one just asked for."""
    ask.sandbox.faults.append(Fault(action="cycle", path=path, times=None))
    cursors = [next_cursor((await ask(path)).data)]
    for _ in range(3):
        cursors.append(next_cursor((await ask(path, cursor=str(cursors[-1]))).data))
    first, second = cursors[:2]
    assert cursors == [first, second, first, second]
    assert first != second


@pytest.mark.parametrize("nth", [1, 2])
async def test_an_empty_page_can_carry_a_cursor(ask: Asker, nth: int) -> None:
    """The list goes on behind it, and nothing is lost, at the start and in the middle."""
    fault = Fault(action="empty_with_cursor", path="/people", nth=nth, times=2)
    ask.sandbox.faults.append(fault)
    pages = await ask.pages_of(endpoint_of("/people"))
    given = [record for page in pages for record in page["peopleList"]]
    assert given == list(ask.sandbox.workspace.table("people"))
    assert [len(page["peopleList"]) for page in pages[nth - 1 : nth + 1]] == [0, 0]
    cursors = [next_cursor(page) for page in pages]
    assert len(cursors) == len(set(cursors))


async def test_a_hook_can_change_the_workspace_between_pages(ask: Asker) -> None:
    """It is told the request and runs before the answer is made, with other faults behind it."""
    told: list[Arrival] = []

    def move_the_first_to_the_end(arrival: Arrival) -> None:
        told.append(arrival)
        people = ask.sandbox.workspace.table("people")
        people.append(people.pop(0))

    ask.sandbox.faults += [
        Fault(action="call", path="/people", nth=2, hook=move_the_first_to_the_end),
        Fault(action="status", path="/people", nth=2),
    ]
    moved = ask.sandbox.workspace.table("people")[0]
    cursor = (await ask("/people")).data["nextCursor"]
    assert (await ask("/people", cursor=cursor)).status == 500
    assert [(each.path, each.cursor) for each in told] == [("/people", cursor)]
    assert ask.sandbox.workspace.table("people")[-1] is moved


async def test_an_answer_can_be_late(session: aiohttp.ClientSession) -> None:
    """By the server's own latency and by a fault's."""
    fault = Fault(action="latency", seconds=0.06)
    async with Sandbox(Workspace.generate(records=50), latency_s=0.05, faults=[fault]) as sandbox:
        ask = Asker(session, sandbox)
        moments = [time.monotonic()]
        for _ in range(2):
            assert (await ask("/people")).status == 200
            moments.append(time.monotonic())
    both, own = (after - before for before, after in itertools.pairwise(moments))
    assert both >= 0.11
    assert own >= 0.05


@pytest.mark.parametrize("stopped", [True, False])
async def test_a_hanging_request_ends_with_the_server_or_its_client(
    session: aiohttp.ClientSession, *, stopped: bool
) -> None:
    """It is never answered, and holds up neither the stop nor other requests."""
    reached = asyncio.Event()
    faults = [
        Fault(action="call", path="/people", hook=lambda arrival: reached.set()),
        Fault(action="hang", path="/people", times=None),
    ]
    async with Sandbox(Workspace.generate(records=50), faults=faults) as sandbox:
        ask = Asker(session, sandbox)
        hanging = asyncio.create_task(ask("/people"))
        await reached.wait()
        assert (await ask("/user")).status == 200
        if not stopped:
            hanging.cancel()
            await asyncio.wait([hanging])
        started = time.monotonic()
    assert time.monotonic() - started < 0.9
    with pytest.raises((aiohttp.ClientConnectionError, asyncio.CancelledError)):
        await hanging
    assert sandbox.arrivals[0].status == 0


async def test_a_stop_leaves_no_task_behind() -> None:
    """Also when a client has just broken off and others are kept alive."""
    before = asyncio.all_tasks()
    async with (
        aiohttp.ClientSession(headers=HEADERS) as session,
        Sandbox(Workspace.generate(records=50), latency_s=30) as sandbox,
    ):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await Asker(session, sandbox)("/people")
    assert asyncio.all_tasks() == before


# Faults from a file


def test_faults_come_from_a_file(tmp_path: Path) -> None:
    """A JSON list with the names of the fields."""
    file = tmp_path / "faults.json"
    entries = [
        {"action": "429", "path": "/memo", "nth": 3, "seconds": 2, "flavour": "message"},
        {"action": "status", "status": 503, "times": None},
    ]
    file.write_text(json.dumps(entries), encoding="utf-8")
    assert load_faults(file) == (
        Fault(action="429", path="/memo", nth=3, seconds=2, flavour="message"),
        Fault(action="status", status=503, times=None),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("{}", "a list of faults"),
        ("[1]", "entry 1: an object with an action"),
        ('[{"action": "explode"}]', "entry 1: action is one of status"),
        ('[{"action": "html"}, {"action": "html", "pth": "/x"}]', "entry 2: there is no 'pth'"),
        ('[{"action": "html", "nth": "2"}]', "nth must be int, not '2'"),
        ('[{"action": "html", "nth": true}]', "nth must be int, not True"),
        ('[{"action": "html", "nth": 0}]', "nth counts from 1"),
        ('[{"action": "html", "path": null}]', "path must be str, not None"),
        ('[{"action": "status", "status": 42}]', "from 200 to 599"),
        ('[{"action": "429", "seconds": NaN}]', "from 0 on"),
        ('[{"action": "call"}]', "call works in Python only"),
        ('[{"action": []}]', "action must be"),
    ],
)
def test_a_bad_file_is_a_usage_error_of_one_line(tmp_path: Path, text: str, message: str) -> None:
    """It names the file, the entry and what is wrong."""
    file = tmp_path / "faults.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=re.escape(message)) as caught:
        load_faults(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    """It names the path."""
    with pytest.raises(UsageError, match=r"none\.json"):
        load_faults(tmp_path / "none.json")


def test_a_hook_belongs_to_call_alone() -> None:
    """A fault that could not do what it says is refused when it is made."""
    with pytest.raises(ValueError, match="hook"):
        Fault(action="call")
    with pytest.raises(ValueError, match="seconds"):
        Fault(action="latency", seconds=math.inf)


# The command


async def test_serve_announces_its_address_and_ends_when_cancelled(
    session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """On loopback, once it listens; the arrivals log is complete afterwards."""
    told: asyncio.Queue[str] = asyncio.Queue()
    log = tmp_path / "arrivals.jsonl"

    async def serving(port: int) -> None:
        await serve(
            Workspace.generate(records=50),
            port=port,
            latency_s=0.0,
            faults=(Fault(action="status", path="/team"),),
            quota=True,
            token="other",
            announce=told.put_nowait,
            arrivals_log=log,
        )

    server = asyncio.create_task(serving(0))
    base_url = await told.get()
    headers = {"Authorization": "Bearer other"}
    async with session.get(f"{base_url}/team", headers=headers) as answer:
        assert answer.status == 500
    address = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/api/v2", base_url)
    assert address is not None
    with pytest.raises(UsageError, match=address[1]):
        await serving(int(address[1]))
    server.cancel()
    with pytest.raises(asyncio.CancelledError):
        await server
    assert [json.loads(line)["status"] for line in log.read_text("utf-8").splitlines()] == [500]


def test_a_large_workspace_starts_at_once() -> None:
    """Records are made when they are looked at: 300,000 wide ones cost no time before that."""
    started = time.process_time()
    workspace = Workspace.generate(records=300_000, wide_fields=150)
    assert time.process_time() - started < 10
    assert len(workspace.table("deal").peek(30_000)) > 130
    assert microseconds(workspace.table("memo").peek(0)["createdAt"]) == microseconds("2023-01-01")


def test_optional_keys_are_left_out_one_by_one() -> None:
    """About as often as asked for; ids, links and names never are; the same seed, the same gaps."""
    whole, thin = (Workspace.generate(records=400, absent=absent) for absent in (0.0, 0.4))
    full, left = (list(each.lists["/deal"]) for each in (whole, thin))
    assert left == list(Workspace.generate(records=400, absent=0.4).lists["/deal"])
    share = 1 - sum(map(len, left)) / sum(map(len, full))
    assert 0.3 < share < 0.4
    for before, after in zip(full, left, strict=True):
        assert after.items() <= before.items()
        assert {"id", "RecordId", "peopleId", "organizationId", "이름", "상태"} <= after.keys()
