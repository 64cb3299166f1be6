"""The history file, as a reader that shares no code with the product sees it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def history_lines(path: Path) -> list[dict[str, Any]]:
    """Return the whole lines, oldest first; a torn one is left out."""
    lines = []
    for raw in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            lines.append(json.loads(raw))
        except ValueError:
            continue
    return lines
