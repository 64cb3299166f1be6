"""What --json prints: one JSON value that its documented schema takes, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from salesmap_async.docs import SCHEMAS, read_schema
from salesmap_async.operate.metrics import metrics_text
from salesmap_async.operate.status import read_status
from salesmap_async.settings import Settings
from tests.support.cli_process import (
    QUICK,
    ServedSandbox,
    cli,
    env_of,
    no_process_is_left,
)

__all__ = ["no_process_is_left"]


def answer(out: str, schema: str) -> Any:
    """Return what was printed, if the schema takes it."""
    found = json.loads(out)
    jsonschema_rs.validator_for(json.loads(read_schema(schema))).validate(found)
    return found


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_one_and_is_printed(tmp_path: Path, name: str) -> None:
    """`docs --schema NAME`; it refuses what has a key too many."""
    code, out, _ = cli(tmp_path, "docs", "--schema", name)
    assert code == 0
    validator = jsonschema_rs.validator_for(json.loads(out))
    assert not validator.is_valid({"ok": True, "surprise": 1})


def test_every_command_prints_what_its_schema_says(tmp_path: Path) -> None:
    """After runs that were published, killed by a wrong URL, refused; Korean changes nothing."""
    (tmp_path / "fleet.toml").write_text(
        '[[workspaces]]\nname = "a"\ntoken_env = "SALESMAP_TOKEN"\nmin_interval = 0\n'
        'base_url = "{url}"\n'
    )
    with ServedSandbox(tmp_path) as server:
        env = {**env_of(server), "SALESMAP_LANG": "ko"}

        def ask(*words: str, schema: str, code: int = 0) -> Any:
            found_code, out, err = cli(tmp_path, *words, **env)
            assert found_code == code, err
            return answer(out, schema)

        assert ask("restore", "--json", schema="restore")["backups"] == []
        assert ask("status", "--json", schema="status")["snapshot"] is None
        first = ask("run", *QUICK, "--json", "--quiet", schema="run")
        assert first["changes"] == {"tables": {}, "sales": {}}
    with ServedSandbox(tmp_path, "--evolve", "1") as server:
        env |= env_of(server)
        second = ask("run", *QUICK, "--json", schema="run")
        assert second["backup"]
        assert second["changes"]["tables"]["deal"]["changed"]
        assert ask("timeline", "log", "--json", schema="timeline-log")
        refused = ask("run", *QUICK, "--json", "--db-path", "logs", schema="run", code=2)
        assert refused["ok"] is False
        assert "is a directory; name a file" in refused["error"], "JSON stays English"
        status = ask("status", "--json", schema="status")
        assert status["snapshot"]["run_tag"] == second["run_tag"]
        assert status["next"].startswith("python -m salesmap_async run")
        assert ask("status", "--json", "--check", schema="status")["ok"] is True
        doctor = ask("doctor", "--json", schema="doctor")
        assert {"token", "workspace"} <= {each["check"] for each in doctor["findings"]}
        assert ask("prune", "--json", "--dry-run", schema="prune")["files"] == 0
        assert len(ask("runs", "--json", schema="runs")) == 2
        assert len(ask("restore", "--json", schema="restore")["backups"]) == 1
        unasked = ask("restore", first["run_tag"], "--json", schema="restore", code=2)
        assert unasked["cure"] == "add --yes to restore"
        done = ask("restore", first["run_tag"], "--json", "--yes", schema="restore")
        assert done["restored"]["run_tag"] == first["run_tag"]
        fleet = (tmp_path / "fleet.toml").read_text().replace("{url}", server.base_url)
        (tmp_path / "fleet.toml").write_text(fleet)
        [one] = ask("fleet", "run", "fleet.toml", "--json", schema="fleet-run")
        assert one["state"] == "published"
        [one] = ask("fleet", "status", "fleet.toml", "--json", schema="fleet-status")
        assert one["last_run"] == "published"


def test_a_status_that_is_too_old_says_so(tmp_path: Path) -> None:
    """With --check the exit code is 1, in JSON too."""
    code, out, _ = cli(tmp_path, "status", "--check", "--json")
    found = answer(out, "status")
    assert (code, found["ok"], found["problem"]) == (1, False, "There is no snapshot")


def test_metrics_can_be_read(tmp_path: Path) -> None:
    """Each line is a comment or NAME{LABELS} NUMBER; odd paths are escaped."""
    db = tmp_path / 'a "b" \\c.db'
    with ServedSandbox(tmp_path) as server:
        code, _, err = cli(
            tmp_path, "run", *QUICK, "--quiet", "--db-path", str(db), "--metrics-file",
            "m/x.prom", **env_of(server),
        )  # fmt: skip
        assert code == 0, err
    text = (tmp_path / "m" / "x.prom").read_text("utf-8")
    label = str(db).replace("\\", "\\\\").replace('"', '\\"')
    values = {}
    for line in text.splitlines():
        if not line.startswith("# "):
            name, _, value = line.rpartition(" ")
            assert f'db="{label}"' in name
            values[name.partition("{")[0]] = float(value)
    assert values["salesmap_snapshot_readable"] == 1
    assert values["salesmap_last_run_published"] == 1
    assert values["salesmap_failed_starts"] == 0
    assert "salesmap_snapshot_rows" in values
    code, _, _ = cli(tmp_path, "status", "--db-path", str(db), "--metrics-file", "m/y.prom")
    assert (tmp_path / "m" / "y.prom").read_text("utf-8") == text


def test_metrics_of_nothing(tmp_path: Path) -> None:
    """Before the first run: what is known is told."""
    found = read_status(Settings(db_path=tmp_path / "x.db", log_dir=tmp_path / "logs"))
    text = metrics_text(found, {})
    assert "salesmap_snapshot_readable" in text
    assert "timestamp" not in text
