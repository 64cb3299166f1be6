"""The bugs of `torture.py planted` fit the code as it is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from scripts.environment import REPOSITORY
from scripts.torture_planted import BUGS, Bug


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_changes_the_code(bug: Bug, tmp_path: Path) -> None:
    """Each old text stands in its file exactly once, and the result is still Python."""
    target = tmp_path / bug.file
    target.parent.mkdir(parents=True)
    shutil.copy(REPOSITORY / bug.file, target)
    bug.plant(tmp_path)
    assert target.read_text("utf-8") != (REPOSITORY / bug.file).read_text("utf-8")
    compile(target.read_text("utf-8"), bug.file, "exec")


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_names_test_files_that_exist(bug: Bug) -> None:
    """A renamed test file would let pytest fail, and the bug seem caught."""
    assert all((REPOSITORY / name.partition("::")[0]).is_file() for name in bug.tests)
