"""What differs from company to company: the keys of a `dashboard.toml`, each with its default.

The names here are the keys of the file, the types say what is allowed; `config_file` reads it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import field
from typing import Annotated

from pydantic import AfterValidator, ConfigDict
from pydantic.dataclasses import dataclass

from salesmap_async.dashboard.data.columns import DEFAULT_COLUMNS
from salesmap_async.dashboard.data.config_types import (
    Columns,
    Flag,
    HostName,
    Key,
    OneOrMore,
    SetOfTexts,
    Text,
    Texts,
    WebAddress,
    Year,
)
from salesmap_async.dashboard.data.shapes import TeamLabel

_FORBID = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True, config=_FORBID)
class Team:
    """One deal check. `crm_team`: names of the team in the CRM; the first that exists counts.

    `menu`: whether the page's menu has it. `parts`: part of the team -> names of its people.
    """

    key: Key
    label: Text
    crm_team: OneOrMore
    menu: Flag = True
    extra_members: Texts = ()
    parts: dict[Text, Texts] = field(default_factory=dict)


def _told_apart(teams: tuple[Team, ...]) -> tuple[Team, ...]:
    for key, times in Counter(team.key for team in teams).items():
        if times > 1:
            raise ValueError(f".key must differ from team to team; {key!r} comes twice")
    return teams


@dataclass(frozen=True, slots=True, kw_only=True, config=_FORBID)
class Statuses:
    """What the workspace calls a deal that is won, lost, and one that the deal check shows.

    `open`: of several the first one that a deal has counts; the second is the vendor's own.
    """

    won: Text = "Won"
    lost: Text = "Lost"
    open: OneOrMore = ("SQL", "In progress")


LANE_KEYWORDS = (
    "HRD", "HR", "인사", "피플", "경영지원", "CHO", "PEOPLE", "TALENT", "인재", "교육", "육성",
    "러닝", "LEARNING", "L&D", "아카데미", "연수", "인력개발", "인력지원", "기업문화", "경영관리",
    "경력개발", "사업지원", "Human", "성장지원", "인재개발", "조직문화",
)  # fmt: skip

DEFAULT_TEAMS = (
    Team(
        key="edu1",
        label="교육 1팀 딜체크",
        crm_team=("기업교육 1팀", "교육 1팀", "교육1팀"),
    ),
    Team(
        key="edu2",
        label="교육 2팀 딜체크",
        crm_team=("기업교육 2팀", "교육 2팀", "교육2팀"),
        menu=False,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True, config=_FORBID)
class DashboardConfig:
    """Everything that differs from company to company. `base_year` None: the snapshot's year."""

    base_year: Year | None = None
    default_size: Text = "대기업"
    crm_url: WebAddress | None = None
    own_side_owner_label: Text = "담당자(자사)"
    online_formats: SetOfTexts = frozenset({"구독제(온라인)", "선택구매(온라인)", "포팅"})
    lane_keywords: Texts = LANE_KEYWORDS
    statuses: Statuses = Statuses()
    teams: Annotated[tuple[Team, ...], AfterValidator(_told_apart)] = DEFAULT_TEAMS
    allowed_hosts: tuple[HostName, ...] = ()
    columns: Columns = field(default_factory=lambda: DEFAULT_COLUMNS)


def team_label(team: Team, crm_team: str | None = None) -> TeamLabel:
    """Return how the page names a team; where its name in the CRM is not known, the first one."""
    return {"key": team.key, "label": team.label, "crm_team": crm_team or team.crm_team[0]}
