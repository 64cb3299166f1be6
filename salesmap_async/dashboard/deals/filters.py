"""Which deals are asked for, as the query of an address says it, and the SQL of that."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from salesmap_async.dashboard.deals.facts import plain

State = Literal["all", "open", "won", "lost", "decided"]
Sort = Literal[
    "name", "organization", "person", "owners", "teams", "status", "stage", "worth",
    "expected_close", "created", "contract", "active_on",
]  # fmt: skip
Order = Literal["asc", "desc"]
MOST_DAYS = 36_500

_Text = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")]
_Krw = Annotated[int, Field(ge=-(10**18), le=10**18)]

_SORTS: dict[Sort, str] = {
    "name": "name",
    "organization": "org",
    "person": "person",
    "owners": "owners",
    "teams": "teams",
    "status": "status",
    "stage": "stage_place",
    "worth": "worth",
    "expected_close": "close",
    "created": "created",
    "contract": "contract",
    "active_on": "active",
}
_STATES: dict[State, str] = {
    "all": "1",
    "open": "is_open",
    "won": "is_won",
    "lost": "is_lost",
    "decided": "(is_won OR is_lost)",
}
_EQUAL = {
    "pipeline": "pipeline",
    "stage": "stage",
    "status": "status",
    "size": "size",
    "organization": "org_id",
    "person": "person_id",
}
_FROM = {
    "min_worth": "worth",
    "close_from": "close",
    "created_from": "created",
    "won_from": "contract",
}
_TO = {"max_worth": "worth", "close_to": "close", "created_to": "created", "won_to": "contract"}


class DealFilter(BaseModel):
    """Everything is optional; what is given must all be so. Days are days in Seoul."""

    model_config = ConfigDict(frozen=True)

    state: State = "all"
    owner: _Text = ""
    team: _Text = ""
    pipeline: _Text = ""
    stage: _Text = ""
    status: _Text = ""
    size: _Text = ""
    organization: _Text = ""
    person: _Text = ""
    without: Literal["", "organization", "person"] = ""
    text: Annotated[_Text, Field(description="Part of a name: deal, organization, person.")] = ""
    min_worth: _Krw | None = None
    max_worth: _Krw | None = None
    close_from: date | None = None
    close_to: date | None = None
    created_from: date | None = None
    created_to: date | None = None
    won_from: date | None = None
    won_to: date | None = None
    overdue: bool = False
    stale: bool = False
    stale_days: Annotated[int, Field(ge=1, le=MOST_DAYS)] = 30

    def where(self, today: date) -> tuple[str, list[Any]]:
        """Return a condition over `fact`, and its values."""
        conditions, values = [_STATES[self.state]], list[Any]()

        def add(condition: str, *more: Any) -> None:
            conditions.append(condition)
            values.extend(more)

        for name, column in _EQUAL.items():
            if wanted := getattr(self, name):
                add(f"{column} = ?", wanted)
        for names, sign in ((_FROM, ">="), (_TO, "<=")):
            for name, column in names.items():
                if (bound := getattr(self, name)) is not None:
                    add(f"{column} {sign} ?", _stored(bound))
        for table in ("owner", "team"):
            if wanted := getattr(self, table):
                add(f"row IN (SELECT row FROM {table} WHERE {table} = ?)", wanted)
        if self.without:
            add("org_id IS NULL" if self.without == "organization" else "person_id IS NULL")
        if self.text.strip():
            add("instr(plain, ?)", plain(self.text))
        if self.overdue:
            add(is_overdue(today))
        if self.stale:
            add(is_stale(today, self.stale_days))
        return " AND ".join(conditions), values


def order_by(sort: Sort, order: Order) -> str:
    """Return an ORDER BY in which what is not known stands last, whatever the direction."""
    column = _SORTS[sort]
    return f"{column} IS NULL, {column} {order}, row"


def is_overdue(today: date) -> str:
    """Return the condition: open, and past the expected close date."""
    return f"(is_open AND close < '{today.isoformat()}')"


def is_stale(today: date, days: int) -> str:
    """Return the condition: open, and for that many days neither moved nor written about."""
    last = date.fromordinal(max(1, today.toordinal() - days))
    return f"(is_open AND active <= '{last.isoformat()}')"


def _stored(bound: int | date) -> int | str:
    return bound.isoformat() if isinstance(bound, date) else bound
