"""Chains: which page is asked next, and when a list has surely ended (I3). No loop, no server."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import pytest

from salesmap_async.api.endpoints import Endpoint
from salesmap_async.api.pages import Page
from salesmap_async.collect.chains import Chain, ChainBrokenError
from salesmap_async.collect.trail import TRAIL_LENGTH, record_id
from tests.support.chains import resumed

PEOPLE = Endpoint(table="people", path="/people", list_key="peopleList", page_size=3)
MEMO = Endpoint(table="memo", path="/memo", list_key="memoList", in_creation_order=True)
TEAM = Endpoint(table="team", path="/team", list_key="teamList", paged=False)


def chain_of(endpoint: Endpoint = PEOPLE) -> Chain:
    return Chain(endpoint, endpoint.chain_name, endpoint.chain_name)


def records(*ids: str) -> list[dict[str, Any]]:
    return [{"id": each} for each in ids]


@dataclass
class ListServer:
    """The API's list in memory: cursor = id of the last record given, exclusive."""

    ids: list[str]
    page_size: int = 3
    later_size: int | None = None  # of all pages but the first
    end: str = "null"  # or "empty": the last full page still carries a cursor
    unknown: str = "refuse"  # or "empty": what a cursor of a deleted record gets
    asked: list[str | None] = field(default_factory=list)
    edited: set[str] = field(default_factory=set)

    def edit(self, name: str, *, to_end: bool) -> None:
        """Change a record; in a list ordered by the last change it moves to the end."""
        self.edited.add(name)
        if to_end:
            self.ids.remove(name)
            self.ids.append(name)

    def page(self, cursor: str | None) -> Page | None:
        """Answer one request; None stands for a 400."""
        self.asked.append(cursor)
        if cursor is not None and cursor not in self.ids:
            return None if self.unknown == "refuse" else Page([], None)
        start = 0 if cursor is None else self.ids.index(cursor) + 1
        size = self.page_size if start == 0 else self.later_size or self.page_size
        part = self.ids[start : start + size]
        more = start + size < len(self.ids)
        full = len(part) == size
        keep_cursor = more or (self.end == "empty" and full)
        found = [{"id": each, "edited": each in self.edited} for each in part]
        return Page(found, part[-1] if part and keep_cursor else None)


class Store:
    """What the writer would hold of one chain: (page, id), without what is known already."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, str]] = []

    def add(self, chain_pages: Any) -> None:
        if chain_pages.restart:
            self.rows.clear()
        known = []
        if chain_pages.known_pages is not None:
            first, last = chain_pages.known_pages
            known = [each for page, each in self.rows if first <= page <= last]
        for record in chain_pages.records:
            if record["id"] in known:
                known.remove(record["id"])
            else:
                self.rows.append((chain_pages.page, record["id"]))

    @property
    def ids(self) -> list[str]:
        return [each for _, each in self.rows]


def step(chain: Chain, server: ListServer, store: Store) -> None:
    """Ask one page as a worker does, and store what is to be stored."""
    page = server.page(chain.cursor)
    store.add(chain.cursor_refused("unknown id") if page is None else chain.take(page))


def read_all(chain: Chain, server: ListServer, store: Store, limit: int = 200) -> None:
    for _ in range(limit):
        if chain.ended:
            return
        step(chain, server, store)
    raise AssertionError("the chain does not end")


@pytest.mark.parametrize("count", [0, 1, 3, 4, 6, 17])
@pytest.mark.parametrize("end", ["null", "empty"])
def test_every_record_is_read_once_whatever_the_form_of_the_end(count: int, end: str) -> None:
    """A quiet list comes whole, in order, each record once."""
    server, store, chain = ListServer([f"r{n}" for n in range(count)], end=end), Store(), chain_of()
    read_all(chain, server, store)
    assert store.ids == server.ids
    assert chain.state == "done"


def test_an_empty_first_page_is_a_sure_end() -> None:
    """A list without records ends with its first page and is not asked again."""
    server, store, chain = ListServer([]), Store(), chain_of()
    read_all(chain, server, store)
    assert server.asked == [None]


def test_an_end_is_confirmed_where_edits_move_records() -> None:
    """The last record that was read may have moved to the end: the page before tells."""
    server, store, chain = ListServer(["a", "b", "c", "d"]), Store(), chain_of()
    read_all(chain, server, store)
    assert server.asked == [None, "c", None]
    assert store.ids == ["a", "b", "c", "d"]


def test_an_end_with_records_is_sure_in_the_order_of_creation() -> None:
    """No edit moves a memo: nothing is asked twice."""
    server, store, chain = ListServer(["a", "b", "c", "d"]), Store(), chain_of(MEMO)
    read_all(chain, server, store)
    assert server.asked == [None, "c"]


def test_a_list_of_one_page_needs_no_confirmation() -> None:
    """It was asked for without a cursor: nothing can have moved."""
    server, store, chain = ListServer(["a", "b"]), Store(), chain_of()
    read_all(chain, server, store)
    assert server.asked == [None]


def test_an_empty_last_page_is_confirmed_by_the_page_before() -> None:
    """An empty page after a cursor costs one more request: the page before it."""
    server, store, chain = ListServer(list("abcdef"), end="empty"), Store(), chain_of()
    read_all(chain, server, store)
    assert server.asked == [None, "c", "f", "c"]
    assert store.ids == list("abcdef")


def test_an_empty_page_that_carries_a_cursor_goes_on() -> None:
    """Only the cursor ends a list: an empty page in the middle cuts nothing."""
    chain, store = chain_of(), Store()
    for page in (Page(records("a"), "a"), Page([], "hole"), Page(records("b"), None)):
        store.add(chain.take(page))
    assert store.ids == ["a", "b"]
    assert chain.state == "done"


def asked_until_broken(chain: Chain, answers: Any, most: int) -> int:
    """Ask `answers(cursor, number)` until the chain breaks by a circle; return how often."""
    with pytest.raises(ChainBrokenError, match=r"circle|no end|first page again"):
        for number in range(most):
            page = answers(chain.cursor, number)
            chain.take(page)
    return number


@pytest.mark.parametrize("endpoint", [PEOPLE, MEMO], ids=["people", "memo"])
@pytest.mark.parametrize("cursors", [["x", "x"], ["x", "y", "x"], ["x", "y", "z", "y"]])
def test_a_cursor_seen_before_breaks_the_chain(endpoint: Endpoint, cursors: list[str]) -> None:
    """A cursor that repeats, or a cycle of cursors, fails by name instead of never ending."""
    following = dict(zip([None, *cursors], cursors, strict=False))
    chain = chain_of(endpoint)

    def answers(cursor: str | None, _number: int) -> Page:
        return Page(records(following[cursor]), following[cursor])

    asked_until_broken(chain, answers, 30)


@pytest.mark.parametrize("endpoint", [PEOPLE, MEMO], ids=["people", "memo"])
@pytest.mark.parametrize("pages", [1, 2, 7])
def test_ever_new_cursors_over_the_same_pages_break_the_chain(
    endpoint: Endpoint, pages: int
) -> None:
    """The records come again and again, under cursors that are always fresh.

    The list's first page is not among them: that one would be known as such.
    """
    chain = chain_of(endpoint)
    asked: dict[str | None, int] = {None: 0}

    def answers(cursor: str | None, number: int) -> Page:
        page = asked.setdefault(cursor, number)
        asked[f"c{page + 1}"] = page + 1
        place = page if page == 0 else 1 + (page - 1) % pages
        return Page(records(*(f"r{place}{each}" for each in "abc")), f"c{page + 1}")

    assert asked_until_broken(chain, answers, 300) < 4 * (pages + 10)


@pytest.mark.parametrize("endpoint", [PEOPLE, MEMO], ids=["people", "memo"])
def test_empty_pages_with_ever_new_cursors_break_the_chain(endpoint: Endpoint) -> None:
    """Twenty of them in a row have no end."""
    chain = chain_of(endpoint)

    def answers(cursor: str | None, number: int) -> Page:
        return Page(records("a"), "first") if cursor is None else Page([], f"c{number}")

    assert 20 <= asked_until_broken(chain, answers, 100) < 60


def test_an_empty_page_that_repeats_its_cursor_is_a_loop() -> None:
    """An empty page whose next cursor is the one just asked leads nowhere."""
    chain = chain_of(MEMO)
    chain.take(Page(records("a"), "a"))
    with pytest.raises(ChainBrokenError):
        chain.take(Page([], "a"))


@pytest.mark.parametrize("short", [5, 50])
def test_short_pages_are_taken_for_the_list_s_own_after_five_checks(short: int) -> None:
    """Each costs a request, five at most; then only the end is checked."""
    ids = [f"r{n:03}" for n in range(3 + short * 2 + 3)]
    server, store, chain = ListServer(ids), Store(), chain_of()
    server.later_size = 2
    read_all(chain, server, store)
    assert store.ids == ids
    pages = 1 + short + 2
    assert len(server.asked) == pages + min(5, pages - 2) + 1


def test_the_first_page_after_a_resume_is_checked() -> None:
    """The cursor's record has moved far on meanwhile: the list goes on where it stood.

    Full pages follow it there, and only the first of them shows, by the page before, that it moved.
    """
    server, store, chain = ListServer([f"r{n:02}" for n in range(20)]), Store(), chain_of()
    step(chain, server, store)
    chain = resumed(chain)
    for moved in (2, *range(12, 20)):
        server.edit(f"r{moved:02}", to_end=True)
    read_all(chain, server, store)
    assert set(store.ids) == set(server.ids)


def test_an_expired_cursor_that_gets_the_first_page_is_a_refused_one() -> None:
    """A resume finds the page before by its own cursor, and a fresh one to go on with."""
    chain, store = chain_of(), Store()
    store.add(chain.take(Page(records("a", "b"), "old")))
    store.add(chain.take(Page(records("c", "d"), "older")))
    chain = resumed(chain)
    store.add(chain.take(Page(records("a", "b"), "new-1")))  # for "older": it has expired
    store.add(chain.take(Page(records("a", "b"), "new-1")))  # and so has "old"
    assert chain.cursor is None
    store.add(chain.take(Page(records("a", "b"), "new-1")))
    assert chain.cursor == "new-1"
    store.add(chain.take(Page(records("c", "d"), "new-2")))
    store.add(chain.take(Page(records("e"), None)))
    store.add(chain.take(Page(records("c", "d"), "new-2")))
    assert chain.ended
    assert store.ids == ["a", "b", "c", "d", "e"]


def test_a_list_in_order_of_creation_is_not_begun_again_by_an_expired_cursor() -> None:
    """Its pages are not checked after a resume, so the first page itself must be known."""
    chain, store = chain_of(MEMO), Store()
    store.add(chain.take(Page(records("a", "b"), "old")))
    store.add(chain.take(Page(records("c", "d"), "older")))
    chain = resumed(chain)
    assert not chain.take(Page(records("a", "b"), "new-1")).records
    assert chain.cursor == "old"  # the page before is asked again


def test_records_that_are_never_twice_the_same_do_not_keep_a_list_from_ending() -> None:
    """A counter in each record changes with every answer: then the id alone must do."""
    chain, rows = chain_of(), 0
    for number in range(40):
        if chain.ended:
            break
        ids = {None: "abc", "c": "def", "f": "gh"}[chain.cursor]
        page = [{"id": each, "seconds": number} for each in ids]
        rows += len(chain.take(Page(page, ids[-1] if len(ids) == 3 else None)).records)
    assert (chain.state, rows) == ("done", 8)
    assert number < 10


@pytest.mark.parametrize("unknown", ["refuse", "empty"])
def test_a_deleted_cursor_record_does_not_end_the_list(unknown: str) -> None:
    """The record that the cursor names is deleted: the chain goes on from the page before."""
    server = ListServer([f"r{n}" for n in range(10)], unknown=unknown)
    store, chain = Store(), chain_of()
    step(chain, server, store)
    server.ids.remove("r2")
    read_all(chain, server, store)
    assert store.ids == [f"r{n}" for n in range(10)]  # r2 had been read before it went


@pytest.mark.parametrize("unknown", ["refuse", "empty"])
def test_deleted_pages_lead_one_further_back(unknown: str) -> None:
    """Whole pages before the cursor are deleted: an older cursor of the trail still helps."""
    server = ListServer([f"r{n}" for n in range(12)], unknown=unknown)
    store, chain = Store(), chain_of()
    for _ in range(3):
        step(chain, server, store)
    server.ids = [each for each in server.ids if each not in {"r5", "r8"}]
    read_all(chain, server, store)
    assert sorted(store.ids) == sorted(f"r{n}" for n in range(12))
    assert len(store.ids) == len(set(store.ids))


@pytest.mark.parametrize("unknown", ["refuse", "empty"])
def test_a_list_is_read_anew_when_no_remembered_cursor_helps(unknown: str) -> None:
    """All remembered cursors are gone: what was stored is dropped and the list starts over."""
    server = ListServer([f"r{n:02}" for n in range(40)], unknown=unknown)
    store, chain = Store(), chain_of()
    for _ in range(TRAIL_LENGTH + 2):
        step(chain, server, store)
    chain = resumed(chain)
    steps = chain._trail.steps
    gone = {step.next_cursor for step in steps} | {steps[0].cursor}
    server.ids = [each for each in server.ids if each not in gone]
    read_all(chain, server, store)
    assert store.ids == server.ids


def test_a_cursor_refused_although_its_record_lives_fails_by_name() -> None:
    """A cursor that is refused for ever: asked once more, read anew once, then the table fails."""
    chain = chain_of()

    def refused_twice() -> Any:
        chain.take(Page(records("a"), "a"))
        chain.cursor_refused("no")
        chain.take(Page(records("a"), "a"))
        assert (chain.progress()["cursor"], chain.ended) == ("a", False)
        return chain.cursor_refused("no")

    assert refused_twice().restart
    with pytest.raises(ChainBrokenError, match="refuses the cursor it gave itself"):
        refused_twice()


def test_a_refusal_that_turns_into_an_empty_page_is_the_end() -> None:
    """One 400 at the last cursor, then the empty page that it always was: the list has ended."""
    chain, store = chain_of(), Store()
    store.add(chain.take(Page(records("a"), "a")))
    store.add(chain.cursor_refused("no"))
    for page in (Page(records("a"), "a"), Page([], None), Page(records("a"), "a")):
        store.add(chain.take(page))
    assert (store.ids, chain.state) == (["a"], "done")


def test_an_expired_cursor_is_replaced_by_the_fresh_one_of_the_page_before() -> None:
    """The page before ends at the same record under another cursor: that one leads on."""
    chain, store = chain_of(), Store()
    store.add(chain.take(Page(records("a", "b"), "old-cursor")))
    chain = resumed(chain)
    store.add(chain.cursor_refused("expired"))
    store.add(chain.take(Page(records("a", "b"), "fresh-cursor")))
    assert chain.cursor == "fresh-cursor"
    store.add(chain.take(Page(records("c"), None)))
    store.add(chain.take(Page(records("a", "b"), "fresh-cursor")))
    assert (store.ids, chain.state) == (["a", "b", "c"], "done")


def test_a_cursor_refused_once_is_taken_up_again() -> None:
    """A refusal that does not last costs no record."""
    chain, store = chain_of(), Store()
    store.add(chain.take(Page(records("a"), "a")))
    store.add(chain.cursor_refused("no"))
    store.add(chain.take(Page(records("a"), "a")))
    store.add(chain.take(Page(records("b"), None)))
    store.add(chain.take(Page(records("a"), "a")))
    assert store.ids == ["a", "b"]


def test_an_unpaged_list_that_gives_its_first_page_again_has_ended() -> None:
    """A cursor is not honoured there: the second answer is the first one."""
    chain, store = chain_of(TEAM), Store()
    store.add(chain.take(Page(records("a", "b"), "b")))
    store.add(chain.take(Page(records("a", "b"), "b")))
    assert (store.ids, chain.state) == (["a", "b"], "done")


def test_an_unpaged_list_may_repeat_its_page_without_a_cursor() -> None:
    """The repeated page is known by its last record, whatever cursor it carries."""
    chain, store = chain_of(TEAM), Store()
    store.add(chain.take(Page(records("a", "b"), "b")))
    store.add(chain.take(Page(records("a", "b"), None)))
    assert (store.ids, chain.state) == (["a", "b"], "done")


def test_an_unpaged_list_that_really_goes_on_is_followed() -> None:
    """If such a list ever gets pages, they are read, not lost."""
    chain, store = chain_of(TEAM), Store()
    store.add(chain.take(Page(records("a", "b"), "b")))
    store.add(chain.take(Page(records("c"), None)))
    assert store.ids == ["a", "b", "c"]


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("says_end", [True, False])
def test_an_end_without_a_word_after_a_full_page_gets_a_remark(count: int, says_end: bool) -> None:
    """It may be an end; it may be that the API has a new name for its cursors."""
    chain = chain_of(MEMO)
    chain.take(Page(records("a", "b", "c"), "c"))
    chain.take(Page(records(*"def"[:count]), None, says_end))
    assert chain.ended
    assert bool(chain.remark) is (count == 3 and not says_end)


def test_a_failed_chain_is_tried_again_at_its_cursor() -> None:
    """A resume takes a failed list up where it failed."""
    chain = chain_of()
    chain.take(Page(records("a"), "a"))
    chain.fail("the server said no")
    again = resumed(chain)
    assert (again.state, again.cursor, again.pages) == ("reading", "a", 1)


@pytest.mark.parametrize("seed", range(400))
def test_no_untouched_record_is_lost_while_others_are_deleted(seed: int) -> None:
    """Random lists with random deletions and resumes: every record that stays is read once.

    Read in another way, this loses the rest of the list in about one run of twenty.
    """
    dice = random.Random(seed)
    print(f"seed {seed}")
    server = ListServer(
        [f"r{n:03}" for n in range(dice.randint(0, 60))],
        page_size=dice.randint(1, 7),
        end=dice.choice(["null", "empty"]),
        unknown=dice.choice(["refuse", "empty"]),
    )
    untouched = set(server.ids)
    store, chain = Store(), chain_of()
    deletions = 8
    for _ in range(500):
        if chain.ended:
            break
        if deletions and server.ids and dice.random() < 0.3:
            deletions -= 1
            # Those at risk are the ones that a cursor names: prefer them.
            gone = chain.cursor if chain.cursor in server.ids else dice.choice(server.ids)
            assert gone is not None
            server.ids.remove(gone)
            untouched.discard(gone)
        if dice.random() < 0.1:
            chain = resumed(chain)
        step(chain, server, store)
    assert chain.state == "done"
    assert untouched <= set(store.ids)
    assert len([each for each in store.ids if each in untouched]) == len(untouched)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"id": "a"}, "a"),
        ({"id": 5}, "5"),
        ({"id": None}, None),
        ({}, None),
        ({"id": "  "}, None),
        ({"id": "x\ud83d"}, "x�"),
        ({"id": {"$oid": "1"}}, '{"$oid":"1"}'),
    ],
)
def test_a_record_is_known_by_its_id_as_text(record: dict[str, Any], expected: str | None) -> None:
    """Blank and missing ids are none; others are text that SQLite can hold."""
    assert record_id(record, "id") == expected
