"""Putting a job into the system's scheduler, reading it back, and taking it out again.

The texts are `job`'s. Raises SalesmapError, with the scheduler's own words, where it refuses.
"""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path

from salesmap_async.errors import SalesmapError, UsageError
from salesmap_async.files import write_text_atomically
from salesmap_async.schedule.job import (
    Job,
    Scheduler,
    cron_lines,
    crontab_with,
    crontab_without,
    service_unit,
    task_xml,
    timer_unit,
)

_LIMIT_S = 60.0
_NO_CRONTAB = ("no crontab for", "no such file or directory")
"""How `crontab -l` says that the user has none yet: that of cron and cronie, that of busybox."""


def usual_scheduler() -> Scheduler:
    """Return the scheduler of this system. Raises UsageError where none is known."""
    if os.name == "nt":
        return "windows"
    if shutil.which("systemctl") and _said(["systemctl", "--user", "show-environment"]) is not None:
        return "systemd"
    if shutil.which("crontab"):
        return "cron"
    raise UsageError(
        "this system has neither a systemd of this user nor crontab",
        cure="install cron, or let another scheduler start what `schedule print --as cron` shows",
    )


def planned(job: Job, scheduler: Scheduler) -> Iterator[str]:
    """Yield what `install` would do, as lines."""
    if scheduler == "cron":
        yield "# these two lines, added with `crontab -`; the last output:"
        yield f"# {job.output}"
        yield from cron_lines(job)
    elif scheduler == "systemd":
        for path, text in _units(job):
            yield f"# {path}"
            yield from text.splitlines()
            yield ""
        yield f"# systemctl --user enable --now {job.name}.timer"
        yield "# loginctl enable-linger     (runs whether you are logged on or not)"
        yield f"# its log: journalctl --user -t {job.name}"
    else:
        yield from task_xml(job, user=user_name(), today=date.today()).splitlines()
        yield f'<!-- schtasks /Create /TN "{job.name}" /XML FILE /F; last output: {job.output} -->'


def install(job: Job, scheduler: Scheduler) -> list[str]:
    """Install it, in the place of an earlier one of this DB; return what was done and read back."""
    job.output.parent.mkdir(parents=True, exist_ok=True)
    if scheduler == "cron":
        _write_crontab(crontab_with(_crontab(), job))
        if cron_lines(job)[1] not in _crontab().splitlines():
            raise SalesmapError("the crontab does not hold the line that was added")
        return [f"crontab has it: {cron_lines(job)[1]}"]
    if scheduler == "systemd":
        return _install_units(job)
    return _install_task(job)


def remove(job: Job, scheduler: Scheduler) -> bool:
    """Take it out; tell whether it was there."""
    if scheduler == "cron":
        before = _crontab()
        after = crontab_without(before, job)
        if after == before:
            return False
        _write_crontab(after)
        return True
    if scheduler == "systemd":
        return _remove_units(job)
    if _said(["schtasks", "/Query", "/TN", job.name]) is None:
        return False
    _run(["schtasks", "/Delete", "/TN", job.name, "/F"])
    return True


def user_name() -> str:
    """Return the user that the task is for; with its domain where there is one."""
    domain = os.environ.get("USERDOMAIN")
    name = getpass.getuser()
    return f"{domain}\\{name}" if domain else name


# -- cron -----------------------------------------------------------------------------------------


def _crontab() -> str:
    """Return the user's crontab; '' where there is none yet.

    Raises SalesmapError where it cannot be read: what is written back would lack its other lines.
    """
    try:
        return _run(["crontab", "-l"]) + "\n"
    except SalesmapError as error:
        if any(words in str(error).casefold() for words in _NO_CRONTAB):
            return ""
        raise


def _write_crontab(text: str) -> None:
    _run(["crontab", "-"], text)


# -- systemd --------------------------------------------------------------------------------------


def _units(job: Job) -> tuple[tuple[Path, str], ...]:
    base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    folder = base / "systemd" / "user"
    return (
        (folder / f"{job.name}.service", service_unit(job)),
        (folder / f"{job.name}.timer", timer_unit(job)),
    )


def _install_units(job: Job) -> list[str]:
    done = []
    for path, text in _units(job):
        try:
            write_text_atomically(path, text)
        except OSError as error:
            raise SalesmapError(f"{path} cannot be written: {error.strerror}") from None
        done.append(f"written: {path}")
    _run(["systemctl", "--user", "daemon-reload"])
    _run(["systemctl", "--user", "enable", "--now", f"{job.name}.timer"])
    done.append(
        f"{job.name}.timer is {_run(['systemctl', '--user', 'is-enabled', job.name + '.timer'])}"
    )
    if _said(["loginctl", "enable-linger"]) is None:
        done.append(
            "it runs only while you are logged on: `loginctl enable-linger` was refused, an "
            "administrator may do it for you"
        )
    return done


def _remove_units(job: Job) -> bool:
    paths = [path for path, _ in _units(job)]
    if not any(path.exists() for path in paths):
        return False
    _said(["systemctl", "--user", "disable", "--now", f"{job.name}.timer"])
    for path in paths:
        path.unlink(missing_ok=True)
    _said(["systemctl", "--user", "daemon-reload"])
    return True


# -- Windows --------------------------------------------------------------------------------------


def _install_task(job: Job) -> list[str]:
    xml = task_xml(job, user=user_name(), today=date.today())
    descriptor, name = tempfile.mkstemp(suffix=".xml")
    os.close(descriptor)
    try:
        Path(name).write_text(xml, encoding="utf-16")
        _run(["schtasks", "/Create", "/TN", job.name, "/XML", name, "/F"])
    finally:
        with suppress(OSError):
            Path(name).unlink()
    _run(["schtasks", "/Query", "/TN", job.name, "/XML"])
    return [f"the task {job.name} is there; it runs whether you are logged on or not"]


# -- the schedulers' own programs -----------------------------------------------------------------


def _run(command: Sequence[str], given: str = "") -> str:
    """Run a program; return what it said. Raises SalesmapError where it refuses."""
    try:
        done = subprocess.run(  # noqa: S603  (a program of the system, with our own words)
            command,
            input=given,
            capture_output=True,
            text=True,
            errors="surrogateescape",  # a crontab in another encoding comes back as it was
            timeout=_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SalesmapError(f"`{command[0]}` cannot be used: {error}") from None
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())
        raise SalesmapError(f"`{' '.join(command)}` was refused: {said or done.returncode}")
    return done.stdout.strip()


def _said(command: Sequence[str]) -> str | None:
    """Return what a program says; None where it refuses or is not there."""
    try:
        return _run(command) + "\n"
    except SalesmapError:
        return None
