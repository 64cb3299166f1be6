"""What the server says it can be asked for (`/openapi`), beside what this program asks. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from salesmap_async.api.endpoints import CHILDREN, ENDPOINTS, SUBMISSION_PATH

PATHS_PATH = "/openapi"
_ROOT = re.compile(r"^(https?://[^/]+)?(/api)?(/v\d+)?(?=/)")
_PARAMETER = re.compile(r"\{[^}/]*\}|:[A-Za-z_]\w*|<[^>/]*>")

ASKED = frozenset(
    {
        "/user/me",
        _PARAMETER.sub("{}", SUBMISSION_PATH),
        *(endpoint.path for endpoint in ENDPOINTS),
        *(f"{endpoint.path}/{{}}" for endpoint in ENDPOINTS if endpoint.single),
        *(child.path.partition("?")[0].format(id="{}") for child in CHILDREN),
    }
)
"""The paths of the catalogue, parameters as `{}`."""

KNOWN_BESIDES = frozenset(
    {
        PATHS_PATH,
        "/user/{}",
        "/team/{}",
        "/todo/{}",
        "/product/{}",
        "/email/{}",
        "/pipeline/{}",
        "/sequence/{}",
        "/sequence/{}/timeline",
        "/field/{}",
        "/{}/history",
        "/{}/activity",
        "/{}/pipeline",
    }
)
"""What the API is known to have besides, and this program does not ask for in its lists."""


def paths_in(document: Mapping[str, Any]) -> frozenset[str]:
    """Return the paths that can be read, from an OpenAPI document; parameters as `{}`.

    Only its names are looked at: its schemas are not reliable.
    """
    paths = document.get("paths")
    if not isinstance(paths, dict):
        return frozenset()
    return frozenset(
        _plain(path)
        for path, methods in paths.items()
        if isinstance(methods, dict) and any(str(each).lower() == "get" for each in methods)
    )


def compare_paths(server: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what the server has that is not known here, and what is asked here and not there."""
    there = frozenset(server)
    known = ASKED | KNOWN_BESIDES
    new = sorted(path for path in there if path not in known and not _is_known_form(path, known))
    gone = sorted(path for path in ASKED if path not in there and not _is_known_form(path, there))
    return tuple(new), tuple(gone)


def _plain(path: str) -> str:
    return _PARAMETER.sub("{}", _ROOT.sub("", path)).rstrip("/") or "/"


def _is_known_form(path: str, known: Iterable[str]) -> bool:
    """Tell whether a path is a case of one with parameters: `/field/deal` of `/field/{}`."""
    parts = path.split("/")
    return any(
        len(parts) == len(other) and all(o in ("{}", p) for p, o in zip(parts, other, strict=True))
        for other in (each.split("/") for each in known if "{}" in each)
    )
