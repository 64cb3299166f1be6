"""A day of work in the invented workspace: what people do in a CRM between two nights.

New deals, deals that move on and back, are won, lost, worth more or less, handed over or deleted;
organizations that are renamed or merged; new people and memos. The same seed does the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from salesmap_async.api.endpoints import ENDPOINTS, is_log
from salesmap_async.sandbox import words
from salesmap_async.sandbox.dice import Dice, identity
from salesmap_async.sandbox.optional import log_event
from salesmap_async.sandbox.plain import only_plain
from salesmap_async.sandbox.table import Record, Table, microseconds
from salesmap_async.sandbox.workspace import Workspace

_EVENTS_A_DAY = 20
_ENTERED = re.compile(r".+로 진입한 날짜")
_OPEN = ("SQL", "In progress")


def work_a_day(workspace: Workspace, seed: int) -> None:
    """Let a day of work change the workspace in place; a day with another seed may follow."""
    _Day(workspace, seed).work()


class _Day:
    def __init__(self, workspace: Workspace, seed: int) -> None:
        self._workspace = workspace
        self._seed = seed
        day = datetime(2026, 7, 1, 1, tzinfo=UTC) + timedelta(days=seed)
        self._now = f"{day:%Y-%m-%dT%H:%M:%S}.000Z"

    def work(self) -> None:
        deals = self._workspace.table("deal")
        share = max(1, len(deals) // 100)
        touched = self._some(deals, 7 * share)
        for number, deal in enumerate(touched):
            (self._move_on, self._move_back, self._win, self._lose, self._revalue, self._hand_over,
             self._note)[number % 7](deal, Dice(self._seed, "work", number))  # fmt: skip
        for number in range(share):
            self._add("deal", number, self._as_new_deal)
            self._add("people", number, self._as_new_person)
            self._add("memo", number, self._as_new_memo)
        self._delete("deal", max(1, share // 2))
        self._log()
        self._rename_organization()
        self._merge_organizations()

    def _log(self) -> None:
        """Add some rows to the end of each log whose ids are in the order of time."""
        at_us = microseconds(self._now)
        for endpoint in ENDPOINTS:
            log = self._workspace.lists[endpoint.path]
            if is_log(endpoint.table) and len(log) and str(log[0]["id"])[14] == "7":
                for number in range(_EVENTS_A_DAY):
                    moment_us = at_us + number * 60_000_000
                    log.append(
                        log_event(
                            endpoint.path,
                            self._seed * 1000 + number,
                            moment_us,
                            seed=self._seed,
                            owner_id=str(log[0]["ownerId"]),
                        )
                    )

    def _some(self, table: Table, count: int) -> Iterator[Record]:
        """Yield that many records of a list (fewer of a short one), none twice."""
        places = {Dice(self._seed, "pick", n).below(len(table)) for n in range(count) if len(table)}
        return (table[place] for place in sorted(places))

    # -- deals ------------------------------------------------------------------------------------

    def _move_on(self, deal: Record, dice: Dice) -> None:
        ahead = [name for name in deal if _ENTERED.fullmatch(name) and deal[name] is None]
        if ahead:
            self._change(deal, **{dice.pick(ahead): self._now})

    def _move_back(self, deal: Record, dice: Dice) -> None:
        been = [name for name in deal if _ENTERED.fullmatch(name) and deal[name] is not None]
        if been:
            self._change(deal, **{dice.pick(been): self._now})

    def _win(self, deal: Record, dice: Dice) -> None:
        won = {"상태": "Won", "금액": dice.pick(words.AMOUNTS), "계약 체결일": self._now}
        if deal.get("상태") in _OPEN:
            self._change(deal, **won)

    def _lose(self, deal: Record, dice: Dice) -> None:
        lost = {
            "상태": "Lost",
            "이탈 사유": dice.pick(words.LOSS_REASONS),
            "LOST 확정일": self._now,
        }
        if deal.get("상태") in _OPEN:
            self._change(deal, **lost)

    def _revalue(self, deal: Record, dice: Dice) -> None:
        self._change(deal, **{"예상 체결액": dice.pick(words.AMOUNTS)})

    def _hand_over(self, deal: Record, dice: Dice) -> None:
        colleagues = self._workspace.table("deal")
        other = colleagues.peek(dice.below(len(colleagues)))
        if "담당자" in other:
            self._change(deal, **{"담당자": other["담당자"]})

    def _note(self, deal: Record, dice: Dice) -> None:
        self._change(deal, **{"비고": dice.pick(words.SENTENCES)})

    # -- the rest ---------------------------------------------------------------------------------

    def _rename_organization(self) -> None:
        for organization in self._some(self._workspace.table("organization"), 1):
            self._change(organization, **{"이름": f"{organization['이름']} (새 이름)"})

    def _merge_organizations(self) -> None:
        """Everything of the last organization goes to the first; then it is gone."""
        organizations = self._workspace.table("organization")
        if len(organizations) < 2:
            return
        kept, merged = organizations.id_at(0), organizations.id_at(len(organizations) - 1)
        for name in ("people", "deal", "lead", "memo"):
            table = self._workspace.table(name)
            for place in range(len(table)):
                if table.peek(place).get("organizationId") == merged:
                    self._change(table[place], organizationId=kept)
        del organizations[len(organizations) - 1]

    def _delete(self, name: str, count: int) -> None:
        table = self._workspace.table(name)
        for number in range(min(count, len(table) - 1)):
            del table[Dice(self._seed, "delete", name, number).below(len(table))]

    def _add(self, name: str, number: int, shaped: Callable[[Record, Dice], Record]) -> None:
        table = self._workspace.table(name)
        if not len(table):
            return
        dice = Dice(self._seed, "add", name, number)
        record_id = identity(self._seed, "added", name, number)
        record = dict(table.peek(dice.below(len(table))))
        record |= {"id": record_id, "RecordId": record_id, "createdAt": self._now}
        shaped_record = shaped(record, dice) | {"updatedAt": self._now}
        table.append(only_plain(name, shaped_record) if self._workspace.is_plain else shaped_record)

    def _as_new_deal(self, deal: Record, dice: Dice) -> Record:
        been = {name: None for name in deal if _ENTERED.fullmatch(name)}
        return deal | been | {
            "이름": f"{dice.pick(words.EDUCATION_AREAS)} 새 과정 {self._seed}",
            "상태": "SQL", "금액": None, "계약 체결일": None,
            "예상 체결액": dice.pick(words.AMOUNTS),
        }  # fmt: skip

    def _as_new_person(self, person: Record, dice: Dice) -> Record:
        name = f"{dice.pick(words.FAMILY_NAMES)}{dice.pick(words.GIVEN_NAMES)}"
        email = f"new{self._seed}.{dice.below(10**6)}@example.com"
        return person | {"이름": name, "이메일": email}

    def _as_new_memo(self, memo: Record, dice: Dice) -> Record:
        text = dice.pick(words.SENTENCES)
        return memo | {"cursorId": memo["id"], "text": text, "htmlBody": f"<p>{text}</p>"}

    def _change(self, record: Record, **fields: object) -> None:
        if self._workspace.is_plain:
            fields = {key: value for key, value in fields.items() if key in record}
        record |= fields
        record["updatedAt"] = self._now
