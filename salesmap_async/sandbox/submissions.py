"""Web-form submissions: who sent which form, with the gaps that real submissions have."""

from __future__ import annotations

from collections.abc import Iterator

from salesmap_async.sandbox import words
from salesmap_async.sandbox.dice import Dice, identity
from salesmap_async.sandbox.records import FIRST_US, SPAN_US, Invention, iso
from salesmap_async.sandbox.table import Record


def submissions_by_form(invention: Invention) -> dict[str, list[Record]]:
    """Return the submissions of every form that still exists, by the form's id."""
    lists: dict[str, list[Record]] = {
        invention.form(number)["id"]: [] for number in range(invention.forms)
    }
    for serial, (person, form_number) in enumerate(_sent(invention)):
        form_id = invention.form(form_number)["id"]
        lists[form_id].append(_submission(invention, serial, person))
    return lists


def _sent(invention: Invention) -> Iterator[tuple[int, int]]:
    for person in range(invention.counts["people"]):
        for form_number in invention.forms_of_person(person):
            if form_number < invention.forms:
                again = 2 if (person + form_number) % 10 == 0 else 1
                yield from [(person, form_number)] * again


def _submission(invention: Invention, serial: int, person: int) -> Record:
    dice = Dice(invention.seed, "submission", serial)
    record: Record = {
        "id": identity(invention.seed, "submission", serial),
        "peopleId": invention.id_of("people", person),
        "organizationId": invention.organization_of_person(person),
        "dealId": None,
        "leadId": None,
        "contents": _contents(person, dice),
        "createdAt": iso(FIRST_US + dice.below(SPAN_US // 1000) * 1000),
    }
    return _with_gaps(invention, serial, record)


def _contents(person: int, dice: Dice) -> list[Record]:
    contents: list[Record] = [
        {"label": "이메일", "value": f"person{person}@example.com"},
        {"label": "문의 내용", "value": dice.pick(words.SENTENCES + words.SPICE)},
    ]
    if dice.one_in(5):
        contents.append({})
    if dice.one_in(5):
        child = {"label": "세부 항목", "value": dice.pick(words.EDUCATION_AREAS)}
        contents.append({"label": "관심 분야", "value": None, "childFieldList": [child]})
    return contents


def _with_gaps(invention: Invention, serial: int, record: Record) -> Record:
    if serial % 11 == 5:
        del record["id"]
    match serial % 17:
        case 2:
            record["peopleId"] = None
        case 4:
            del record["peopleId"]
        case 6:
            record["peopleId"] = identity(invention.seed, "nobody", serial)
        case 8:
            record["personId"] = record.pop("peopleId")
        case 10:
            record["person"] = {"id": record.pop("peopleId"), "name": "이름 없음"}
    return record
