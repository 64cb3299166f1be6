"""`dashboard.toml`: what it may say, and what is said about a mistake in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from salesmap_async.dashboard.data.columns import DEFAULT_COLUMNS
from salesmap_async.dashboard.data.config import DEFAULT_TEAMS, DashboardConfig, Statuses, Team
from salesmap_async.dashboard.data.config_file import load_config
from salesmap_async.dashboard.environment import access_from, config_from, settings_from
from salesmap_async.errors import UsageError

EVERY_KEY = """
base_year = 2025
default_size = "중견기업"
crm_url = "https://crm.example.com/workspace/"
own_side_owner_label = "담당자(우리)"
online_formats = ["온라인"]
lane_keywords = ["HR"]
allowed_hosts = ["dashboard-1.example.com", "192.168.0.7", "2001:db8::1"]

[statuses]
won = "성사"
lost = "실패"
open = "진행"

[[teams]]
key = "sales_1"
label = "영업 1팀"
crm_team = "영업 1팀"
menu = false
extra_members = ["김가상"]
parts = { "1파트" = ["김가상", "이예시"] }

[[teams]]
key = "sales_2"
label = "영업 2팀"
crm_team = ["영업 2팀", "영업2팀"]

[columns.deal]
amount = "계약 금액"

[columns.people]
edu_area = ""
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "dashboard.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_key_is_read(tmp_path: Path) -> None:
    """Each one ends in the value that it names; columns that are not named keep their default."""
    config = load_config(written(tmp_path, EVERY_KEY))
    columns = {table: dict(meanings) for table, meanings in DEFAULT_COLUMNS.items()}
    columns["deal"]["amount"] = "계약 금액"
    columns["people"]["edu_area"] = ""
    assert config == DashboardConfig(
        base_year=2025,
        default_size="중견기업",
        crm_url="https://crm.example.com/workspace",
        own_side_owner_label="담당자(우리)",
        online_formats=frozenset({"온라인"}),
        lane_keywords=("HR",),
        allowed_hosts=("dashboard-1.example.com", "192.168.0.7", "2001:db8::1"),
        statuses=Statuses(won="성사", lost="실패", open=("진행",)),
        teams=(
            Team(
                key="sales_1",
                label="영업 1팀",
                crm_team=("영업 1팀",),
                menu=False,
                extra_members=("김가상",),
                parts={"1파트": ("김가상", "이예시")},
            ),
            Team(key="sales_2", label="영업 2팀", crm_team=("영업 2팀", "영업2팀")),
        ),
        columns=columns,
    )


def test_nothing_said_is_the_contracts_default(tmp_path: Path) -> None:
    """An empty file is like none."""
    assert load_config(written(tmp_path, "")) == DashboardConfig()
    assert DashboardConfig().teams == DEFAULT_TEAMS
    assert [team.label for team in DEFAULT_TEAMS if team.menu] == ["교육 1팀 딜체크"]


@pytest.mark.parametrize(
    ("text", "place", "allowed"),
    [
        ("base_yeer = 2025", "base_yeer", "base_year"),
        ("base_year = '2025'", "base_year", "from 1900 to 2999"),
        ("base_year = true", "base_year", "from 1900 to 2999"),
        ("base_year = 3000", "base_year", "from 1900 to 2999"),
        ("default_size = 3", "default_size", "a text"),
        ("default_size = ' '", "default_size", "a text"),
        ("crm_url = 'javascript:alert(1)'", "crm_url", "an address like"),
        ("crm_url = 'https://[x'", "crm_url", "an address like"),
        ("crm_url = 'https://me:pw@crm.example.com'", "crm_url", "without password"),
        ("crm_url = 'https://crm.example.com/?q=1'", "crm_url", "query"),
        ("crm_url = 'https://crm.example.com/#top'", "crm_url", "fragment"),
        ("crm_url = 'https://crm.example.com:x'", "crm_url", "an address like"),
        ("allowed_hosts = ['crm.example.com:8000']", "'crm.example.com:8000'", "without port"),
        ("allowed_hosts = ['https://crm.example.com']", "'https://crm.example.com'", "scheme"),
        ("allowed_hosts = ['*.example.com']", "'*.example.com'", "names like crm.example.com"),
        ("allowed_hosts = ['crm.example.com/x']", "allowed_hosts", "path"),
        ("allowed_hosts = ['[::1]']", "allowed_hosts", "IP addresses"),
        ("allowed_hosts = ['가상.example.com']", "allowed_hosts", "names like"),
        ("allowed_hosts = 'crm.example.com'", "allowed_hosts", "a list of texts"),
        ("allowed_hosts = [1]", "allowed_hosts[0]", "names like"),
        ("[[teams]]\nkey='x'\nlabel='x'\ncrm_team='x'\nparts={'' = ['x']}", "parts", "a text"),
        ("[[teams]]\nkey='x'\nlabel='x'\ncrm_team='x'\nparts={a = 'x'}", "parts.a", "of texts"),
        ("columns = 1", "columns", "a table"),
        ("columns = {deal = 1}", "columns.deal", "a table"),
        ("online_formats = '온라인'", "online_formats", "a list of texts"),
        ("lane_keywords = ['HR', '']", "lane_keywords", "a list of texts"),
        ("statuses = 'Won'", "statuses", "a table"),
        ("[statuses]\nwin = 'Won'", "statuses.win", "won"),
        ("[statuses]\nwon = 1", "statuses.won", "a text"),
        ("[teams]\nkey = 'x'", "teams", "[[teams]]"),
        ("teams = ['x']", "teams[0]", "a table"),
        ("[[teams]]\nkey = 'x'\nlabel = 'x'", "teams[0].crm_team", "key, label and crm_team"),
        ("[[teams]]\nkey = 'a b'\nlabel = 'x'\ncrm_team = 'x'", "teams[0].key", "A-Z a-z"),
        ("[[teams]]\nkey = 'x'\nlabel = 'x'\ncrm_team = []", "teams[0].crm_team", "a text"),
        ("[[teams]]\nkey='x'\nlabel='x'\ncrm_team='x'\nmenu=1", "teams[0].menu", "true or false"),
        ("[[teams]]\nkey='x'\nlabel='x'\ncrm_team='x'\nparts=1", "teams[0].parts", "a table"),
        ("[[teams]]\nkey='x'\nlabel='x'\ncrm_team='x'\nname=1", "teams[0].name", "crm_team"),
        ("[[teams]]\nkey='x'\nlabel='x'\ncrm_team='x'\n" * 2, "teams.key", "'x' comes twice"),
        ("[columns.deals]\namount = 'x'", "columns.deals", "deal"),
        ("[columns.deal]\nprice = 'x'", "columns.deal.price", "amount"),
        ("[columns.deal]\namount = 1", "columns.deal.amount", "a field of the CRM"),
        ("base_year = ", "dashboard.toml", "is not a TOML file"),
    ],
)
def test_a_mistake_is_named_with_what_is_allowed(
    tmp_path: Path, text: str, place: str, allowed: str
) -> None:
    """The file, the key and the way out stand in one line."""
    with pytest.raises(UsageError) as refused:
        load_config(written(tmp_path, text))
    said = str(refused.value)
    assert "dashboard.toml" in said
    assert place in said
    assert allowed in said


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Missing, or not UTF-8."""
    with pytest.raises(UsageError, match=r"none\.toml cannot be read"):
        load_config(tmp_path / "none.toml")
    (tmp_path / "odd.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match=r"odd\.toml is not a TOML file"):
        load_config(tmp_path / "odd.toml")


def test_the_environment_names_what_the_options_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under another server the app finds DB, folders and configuration by these variables."""
    monkeypatch.chdir(tmp_path)
    settings = settings_from({"DB_PATH": "crm.db", "SALESMAP_LOG_DIR": "elsewhere"})
    assert (settings.db_path, settings.log_dir) == (tmp_path / "crm.db", tmp_path / "elsewhere")
    assert settings_from({"SALESMAP_DB_PATH": "a.db"}).db_path == tmp_path / "a.db"
    assert settings_from({}).db_path == tmp_path / "salesmap_latest.db"
    assert config_from({}) == DashboardConfig()
    written(tmp_path, "base_year = 2024")
    assert config_from({}).base_year == 2024
    (tmp_path / "other.toml").write_text("base_year = 2023")
    assert config_from({"SALESMAP_DASHBOARD_CONFIG": "other.toml"}).base_year == 2023


def test_a_proof_that_cannot_work_is_refused() -> None:
    """Half a pair would protect nothing; a browser cannot send other letters than ASCII."""
    for lonely in ("SALESMAP_DASHBOARD_USER", "SALESMAP_DASHBOARD_PASSWORD"):
        with pytest.raises(UsageError, match=lonely):
            access_from({lonely: "x"})
    with pytest.raises(UsageError, match="colon"):
        access_from({"SALESMAP_DASHBOARD_USER": "a:b", "SALESMAP_DASHBOARD_PASSWORD": "x"})
    for token in ("비밀", "a\nb"):
        with pytest.raises(UsageError, match="ASCII"):
            access_from({"SALESMAP_DASHBOARD_TOKEN": token})
    assert not access_from({"SALESMAP_DASHBOARD_TOKEN": " "}).needs_proof
    assert access_from({"SALESMAP_DASHBOARD_ALLOW_FILE_ORIGIN": "1"}).allow_file_origin
