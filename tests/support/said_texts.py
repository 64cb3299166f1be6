"""Every text that the program may show a person, found in its source.

Found are all strings of two words and more that are no docstring, no SQL, no help of an option (the
help is English) and no note (a line of the log). Of an f-string the shape counts: its words, with
`{}` for each value.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import salesmap_async

PACKAGE = Path(salesmap_async.__file__).parent
WINGS = (
    "api", "collect", "store", "publish", "timeline", "run", "operate", "notify", "schedule",
    "export", "fleet", "search", "cli",
)  # fmt: skip
FOREIGN = {
    "cli/names.py": "the help of the commands",
    "cli/examples.py": "commands",
    "cli/completion.py": "a script for shells",
    "cli/help.py": "headings of the help",
    "cli/catalogue.py": "patterns",
    "cli/korean.py": "the catalogue itself",
    "operate/metrics.py": "texts for Prometheus",
    "schedule/job.py": "texts for schedulers",
    "export/singer.py": "texts for other programs",
    "timeline/workbook.py": "cells of a workbook",
}
"""Modules whose texts go elsewhere."""
_NOT_SHOWN = {"Note", "option", "argument", "_option", "command", "group", "compile", "execute",
              "executemany", "executescript", "NamedTuple", "Literal", "re", "version_option",
              "evolve_option", "fields_option", "Option", "add_argument", "ValueError",
              "TypeError", "AssertionError", "setdefault"}  # fmt: skip
_SQL = re.compile(
    r"\s*(SELECT|INSERT|CREATE|DELETE|UPDATE|PRAGMA|BEGIN|ATTACH|DETACH|DROP|ALTER|WITH|FROM|WHERE|"
    r"ORDER|GROUP|JOIN|AND|UNION|VALUES|COMMIT|ON|SET|LEFT|CASE|CAST|COALESCE|NOT|LIMIT|VACUUM|"
    r"REPLACE|EXISTS|PRIMARY|INDEX|SAVEPOINT|RELEASE|ROLLBACK)\b"
)


def shape_of(node: ast.expr) -> str | None:
    """Return the shape of a string or an f-string; None for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(value.value) if isinstance(value, ast.Constant) else "{}" for value in node.values
        )
    return None


def is_text(shape: str) -> bool:
    """Tell whether a shape holds words to read, not a name, a key, a format or SQL."""
    words = re.findall(r"[A-Za-z]{2,}", shape)
    if len(words) < 2 or " " not in shape.strip():
        return False
    return not _SQL.match(shape) and not re.search(
        r"SELECT |FROM |PRAGMA | IS NULL|DISTINCT", shape
    )


def _left_out(tree: ast.AST) -> set[int]:
    """Return the nodes below what is not shown: docstrings, annotations, notes, options."""
    roots: list[ast.AST] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            roots.append(node)
        elif isinstance(node, ast.AnnAssign):
            roots.append(node.annotation)
        elif isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            name = node.func.id if isinstance(node.func, ast.Name) else name
            if name in _NOT_SHOWN:
                roots.append(node)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            roots += node.decorator_list
    return {id(below) for root in roots for below in ast.walk(root)}


def shapes_in(tree: ast.AST) -> Iterator[str]:
    """Yield the shapes of one module that a person may read."""
    out = _left_out(tree)
    parts = {
        id(value)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for value in node.values
        if isinstance(value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in out | parts:
            shape = shape_of(node)
            if shape is not None and is_text(shape):
                yield shape


def all_shapes() -> dict[str, str]:
    """Return every shape with the module that has it."""
    found: dict[str, str] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE).as_posix()
        if (place.partition("/")[0] in WINGS or "/" not in place) and place not in FOREIGN:
            for shape in shapes_in(ast.parse(path.read_text("utf-8"))):
                found.setdefault(shape, place)
    return found


if __name__ == "__main__":
    for shape, place in all_shapes().items():
        print(f"{place}\t{shape!r}")
