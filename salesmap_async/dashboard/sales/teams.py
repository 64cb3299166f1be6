"""Who belongs to a team, and whether an owner of a deal is one of them.

Ids decide where both sides have one. Who is known by name alone (an owner without an id, an extra
member of the configuration) is compared by name; the CRM tells people of one name apart by a letter
at the end, which is dropped ("이름B" is "이름").
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from salesmap_async.dashboard.data.config import Team
from salesmap_async.dashboard.data.database import Snapshot
from salesmap_async.lenient import name_of, related, trimmed

_SUFFIX = re.compile(r"(?<=[^A-Za-z])[A-Za-z]$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """The people of one team. `crm_team`: its name in the CRM, None where there is no such team.

    `names`: of all of them; `names_alone`: of those whose id is not known.
    """

    crm_team: str | None
    count: int
    ids: frozenset[str]
    names: frozenset[str]
    names_alone: frozenset[str]

    def include(self, owner: object) -> bool:
        """Tell whether an owner, `{id, name}` or a plain name, is a member."""
        owner_id = trimmed(owner.get("id")) if isinstance(owner, dict) else None
        if owner_id is None:
            return plain_name(name_of(owner) or "") in self.names
        name = trimmed(owner.get("name")) if isinstance(owner, dict) else None
        return owner_id in self.ids or plain_name(name or "") in self.names_alone


def plain_name(name: str) -> str:
    """Return a name without the letter that tells people of one name apart."""
    return _SUFFIX.sub("", name.strip()).strip()


def members_of(snapshot: Snapshot, team: Team) -> Members:
    """Return the members of the first of the team's names that the CRM knows, and the extra ones.

    An extra member may be a name or an id.
    """
    rows = _teams_of_the_crm(snapshot)
    crm_name = next((name for name in team.crm_team if name in rows), None)
    mates = rows[crm_name] if crm_name is not None else []
    known = [mate if isinstance(mate, dict) else {"name": mate} for mate in mates]
    extra = set(team.extra_members)
    ids = {found for mate in known if (found := trimmed(mate.get("id")))}
    names = {found for mate in known if (found := trimmed(mate.get("name")))}
    lone = {found for mate in known if not trimmed(mate.get("id")) and (found := name_of(mate))}
    return Members(
        crm_team=crm_name,
        count=len(known) + len(extra - ids - names),
        ids=frozenset(ids | extra),
        names=frozenset(map(plain_name, names | extra)),
        names_alone=frozenset(map(plain_name, lone | extra)),
    )


def _teams_of_the_crm(snapshot: Snapshot) -> Mapping[str, list[Any]]:
    """Return the members of each team by its name; teams of one name are one."""
    found: dict[str, list[Any]] = {}
    if snapshot.columns.has_table("team"):
        for name, mates in snapshot.rows("SELECT {team.name}, {team.teammateList} FROM team"):
            if (label := trimmed(name)) is not None:
                found.setdefault(label, []).extend(related(mates))
    return found
