"""What is to be scheduled, and the texts by which each scheduler takes it. No I/O.

Every path is absolute: a scheduler starts what it is told in a folder of its own.
"""

from __future__ import annotations

import hashlib
import re
import shlex
import subprocess
from dataclasses import dataclass
from datetime import date, time
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

from salesmap_async.errors import UsageError

Scheduler = Literal["cron", "systemd", "windows"]

TASK_NAMESPACE = "http://schemas.microsoft.com/windows/2004/02/mit/task"
_LONGEST_RUN = "PT20H"
"""After so long Windows ends a task: before the next night's."""
_STOP_LIMIT_S = 120
"""So long a run may take to keep what it has read, when the system goes down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A run that is to be started every day `at` a time, local to this machine.

    `words` are the whole command. `output` is where its last output goes, of cron and Windows;
    systemd keeps it in its journal.
    """

    db_path: Path
    at: time
    words: tuple[str, ...]
    folder: Path
    output: Path

    def __post_init__(self) -> None:
        for word in (*self.words, str(self.folder), str(self.output)):
            if not word.isprintable():
                raise UsageError(f"{word!r} cannot stand in a schedule: it has control characters")

    @property
    def name(self) -> str:
        """A name that each final DB has for itself, for files and tasks."""
        stem = re.sub(r"[^A-Za-z0-9_-]+", "-", self.db_path.stem).strip("-") or "db"
        digest = hashlib.sha256(str(self.db_path).encode()).hexdigest()[:8]
        return f"salesmap-{stem[:40]}-{digest}"

    @property
    def marker(self) -> str:
        """The comment above its line in a crontab."""
        return f"# salesmap-async: {self.db_path}"


def at_time(text: str) -> time:
    """Return the time of day that `text` names, like 03:30. Raises UsageError."""
    found = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", text)
    if found is None:
        raise UsageError(f"--at {text} is no time of day like 03:30")
    return time(int(found[1]), int(found[2]))


# -- cron -----------------------------------------------------------------------------------------


def cron_lines(job: Job) -> tuple[str, str]:
    """Return the two lines of a crontab; `%` would end the command there."""
    command = f"{shlex.join(job.words)} > {shlex.quote(str(job.output))} 2>&1"
    return job.marker, f"{job.at.minute} {job.at.hour} * * * {command.replace('%', chr(92) + '%')}"


def crontab_with(crontab: str, job: Job) -> str:
    """Return a crontab in which the job stands once."""
    return crontab_without(crontab, job) + "\n".join(cron_lines(job)) + "\n"


def crontab_without(crontab: str, job: Job) -> str:
    """Return a crontab without the job; all other lines stay.

    The line below the marker may have been taken out by hand: then another job's stands there.
    """
    kept: list[str] = []
    below_marker = False
    for line in crontab.splitlines():
        is_marker = line == job.marker
        is_command = below_marker and "salesmap" in line and not line.startswith("#")
        if not is_marker and not is_command:
            kept.append(line)
        below_marker = is_marker
    return "".join(f"{line}\n" for line in kept)


# -- systemd --------------------------------------------------------------------------------------


def service_unit(job: Job) -> str:
    """Return the unit that runs once."""
    return f"""[Unit]
Description=Snapshot of {_systemd_text(str(job.db_path))}
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
WorkingDirectory={_systemd_text(str(job.folder))}
ExecStart={" ".join(map(_systemd_word, job.words))}
SyslogIdentifier={job.name}
TimeoutStopSec={_STOP_LIMIT_S}
"""


def timer_unit(job: Job) -> str:
    """Return the unit that starts the other one every day; a missed start is made up for."""
    return f"""[Unit]
Description=Every night: snapshot of {_systemd_text(str(job.db_path))}

[Timer]
OnCalendar=*-*-* {job.at:%H:%M}:00
Persistent=true

[Install]
WantedBy=timers.target
"""


def _systemd_text(text: str) -> str:
    return text.replace("%", "%%")


def _systemd_word(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    escaped = _systemd_text(escaped).replace("$", "$$")
    return f'"{escaped}"' if re.search(r"[^A-Za-z0-9_./:=@,+%$-]", escaped) or not word else escaped


# -- Windows --------------------------------------------------------------------------------------


def task_xml(job: Job, *, user: str, today: date) -> str:
    """Return the task for `schtasks /Create /XML`: it runs whether the user is logged on or not.

    Elements and their order are those of the Task Scheduler schema 1.2. Raises UsageError for a
    path that the shell would not take as it is.
    """
    shell_line = _shell_line(job)
    task = ElementTree.Element("Task", {"version": "1.2", "xmlns": TASK_NAMESPACE})
    info = _below(task, "RegistrationInfo")
    _below(info, "Description", f"Snapshot of {job.db_path}")
    _below(info, "URI", f"\\{job.name}")
    trigger = _below(_below(task, "Triggers"), "CalendarTrigger")
    _below(trigger, "StartBoundary", f"{today:%Y-%m-%d}T{job.at:%H:%M}:00")
    _below(trigger, "Enabled", "true")
    _below(_below(trigger, "ScheduleByDay"), "DaysInterval", "1")
    principal = _below(_below(task, "Principals"), "Principal")
    principal.set("id", "Author")
    _below(principal, "UserId", user)
    _below(principal, "LogonType", "S4U")
    _below(principal, "RunLevel", "LeastPrivilege")
    settings = _below(task, "Settings")
    for name, value in (
        ("MultipleInstancesPolicy", "IgnoreNew"),
        ("DisallowStartIfOnBatteries", "false"),
        ("StopIfGoingOnBatteries", "false"),
        ("StartWhenAvailable", "true"),
        ("RunOnlyIfNetworkAvailable", "false"),
        ("Enabled", "true"),
        ("WakeToRun", "true"),
        ("ExecutionTimeLimit", _LONGEST_RUN),
    ):
        _below(settings, name, value)
    actions = _below(task, "Actions")
    actions.set("Context", "Author")
    action = _below(actions, "Exec")
    _below(action, "Command", "cmd.exe")
    _below(action, "Arguments", f'/d /s /c "{shell_line}"')
    _below(action, "WorkingDirectory", str(job.folder))
    ElementTree.indent(task)
    text = ElementTree.tostring(task, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-16"?>\n{text}\n'


def _shell_line(job: Job) -> str:
    words = (*job.words, str(job.output))
    for word in words:
        if any(character in word for character in '%"^&|<>!'):
            raise UsageError(
                f"{word} cannot stand in a Windows task: the shell would change it",
                cure='use names without % " ^ & | < > !',
            )
    return f'{subprocess.list2cmdline(job.words)} > "{job.output}" 2>&1'


def _below(parent: ElementTree.Element, name: str, text: str | None = None) -> ElementTree.Element:
    child = ElementTree.SubElement(parent, name)
    child.text = text
    return child
