"""How one record of each core list looks: a function of the seed, the list and its number.

Every list holds, somewhere, what a real workspace holds: legacy ids, nulls, absent keys, keys that
first appear late, names that differ only by case, numbers that a float cannot hold, markup.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import islice
from typing import Any

from salesmap_async.sandbox import words
from salesmap_async.sandbox.dice import Dice, identity
from salesmap_async.sandbox.plain import only_plain, stage_of_deal
from salesmap_async.sandbox.table import Record, microseconds

FIRST_US = microseconds(words.DAYS[0])
SPAN_US = 1270 * 86_400_000_000
BEYOND_FLOAT = 9007199254740993
LONE_SURROGATE = "반쪽 이모지 \ud83d 뒤의 글"
FORM_LIST_FIELD = "제출된 웹폼 목록"

# One record in this many gets a spiced text, each field in its turn.
_SPICE_TURNS = 64
_TEXT_FIELDS: dict[str, tuple[str, ...]] = {
    "organization": ("이름", "업종", "업종 구분(대)", "업종 구분(중)", "전화", "주소", "홈페이지"),
    "people": (
        "이름",
        "소속 상위 조직",
        "팀(명함/메일서명)",
        "직급(명함/메일서명)",
        "담당 교육 영역",
        "이메일",
        "전화",
        "Label",
        "label",
    ),
    "deal": ("이름", "이탈 사유", "과정포맷", "카테고리", "비고"),
    "lead": ("이름", "유입 경로", '비고 "내부용"'),
    "memo": ("text", "htmlBody"),
}
_DISPENSABLE: dict[str, tuple[str, ...]] = {
    "organization": ("업종", "업종 구분(중)", "팀", "담당자", "전화", "직원 수", "주소"),
    "people": (
        "팀(명함/메일서명)",
        "직급(명함/메일서명)",
        "담당 교육 영역",
        "이메일",
        "label",
        "담당자",
    ),
    "deal": ("성사 가능성", "수주 예정일", "예상 체결액", "카테고리", "Net(%)", "비고"),
    "lead": ("유입 경로", "담당자", "예상 금액"),
}
_IN_EVERY_RECORD = frozenset(
    {"id", "RecordId", "이름", "text", "createdAt", "updatedAt", "상태", FORM_LIST_FIELD}
)
_LATE_FROM = 0.75
_STAGE_PATTERNS = 16
_TEAM_OF_OWNER = {
    owner: team for team, members in enumerate(words.TEAM_MEMBERS) for owner in members
}


@dataclass(frozen=True)
class Invention:
    """Everything that can be said about a record from its list and number.

    `counts`: records of each core list. `stage_fields`: stage-tracking keys of a deal and a lead.
    `absent`: how probable it is that a record leaves an optional key out, each for itself.
    `log_events`: rows of each history and activity, with ids in order; None: a few, without.
    `plain`: records have the fields that every workspace has, and none of one company.
    """

    seed: int
    counts: Mapping[str, int]
    forms: int
    stage_fields: int
    absent: float = 0.0
    plain: bool = False
    log_events: int | None = None

    def id_of(self, table: str, index: int) -> str:
        """Return the id of a core record; one in nine is of the legacy kind."""
        return identity(self.seed, table, index, legacy=index % 9 == 4)

    def organization(self, index: int) -> Record:
        dice = Dice(self.seed, "organization", index)
        sector, branch = dice.pick(words.INDUSTRIES)
        owner = dice.below(len(words.OWNER_NAMES))
        record = {
            **self._head("organization", index),
            "이름": f"{dice.pick(words.ORGANIZATION_STEMS)} {index:05d}",
            "기업 규모": words.SIZES[0] if index < 3 else dice.pick(words.SIZES),
            "업종": f"{sector}/{branch}",
            "업종 구분(대)": sector,
            "업종 구분(중)": branch,
            "팀": [self.team_of(owner)],
            "담당자": self.owner(owner),
            "전화": f"02-0000-{dice.below(10000):04d}",
            "주소": f"{dice.pick(words.CITIES)} {dice.below(300)}",
            "홈페이지": f"https://org{index}.example.com",
            "직원 수": dice.pick((50, 300, 24000, 24000.0, 1200, 87)),
            FORM_LIST_FIELD: self.form_list(index) if dice.one_in(6) else None,
            "생성 날짜": _kst_midnight(dice.below(900)),
        }
        return self._finished("organization", index, record, dice)

    def people(self, index: int) -> Record:
        dice = Dice(self.seed, "people", index)
        family, given = dice.pick(words.FAMILY_NAMES), dice.pick(words.GIVEN_NAMES)
        record = {
            **self._head("people", index),
            "organizationId": self.organization_of_person(index),
            "이름": f"{family}{given} {index:05d}",
            "소속 상위 조직": dice.pick(words.UPPER_ORGANIZATIONS) or None,
            "팀(명함/메일서명)": dice.pick(words.TEAM_SIGNATURES),
            "직급(명함/메일서명)": dice.pick(words.TITLES),
            "담당 교육 영역": dice.pick(words.EDUCATION_AREAS),
            "이메일": f"person{index}@example.com",
            "전화": f"010-0000-{dice.below(10000):04d}"
            if dice.below(2)
            else f"0100000{dice.below(10000):04d}",
            "담당자": self.any_owner(dice),
            "Label": dice.pick(("VIP", "일반")),
            "label": dice.pick(("vip", "normal")),
            "외부 시스템 번호": BEYOND_FLOAT if index == 5 else dice.below(10**9),
            FORM_LIST_FIELD: self.form_list(index),
            "생성 날짜": _kst_midnight(dice.below(1200)),
        }
        return self._finished("people", index, record, dice)

    def deal(self, index: int) -> Record:
        dice = Dice(self.seed, "deal", index)
        status = dice.pick(words.STATUSES)
        owner = dice.below(len(words.OWNER_NAMES))
        start = dice.below(1200)
        record = {
            **self._head("deal", index),
            **self._deal_links(dice),
            "이름": f"{dice.pick(words.EDUCATION_AREAS)} 과정 {index:05d}",
            "팀": [self.team_of(owner)],
            "담당자": [self.owner(owner)] if dice.one_in(10) else self.owner(owner),
            "상태": status,
            "성사 가능성": [dice.pick(words.LIKELIHOODS)],
            "수주 예정일": _kst_midnight(min(start + 60, len(words.DAYS) - 1)),
            "예상 체결액": dice.pick(words.AMOUNTS),
            "과정포맷": dice.pick(words.FORMATS),
            "카테고리": dice.pick(words.CATEGORIES),
            "Net(%)": dice.pick((31, 31.0, 24.5, 40, 0, -3.25)),
            "비고": dice.pick(words.SENTENCES),
            **self._deal_outcome(index, status, start, dice),
            "수강시작일": _kst_midnight(min(start + 30, len(words.DAYS) - 1)),
            "수강종료일": _kst_midnight(min(start + 33, len(words.DAYS) - 1)),
            "생성 날짜": _kst_midnight(max(start - 20, 1)),
            **self._stage_tracking("deal", index, dice),
            **(stage_of_deal(self.seed, index) if self.plain else {}),
        }
        return self._finished("deal", index, record, dice)

    def lead(self, index: int) -> Record:
        dice = Dice(self.seed, "lead", index)
        record = {
            **self._head("lead", index),
            **self._deal_links(dice),
            "이름": f"{dice.pick(words.LEAD_SOURCES)} 리드 {index:05d}",
            "유입 경로": dice.pick(words.LEAD_SOURCES),
            "담당자": self.any_owner(dice),
            "예상 금액": dice.pick((24000, 24000.0, 5_000_000, 12_000_000)),
            '비고 "내부용"': dice.pick(words.SENTENCES),
            "생성 날짜": _kst_midnight(dice.below(1200)),
            **self._stage_tracking("lead", index, dice),
        }
        return self._finished("lead", index, record, dice)

    def memo(self, index: int) -> Record:
        dice = Dice(self.seed, "memo", index)
        created = iso(self.memo_created_us(index))
        text = f"{dice.pick(words.SENTENCES)} {dice.pick(words.SENTENCES)} ({index})"
        record = {
            **self._head("memo", index),
            "cursorId": self.id_of("memo", index),
            "text": LONE_SURROGATE if index == 3 else text,
            "htmlBody": f"<p>{text}</p><p><br></p><ul><li>{dice.pick(words.SENTENCES)}</li></ul>",
            "createdAt": created,
            "updatedAt": created,
            "ownerId": self.any_owner(dice)["id"],
            **self._memo_links(dice),
        }
        return self._finished("memo", index, record, dice)

    def memo_created_us(self, index: int) -> int:
        """Return when memo `index` was written; the list is ordered by it, oldest first.

        The first memo of each page is as old as the last one of the page before.
        """
        step_ms = SPAN_US // 1000 // max(1, self.counts["memo"])
        steps = index - 1 if index and index % 50 == 0 else index
        return FIRST_US + steps * step_ms * 1000

    def organization_of_person(self, index: int) -> str | None:
        """Return the organization of person `index`.

        The first tenth of the people, who have most deals, work for the few key customers.
        """
        dice = Dice(self.seed, "organization of", index)
        count = self.counts["organization"]
        if not count or dice.one_in(30):
            return None
        is_key_contact = index < self.counts["people"] * 0.1
        reach = max(1, count // 20) if is_key_contact else count
        return self.id_of("organization", dice.low(reach))

    def forms_of_person(self, index: int) -> tuple[int, ...]:
        """Return the numbers of the forms person `index` has submitted.

        The numbers from `forms` on stand for forms that do not exist any more.
        """
        dice = Dice(self.seed, "forms of", index)
        if not self.forms:
            return ()
        if index % 40 == 1:
            return (dice.low(self.forms), self.forms + dice.below(2))
        if dice.below(3):
            return ()
        chosen = {dice.low(self.forms) for _ in range(1 + dice.below(3))}
        return tuple(sorted(chosen))

    def form(self, number: int) -> Record:
        """Return a form as other records name it."""
        stem = words.FORM_STEMS[number % len(words.FORM_STEMS)]
        return {
            "id": identity(self.seed, "form", number, legacy=number % 9 == 4),
            "name": f"{stem} {number:03d}",
        }

    def form_list(self, index: int) -> list[Record] | None:
        """Return what `제출된 웹폼 목록` of person `index` holds."""
        return [self.form(number) for number in self.forms_of_person(index)] or None

    def owner(self, number: int) -> Record:
        """Return user `number` as other records name them."""
        return {"id": self._owner_ids[number], "name": words.OWNER_NAMES[number]}

    def any_owner(self, dice: Dice) -> Record:
        """Return one of the users."""
        return self.owner(dice.below(len(words.OWNER_NAMES)))

    def team(self, number: int) -> Record:
        """Return team `number` as other records name it."""
        return {"id": self._team_ids[number], "name": words.TEAM_NAMES[number]}

    def team_of(self, owner: int) -> Record:
        """Return the team of user `owner`."""
        return self.team(_TEAM_OF_OWNER[owner])

    @cached_property
    def _owner_ids(self) -> tuple[str, ...]:
        return tuple(identity(self.seed, "user", n) for n in range(len(words.OWNER_NAMES)))

    @cached_property
    def _team_ids(self) -> tuple[str, ...]:
        return tuple(identity(self.seed, "team", n) for n in range(len(words.TEAM_NAMES)))

    @cached_property
    def pipelines(self) -> tuple[str, ...]:
        """The pipelines' names: as many as the stage-tracking fields need."""
        per_pipeline = len(words.STAGES) * len(words.STAGE_FACTS)
        count = max(len(words.PIPELINES), -(-self.stage_fields // per_pipeline))
        more = (f"파이프라인 {number + 1}" for number in range(len(words.PIPELINES), count))
        return (*words.PIPELINES, *more)

    @cached_property
    def _stage_patterns(self) -> tuple[Record, ...]:
        return tuple(self._stage_pattern(number) for number in range(_STAGE_PATTERNS))

    def _stage_pattern(self, number: int) -> Record:
        names = (
            (f"{pipeline} - {stage}{fact}", fact)
            for pipeline in self.pipelines
            for stage in words.STAGES
            for fact in words.STAGE_FACTS
        )
        pattern: Record = {}
        for position, (name, fact) in enumerate(islice(names, self.stage_fields)):
            dice = Dice(self.seed, "stage", number, position)
            if dice.one_in(12):
                continue
            pattern[name] = None if dice.one_in(3) else _stage_value(fact, dice)
        return pattern

    def _stage_tracking(self, table: str, index: int, dice: Dice) -> Record:
        pattern = dice.pick(self._stage_patterns)
        if index < self.counts[table] * _LATE_FROM:
            return pattern
        return {**pattern, "신설 파이프라인 - 접수로 진입한 날짜": _kst_midnight(dice.below(1200))}

    def _head(self, table: str, index: int) -> Record:
        record_id = self.id_of(table, index)
        return {"id": record_id, "RecordId": record_id}

    def _deal_links(self, dice: Dice) -> Record:
        people = self.counts["people"]
        if not people or dice.one_in(20):
            return {"peopleId": None, "organizationId": self._any("organization", dice)}
        person = dice.low(people)
        organization = (
            self._any("organization", dice)
            if dice.one_in(25)
            else self.organization_of_person(person)
        )
        return {"peopleId": self.id_of("people", person), "organizationId": organization}

    def _memo_links(self, dice: Dice) -> Record:
        links: Record = {"organizationId": None, "peopleId": None, "dealId": None}
        kind = dice.pick(("organizationId", "peopleId", "dealId", "dealId"))
        links[kind] = self._any(kind.removesuffix("Id"), dice)
        return links

    def _deal_outcome(self, index: int, status: str, start: int, dice: Dice) -> Record:
        outcome: Record = {
            "금액": None,
            "계약 체결일": None,
            "LOST 확정일": None,
            "이탈 사유": None,
        }
        if status == "Won":
            day = words.NEW_YEAR_2025 if index % 40 == 7 else start + 40
            amount = dice.pick(words.AMOUNTS)
            outcome["금액"] = float(amount) if dice.one_in(10) else amount
            outcome["계약 체결일"] = _kst_midnight(day)
            if index % 8 == 3:
                outcome["계약 체결일"] = f"{words.DAYS[day]}T00:00:00.000Z"
            if dice.one_in(40):
                outcome["금액"] = None
        elif status == "Lost":
            outcome["LOST 확정일"] = _kst_midnight(start + 40)
            outcome["이탈 사유"] = dice.pick(words.LOSS_REASONS)
        return outcome

    def _any(self, table: str, dice: Dice) -> str | None:
        count = self.counts[table]
        return self.id_of(table, dice.below(count)) if count else None

    def _finished(self, table: str, index: int, record: Record, dice: Dice) -> Record:
        dispensable = _DISPENSABLE.get(table)
        if dispensable:
            if dice.one_in(3):
                record[dice.pick(dispensable)] = None
            if dice.one_in(3):
                record.pop(dice.pick(dispensable), None)
        if index >= self.counts[table] * _LATE_FROM and index % 3 == 0:
            record["나중에 생긴 항목"] = dice.pick(words.SENTENCES)
        fields, turn = _TEXT_FIELDS[table], index % _SPICE_TURNS
        if turn < len(fields) and record.get(fields[turn]):
            spice = words.SPICE[(index // _SPICE_TURNS + turn) % len(words.SPICE)]
            record[fields[turn]] += f" {spice}"
        if self.plain:
            record = only_plain(table, record)
        return self._thinned(table, index, record) if self.absent else record

    def _thinned(self, table: str, index: int, record: Record) -> Record:
        """Leave optional keys out; ids, links, names and times are in every record."""
        chance = random.Random(f"{self.seed} {table} {index}").random  # noqa: S311
        return {
            key: value
            for key, value in record.items()
            if key in _IN_EVERY_RECORD or key.endswith("Id") or chance() >= self.absent
        }


def iso(moment_us: int) -> str:
    """Return microseconds since 1970 as the API writes times."""
    moment = datetime.fromtimestamp(moment_us / 1_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def _kst_midnight(day: int) -> str:
    """Return midnight in Seoul of day number `day`, which is the evening before in UTC."""
    return f"{words.DAYS[max(day, 1) - 1]}T15:00:00.000Z"


def _stage_value(fact: str, dice: Dice) -> Any:
    if "날짜" in fact:
        return _kst_midnight(dice.below(1200))
    return dice.pick((0, 86400, 3600.5, 24000, 24000.0, dice.below(10**7)))
