"""The small lists: people who use the workspace, forms, and everything optional."""

from __future__ import annotations

from collections.abc import Callable

from salesmap_async.api.endpoints import ENDPOINTS, Endpoint
from salesmap_async.sandbox import words
from salesmap_async.sandbox.dice import Dice, identity, timed_identity
from salesmap_async.sandbox.records import Invention, iso
from salesmap_async.sandbox.table import Record, Table, microseconds

_EVENT_COUNT = 120
_HOUR_US = 3_600_000_000
_TWO_YEARS_US = 2 * 365 * 24 * _HOUR_US
_ANY_COUNT = 60
_ACTIVITY_TYPES = ("note", "email", "call", "meeting")
_FIELD_KINDS = ("text", "number", "date", "select", "multiSelect", "user")


def small_tables(invention: Invention, core: frozenset[str]) -> dict[str, Table]:
    """Return every list of the catalogue that is not in `core`, by its path."""
    return {
        endpoint.path: Table(_records_of(invention, endpoint), id_key=endpoint.id_key)
        for endpoint in ENDPOINTS
        if endpoint.table not in core
    }


def _records_of(invention: Invention, endpoint: Endpoint) -> list[Record]:
    if endpoint.path.endswith(("/history", "/activity")):
        return _events(invention, endpoint)
    return _MAKERS.get(endpoint.table, _anything)(invention, endpoint)


def _anything(invention: Invention, endpoint: Endpoint) -> list[Record]:
    """Make records for a list of the catalogue that nothing is known of but its name."""
    return [
        {
            **_named(invention, endpoint, number, f"{endpoint.table} {number}"),
            **dict(endpoint.added),
            "createdAt": iso(microseconds("2026-01-05T00:00:00Z") + number * 60_000_000),
        }
        for number in range(_ANY_COUNT)
    ]


def _users(invention: Invention, endpoint: Endpoint) -> list[Record]:
    return [
        {
            **invention.owner(number),
            "email": f"user{number}@example.com",
            "status": "active",
            "role": None,
        }
        for number in range(len(words.OWNER_NAMES))
    ]


def _teams(invention: Invention, endpoint: Endpoint) -> list[Record]:
    return [
        {
            **invention.team(number),
            "description": words.SPICE[number],
            "teammateList": [invention.owner(member) for member in members],
        }
        for number, members in enumerate(words.TEAM_MEMBERS)
    ]


def _forms(invention: Invention, endpoint: Endpoint) -> list[Record]:
    return [invention.form(number) for number in range(invention.forms)]


def _todos(invention: Invention, endpoint: Endpoint) -> list[Record]:
    return [
        {
            **_named(invention, endpoint, number, f"할 일 {number}"),
            "done": number % 2 == 0,
            "dueDate": f"{words.DAYS[900 + number]}T00:00:00.000Z",
            "ownerId": invention.any_owner(Dice(invention.seed, "todo", number))["id"],
        }
        for number in range(130)
    ]


def _products(invention: Invention, endpoint: Endpoint) -> list[Record]:
    return [
        {
            **_named(invention, endpoint, number, f"과정 상품 {number}"),
            "SKU": f"00{number:04d}",
            "sku": number,
            "가격": 24000 if number % 2 else 24000.0,
        }
        for number in range(50)
    ]


def _object_definitions(invention: Invention, endpoint: Endpoint) -> list[Record]:
    return [
        _named(invention, endpoint, number, name) for number, name in enumerate(("강사", "교육장"))
    ]


def _custom_objects(invention: Invention, endpoint: Endpoint) -> list[Record]:
    definition = identity(invention.seed, "/custom-object-definitions", 0)
    return [
        {
            **_named(invention, endpoint, number, f"가상 강사 {number}"),
            "customObjectDefinitionId": definition,
        }
        for number in range(60)
    ]


def _pipelines(invention: Invention, endpoint: Endpoint) -> list[Record]:
    return [
        {
            **_named(invention, endpoint, number, pipeline),
            "pipelineStageList": [
                {"id": identity(invention.seed, endpoint.path, number, stage), "name": stage}
                for stage in words.STAGES
            ],
        }
        for number, pipeline in enumerate(invention.pipelines)
    ]


def _memo_types(invention: Invention, endpoint: Endpoint) -> list[Record]:
    names = ("통화", "회의", "<b>방문</b>")
    return [_named(invention, endpoint, number, name) for number, name in enumerate(names)]


def _sequences(invention: Invention, endpoint: Endpoint) -> list[Record]:
    return [_named(invention, endpoint, number, f"시퀀스 {number}") for number in range(51)]


def _fields(invention: Invention, endpoint: Endpoint) -> list[Record]:
    names = ("이름", "담당자", "생성 날짜", "금액", "구분", "여러 값", 'Label "A"', "label")
    return [
        {
            **_named(invention, endpoint, number, name),
            "type": _FIELD_KINDS[number % len(_FIELD_KINDS)],
            "required": number == 0,
            "optionList": [{"id": str(number), "value": "예"}] if number % 3 == 0 else None,
        }
        for number, name in enumerate(names)
    ]


def _events(invention: Invention, endpoint: Endpoint) -> list[Record]:
    count = _EVENT_COUNT if invention.log_events is None else invention.log_events
    between_us = _HOUR_US if invention.log_events is None else _TWO_YEARS_US // max(count, 1)
    first_us = microseconds("2026-01-05T00:00:00Z")
    if invention.log_events is not None:
        first_us -= _TWO_YEARS_US
    events = (
        log_event(
            endpoint.path,
            number,
            first_us + number * between_us,
            seed=invention.seed,
            owner_id=str(invention.owner(number % len(words.OWNER_NAMES))["id"]),
        )
        for number in range(count)
    )
    if invention.log_events is not None:
        return list(events)
    return [
        event | {"id": identity(invention.seed, endpoint.path, number)}
        for number, event in enumerate(events)
    ]


def log_event(path: str, number: int, at_us: int, *, seed: int, owner_id: str) -> Record:
    """Make one row of a history or an activity, with an id in the order of time."""
    kind, what = path.removeprefix("/").split("/")
    return {
        "id": timed_identity(at_us // 1000, seed, path, number),
        f"{kind.replace('-object', 'Object')}Id": identity(seed, kind, number % 40),
        **_event_facts(what, number),
        "ownerId": owner_id,
        "createdAt": iso(at_us),
    }


def _event_facts(what: str, number: int) -> Record:
    spice = words.SPICE[number % len(words.SPICE)]
    if what == "activity":
        return {"type": _ACTIVITY_TYPES[number % len(_ACTIVITY_TYPES)], "content": spice}
    return {"fieldName": "상태", "fieldValue": spice if number % 7 == 0 else {"name": "Won"}}


def _named(invention: Invention, endpoint: Endpoint, number: int, name: str) -> Record:
    spice = f" {words.SPICE[number % len(words.SPICE)]}" if number % 20 == 19 else ""
    record_id = identity(invention.seed, endpoint.path, number)
    return {endpoint.id_key: record_id, "name": f"{name}{spice}"}


_MAKERS: dict[str, Callable[[Invention, Endpoint], list[Record]]] = {
    "user": _users,
    "team": _teams,
    "webform": _forms,
    "todo": _todos,
    "product": _products,
    "custom_object_definition": _object_definitions,
    "custom_object": _custom_objects,
    "deal_pipeline": _pipelines,
    "lead_pipeline": _pipelines,
    "memo_type": _memo_types,
    "sequence": _sequences,
    "field": _fields,
}
