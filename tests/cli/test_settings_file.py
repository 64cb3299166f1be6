"""`salesmap.toml`: what it gives, what wins over it, and what is refused with its place."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from salesmap_async.cli.commands import load_command
from salesmap_async.cli.names import COMMANDS, SUBCOMMANDS
from salesmap_async.cli.origins import check_all_sections
from salesmap_async.cli.settings_file import key_of_option
from salesmap_async.errors import UsageError
from salesmap_async.settings_file import read_settings_file
from tests.support.cli_process import cli, no_process_is_left

__all__ = ["no_process_is_left"]


def write(folder: Path, text: str, name: str = "salesmap.toml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_the_names_of_subcommands_are_the_real_ones() -> None:
    """They stand in a table of their own, so that no command is imported to know them."""
    for name in COMMANDS:
        command = load_command(name)
        below = tuple(command.commands) if isinstance(command, click.Group) else ()
        assert SUBCOMMANDS[name] == below


def test_option_wins_over_variable_over_file_over_default(tmp_path: Path) -> None:
    """Each is taken away in turn; `status` says which DB it looked at."""
    write(tmp_path, '[all]\ndb_path = "file.db"\n')
    typed = ("--db-path", "typed.db")
    for arguments, env, wanted in (
        (typed, {"SALESMAP_DB_PATH": "variable.db"}, "typed.db"),
        ((), {"SALESMAP_DB_PATH": "variable.db"}, "variable.db"),
        ((), {}, "file.db"),
    ):
        _, out, _ = cli(tmp_path, "status", *arguments, **env)
        assert f"There is no run of {tmp_path / wanted} yet." in out
    (tmp_path / "salesmap.toml").unlink()
    assert (
        f"There is no run of {tmp_path / 'salesmap_latest.db'} yet." in cli(tmp_path, "status")[1]
    )


def test_no_command_depends_on_the_working_directory(tmp_path: Path) -> None:
    """Paths of the file lie beside it, the ones that it does not name too; so does what is told."""
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    file = write(home, '[all]\ndb_path = "data/crm.db"\n')
    elsewhere.mkdir()
    for arguments, env in (
        (("--config", str(file), "status"), {}),
        (("status", "--config", "../home/salesmap.toml"), {}),
        (("status",), {"SALESMAP_CONFIG": str(file)}),
    ):
        _, out, _ = cli(elsewhere, *arguments, **env)
        assert f"There is no run of {home / 'data' / 'crm.db'} yet." in out
        assert f"none in {home / 'backups'}" in out
        assert f"Next: python -m salesmap_async --config {file} run\n" in out
    assert not list(elsewhere.iterdir())


def test_a_value_that_differs_from_the_file_stands_in_the_next_command(tmp_path: Path) -> None:
    """Also where it is the default: the file would give another one."""
    file = write(tmp_path, '[all]\ndb_path = "crm.db"\n')
    _, out, _ = cli(tmp_path, "status", "--db-path", "salesmap_latest.db")
    usual = tmp_path / "salesmap_latest.db"
    assert f"--config {file} run --db-path {usual}\n" in out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[rnu]\n", "there is no command for the section [rnu]"),
        ("[run]\nmin_intervall = 1\n", "[run] has min_intervall, which is no option; did you mean"),
        ("[run]\nmin_interval = 'x'\n", "[run] min_interval must be a number, not 'x'"),
        ("[run]\nkeep_backups = 1.5\n", "[run] keep_backups must be a whole number, not 1.5"),
        ("[run]\nkeep_backups = true\n", "[run] keep_backups must be a whole number, not True"),
        ("[run]\nsandbox = 'yes'\n", "[run] sandbox must be true or false"),
        ("[run]\nwebform_people = 'most'\n", "[run] webform_people: 'most' is not one of"),
        ("[all]\ndb_path = 3\n", "[all] db_path must be a path as text, not 3"),
        ("[all]\nsandbox = true\n", "[all] has sandbox, which is no option of several commands"),
        ("[timeline]\nlgo = 1\n", "there is no command for timeline.lgo"),
        ("[run]\nkeep-backups = 1\nkeep_backups = 2\n", "[run] has keep_backups twice"),
        ("db_path = 'x'\n", "db_path stands in no section"),
        ("[run\n", "is not a TOML file"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    """A typing error in the file is no silent default; nothing is touched."""
    write(tmp_path, text)
    code, out, err = cli(tmp_path, "run")
    assert (code, out) == (2, "")
    assert said in err
    assert (
        str(tmp_path / "salesmap.toml").removeprefix(str(tmp_path)) in err or "salesmap.toml" in err
    )
    assert [path.name for path in tmp_path.iterdir()] == ["salesmap.toml"]


def test_a_value_that_only_the_run_can_judge_names_the_file_too(tmp_path: Path) -> None:
    """Ranges of Settings, and callbacks of options."""
    write(tmp_path, "[run]\nmin_interval = -1\n[status]\nmax_age = '26'\n")
    _, _, err = cli(tmp_path, "run")
    assert "The value of min_interval is from salesmap.toml [run]." in err
    _, _, err = cli(tmp_path, "status", "--check")
    assert "The value of max_age is from salesmap.toml [status]." in err


def test_a_named_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """The usual one may be missing, a named one may not."""
    for arguments, env in ((("--config", "no.toml"), {}), ((), {"SALESMAP_CONFIG": "no.toml"})):
        code, _, err = cli(tmp_path, "status", *arguments, **env)
        assert code == 2
        assert "no.toml cannot be read" in err


def test_doctor_says_where_each_value_comes_from(tmp_path: Path) -> None:
    """What a run would be given, and what is wrong in any section."""
    write(tmp_path, '[all]\ndb_path = "crm.db"\n[run]\nquota_share = 0.5\n')
    _, out, _ = cli(tmp_path, "doctor", "--offline", "--log-dir", "l", SALESMAP_CONCURRENCY="4")
    flat = "".join(out.split())
    for said in (
        f"--db-path {tmp_path / 'crm.db'} (salesmap.toml [all])",
        "--quota-share 0.5 (salesmap.toml [run])",
        "--concurrency 4 (SALESMAP_CONCURRENCY)",
        "--log-dir l (typed)",
        f"--backup-dir {tmp_path / 'backups'} (beside salesmap.toml)",
    ):
        assert "".join(said.split()) in flat
    url = "https://hooks.example.com/secret"
    _, out, _ = cli(tmp_path, "doctor", "--offline", SALESMAP_WEBHOOK_URL=url)
    assert "--webhook-url (an address) (SALESMAP_WEBHOOK_URL)" in " ".join(out.split())
    write(tmp_path, "[prune]\ndry = true\n")
    code, out, _ = cli(tmp_path, "doctor", "--offline")
    assert code == 2
    assert "[prune] has dry, which is no option; did you mean dry_run?" in " ".join(out.split())


def test_any_option_of_any_command_can_stand_in_it(tmp_path: Path) -> None:
    """Every option of every command is taken, by its name."""
    lines = ["[all]", 'token_file = "t"']
    for name in COMMANDS:
        command = load_command(name)
        is_group = isinstance(command, click.Group)
        below = command.commands if isinstance(command, click.Group) else {name: command}
        for key, each in below.items():
            lines.append(f"[{name}.{key}]" if is_group else f"[{name}]")
            for option in each.params:
                if isinstance(option, click.Option) and option.name != "settings_file":
                    lines.append(f"{key_of_option(option)} = {_value(option)}")
    file = read_settings_file(write(tmp_path, "\n".join(lines)), SUBCOMMANDS)
    check_all_sections(file)


def _value(option: click.Option) -> str:
    if option.is_flag or option.secondary_opts:
        return "true"
    kind = option.type
    if isinstance(kind, click.Choice):
        return f'"{kind.choices[0]}"'
    if isinstance(kind, click.types.IntParamType):
        least = getattr(kind, "min", None)
        return str(1 if least is None else max(least, 1))
    if isinstance(kind, click.types.FloatParamType):
        return "0.5"
    return '["a", "b"]' if option.multiple else '"a"'


def test_a_key_of_two_forms_is_read(tmp_path: Path) -> None:
    """With - or _, as the option or as a name."""
    file = read_settings_file(write(tmp_path, "[run]\nkeep-backups = 3\n"), SUBCOMMANDS)
    assert file.values_for("run") == {"keep_backups": 3}
    with pytest.raises(UsageError):
        read_settings_file(tmp_path / "none.toml", SUBCOMMANDS)
