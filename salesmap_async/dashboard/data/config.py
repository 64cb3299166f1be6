"""What differs from company to company, with the default of each value.

`config_file` reads it from a `dashboard.toml`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from salesmap_async.dashboard.data.columns import DEFAULT_COLUMNS, ColumnMap
from salesmap_async.dashboard.data.shapes import TeamLabel


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """One deal check. `crm_team`: names of the team in the CRM; the first that exists counts.

    `in_menu`: whether the page's menu has it. `parts`: part of the team -> names of its people.
    """

    key: str
    label: str
    crm_team: tuple[str, ...]
    in_menu: bool = True
    extra_members: tuple[str, ...] = ()
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statuses:
    """What the workspace calls a deal that is won, lost, and one that the deal check shows."""

    won: str = "Won"
    lost: str = "Lost"
    open: str = "SQL"


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
        in_menu=False,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardConfig:
    """Everything that differs from company to company. `base_year` None: the snapshot's year."""

    base_year: int | None = None
    default_size: str = "대기업"
    crm_url: str | None = None
    own_side_owner_label: str = "담당자(자사)"
    online_formats: frozenset[str] = frozenset({"구독제(온라인)", "선택구매(온라인)", "포팅"})
    lane_keywords: tuple[str, ...] = LANE_KEYWORDS
    statuses: Statuses = Statuses()
    teams: tuple[Team, ...] = DEFAULT_TEAMS
    allowed_hosts: tuple[str, ...] = ()
    columns: ColumnMap = field(default_factory=lambda: DEFAULT_COLUMNS)


def team_label(team: Team, crm_team: str | None = None) -> TeamLabel:
    """Return how the page names a team; where its name in the CRM is not known, the first one."""
    return {"key": team.key, "label": team.label, "crm_team": crm_team or team.crm_team[0]}
