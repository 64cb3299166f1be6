"""Where each file of a run lies, derived from the settings and the run tag alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SANDBOX_DB = Path("sandbox_latest.db")
"""Where `run --sandbox` publishes, where no other path is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPaths:
    """The files of one run. All paths are absolute."""

    run_tag: str
    final_db: Path
    log_dir: Path
    backup_dir: Path
    checkpoint_dir: Path

    @property
    def work_dir(self) -> Path:
        return self.checkpoint_dir / self.run_tag

    @property
    def work_db(self) -> Path:
        return self.work_dir / "snapshot.db"

    @property
    def checkpoint_json(self) -> Path:
        return self.work_dir / "checkpoint.json"

    @property
    def building_db(self) -> Path:
        """The new snapshot while it is built, beside the final DB (same file system)."""
        return self.final_db.with_name(f"{self.final_db.name}.{self.run_tag}.tmp")

    @property
    def sibling_db(self) -> Path:
        """Where the new snapshot is kept when the final path stays locked."""
        return self.final_db.with_name(f"{self.final_db.stem}_{self.run_tag}{self.final_db.suffix}")

    @property
    def backup_db(self) -> Path:
        """The backup of what this run replaces; one name per run makes the step repeatable."""
        name = f"{self.final_db.stem}_before_{self.run_tag}{self.final_db.suffix}"
        return self.backup_dir / name

    @property
    def damaged_db(self) -> Path:
        """Where the bytes of a damaged final DB are kept when this run replaces it."""
        name = f"{self.final_db.stem}_damaged_{self.run_tag}{self.final_db.suffix}"
        return self.backup_dir / name

    @property
    def timeline_db(self) -> Path:
        return timeline_path(self.final_db)

    @property
    def log_file(self) -> Path:
        return self.log_dir / f"salesmap_snapshot_{self.run_tag}.log"

    def has_traces(self) -> bool:
        """Tell whether a run of this tag has left a folder, a log or a report."""
        return any(each.exists() for each in (self.work_dir, self.log_file, self.manifest_json))

    @property
    def history_file(self) -> Path:
        return history_path(self.log_dir)

    @property
    def manifest_json(self) -> Path:
        return self.log_dir / f"manifest_{self.run_tag}.json"

    @property
    def run_info_json(self) -> Path:
        return self.log_dir / f"run_info_{self.run_tag}.json"


def history_path(log_dir: Path) -> Path:
    """Return the run history that all final DBs of one log folder share."""
    return log_dir / "run_history.jsonl"


def timeline_path(final_db: Path) -> Path:
    """Return the file that keeps what changed from snapshot to snapshot of `final_db`."""
    return final_db.with_name(f"{final_db.stem}_timeline.db")


def lock_path(final_db: Path) -> Path:
    """Return the lock file that admits one run at a time to `final_db` (I8)."""
    return final_db.with_name(final_db.name + ".lock")
