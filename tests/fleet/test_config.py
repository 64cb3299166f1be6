"""`fleet.toml`: what it may say, and what is said about a mistake in it, before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from salesmap_async.errors import UsageError
from salesmap_async.fleet.config import Entry, Shard, Tokens, load_fleet, parse_shard
from salesmap_async.settings import Secret

TOKENS = Tokens(lambda path: Secret(path.name), {"TOKEN_A": "a", "TOKEN_B": "b"})


def loaded(folder: Path, text: str, **more: object) -> tuple[Entry, ...]:
    path = folder / "fleet.toml"
    path.write_text(text, encoding="utf-8")
    return load_fleet(path, TOKENS, **more)  # type: ignore[arg-type]


def test_an_entry_is_the_settings_of_its_runs(tmp_path: Path) -> None:
    """Defaults, its own values over them, paths relative to the file, `{name}` filled in."""
    first, second = loaded(
        tmp_path,
        """
        [defaults]
        min_interval = 0.5
        only = ["deal", "people"]
        token_env = "TOKEN_A"
        backup_dir = "kept/{name}"

        [[workspaces]]
        name = "가상전자"
        base_url = "https://crm.example.com/api/v2"

        [[workspaces]]
        name = "second"
        token_file = "tokens/b.txt"
        db_path = "data/second.db"
        min_interval = 1
        no_backup = true
        keep_backups = 3
        """,
    )
    assert (first.name, first.settings.interval_s, first.settings.only) == (
        "가상전자", 0.5, ("deal", "people"),
    )  # fmt: skip
    assert first.settings.db_path == tmp_path / "가상전자" / "salesmap_latest.db"
    assert first.settings.backup_dir == tmp_path / "kept" / "가상전자"
    assert first.settings.log_dir == tmp_path / "가상전자" / "logs"
    assert first.settings.token is not None
    assert first.settings.token.reveal() == "a"
    assert second.settings.db_path == tmp_path / "data" / "second.db"
    assert (second.settings.interval_s, second.settings.no_backup) == (1.0, True)
    assert second.settings.token is not None
    assert second.settings.token.reveal() == "b.txt"


GOOD = "[[workspaces]]\nname = 'a'\ntoken_env = 'TOKEN_A'\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "workspaces must be a list"),
        ("workspaces = 3", "workspaces must be a list"),
        ("[defaults]\nmin_intervall = 1\n" + GOOD, "did you mean min_interval"),
        ("default = 1\n" + GOOD, "there is no key default"),
        ("[defaults]\nrun_tag = 'x'\n" + GOOD, "there is no key defaults.run_tag"),
        (GOOD + "min_interval = 'fast'", "workspaces[0].min_interval must be a number"),
        (GOOD + "min_interval = -1", "--min-interval must be 0 or more"),
        (GOOD + "keep_backups = true", "must be a whole number"),
        (GOOD + "no_backup = 'yes'", "must be true or false"),
        (GOOD + "only = [1]", "must be a text or a list of texts"),
        (GOOD + "db_path = 3", "must be a path as text"),
        (GOOD + "base_url = 'ftp://x'", "(a): --base-url"),
        (GOOD + "token_file = 'x'", "exactly one of them"),
        ("[[workspaces]]\nname = 'a'", "exactly one of them"),
        ("[[workspaces]]\nname = 'a'\ntoken_env = 'NONE'", "NONE (token_env) is not set"),
        ("[[workspaces]]\nname = 'a/b'\ntoken_env = 'TOKEN_A'", "workspaces[0].name"),
        ("[[workspaces]]\nname = '..'\ntoken_env = 'TOKEN_A'", "workspaces[0].name"),
        ("[[workspaces]]\ntoken_env = 'TOKEN_A'", "workspaces[0].name"),
        (GOOD * 2, "the name 'a' comes twice"),
        (GOOD + GOOD.replace("'a'", "'b'"), "a and b have one and the same token"),
        (
            GOOD + "db_path = 'x.db'\n" + GOOD.replace("'a'", "'b'").replace("_A", "_B")
            + "db_path = './x.db'",
            "a and b have one and the same DB",
        ),
        ("[[workspaces]", "is not a TOML file"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(tmp_path: Path, text: str, said: str) -> None:
    """With the file, the place, and what is allowed."""
    with pytest.raises(UsageError) as refused:
        loaded(tmp_path, text)
    message = f"{refused.value} {refused.value.cure}"
    assert "fleet.toml" in message
    assert said in message


def test_only_and_shards_choose(tmp_path: Path) -> None:
    """Each entry is in exactly one shard, on every machine the same; a wrong name is named."""
    names = [f"w{number}" for number in range(40)]
    text = "".join(f"[[workspaces]]\nname='{n}'\ntoken_file='{n}.txt'\n" for n in names)
    parts = [loaded(tmp_path, text, shard=Shard(number, 3)) for number in (1, 2, 3)]
    assert sorted(entry.name for part in parts for entry in part) == sorted(names)
    assert min(map(len, parts)) > 4
    assert [each.name for each in loaded(tmp_path, text, only=("w3,w7",))] == ["w3", "w7"]
    with pytest.raises(UsageError, match="no workspace is called w99"):
        loaded(tmp_path, text, only=("w99",))
    for wrong in ("0/3", "4/3", "3", "a/b", "1/0"):
        with pytest.raises(UsageError, match="--shard"):
            parse_shard(wrong)
