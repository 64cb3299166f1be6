"""For which upper organization a Won deal counts: one rule, whatever is summed.

The person of the deal tells, if that person exists and works for the organization of the deal. All
other deals count too, under 미입력.
"""

from __future__ import annotations

from salesmap_async.lenient import NOT_GIVEN, trimmed


def is_of(org_id: str, works_at: object) -> bool:
    """Tell whether a person who works at `works_at` (None: no such person) is of `org_id`."""
    return works_at == org_id


def upper_org_of(upper_org: object, *, org_id: str, works_at: object) -> str:
    """Return the upper organization under which a deal of `org_id` counts."""
    return (trimmed(upper_org) if is_of(org_id, works_at) else None) or NOT_GIVEN
