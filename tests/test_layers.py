"""The project's own rules: which module may import which, and which alone may use what."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import salesmap_async

PACKAGE = Path(salesmap_async.__file__).parent

LAYERS: tuple[tuple[str, ...], ...] = (
    # Low to high. A module imports from its own folder and from layers below, never sideways.
    (
        "first_moments",
        "errors",
        "paths",
        "settings",
        "settings_file",
        "events",
        "stop",
        "version",
        "commandline",
        "exact_json",
        "excel_book",
        "files",
        "lenient",
        "money",
        "outlast",
        "safe_sql",
        "seoul",
        "sqlite_file",
        "times",
    ),
    ("api", "store"),
    ("collect",),
    ("publish",),
    ("timeline",),
    ("run",),
    ("operate",),
    ("notify",),
    ("describe", "export", "fleet", "schedule", "search"),
    ("agents",),
    ("sandbox",),
    ("docs",),
    ("dashboard",),
    ("cli",),
    ("__main__",),
)
GROUND = LAYERS[0]
"""Vocabulary and small tools: they may know each other, and nothing above."""

DASHBOARD_LAYERS: tuple[tuple[str, ...], ...] = (
    ("variables",),
    ("web",),
    ("data",),
    ("changes", "crm", "sales", "deals", "operations", "downloads", "everything"),
    ("app", "environment", "server"),
    ("main",),
)
"""The wings of the dashboard, low to high; no wing of a screen knows another."""

ALLOWED_ONLY: dict[str, frozenset[str]] = {
    "publish": frozenset(
        {*GROUND, "api.endpoints", "store.kinds", "store.laying", "store.missing", "store.work_db"}
        - {"settings"}
    ),
    "sandbox": frozenset({"errors", "api.endpoints"}),
}
"""Layers that may see less than all that is below them."""

TYPING_ONLY = {
    ("errors", "paths"): "an error carries the paths of its run, as an annotation",
    ("cli.as_json", "operate.look"): "the answers of commands, as annotations",
    ("cli.as_json", "operate.prune"): "the same",
    ("cli.as_json", "operate.restore"): "the same",
    ("cli.as_json", "operate.runs"): "the same",
    ("cli.as_json", "operate.status"): "the same",
    ("cli.as_json", "operate.timeline"): "the same",
    ("cli.as_json", "run.checks"): "the same",
    ("cli.as_json", "run.snapshot"): "the same",
    ("cli.diff", "timeline.report"): "imported when the snapshots are compared",
    ("cli.export", "export.export"): "imported when the export begins",
    ("cli.schedule", "schedule.job"): "imported when there is something to schedule",
    ("cli.search", "search.find"): "imported when the search begins",
    ("cli.language", "cli.catalogue"): "imported where another language is spoken",
    ("cli.fleet", "fleet.config"): "imported when the runs begin",
    ("cli.fleet", "fleet.runs"): "imported when the runs begin",
    ("cli.run", "cli.progress"): "imported when the run begins",
    ("cli.timeline", "timeline.lives"): "imported when the timeline is opened",
    ("cli.run", "run.snapshot"): "imported when the run begins",
}

OWNERS: dict[str, frozenset[str]] = {
    # The dotted name as it is written after imports are resolved -> the modules that may use it.
    "aiohttp.ClientSession": frozenset({"api.client"}),
    "aiohttp": frozenset({"api.client", "sandbox"}),
    "aiolimiter": frozenset({"api.throttle"}),
    # Others than the writer: only the type of the connection that it lends to a job.
    "aiosqlite": frozenset({"store"}),
    "aiosqlite.connect": frozenset({"store.writer"}),
    "filelock": frozenset({"run.lock"}),
    "os.replace": frozenset({"files"}),
    "os.rename": frozenset(),
    "shutil.copyfile": frozenset({"publish.replace", "store.checkpoint"}),
    # It would change every connection of the process, this package's or not.
    "sqlite3.register_adapter": frozenset(),
    "rich": frozenset({"cli"}),
    "click": frozenset({"cli", "__main__"}),
    "sys.exit": frozenset({"cli", "__main__"}),
    "SystemExit": frozenset({"cli", "__main__"}),
    "os.environ": frozenset(
        {"cli", "__main__", "dashboard.main", "notify.deliver", "schedule.install"}
    ),
    "fastapi": frozenset({"dashboard"}),
    "starlette": frozenset({"dashboard"}),
    "pydantic": frozenset({"dashboard"}),
    "uvicorn": frozenset({"dashboard.server", "dashboard.web.patience"}),
    "distributed": frozenset({"fleet.cluster"}),
    "pyarrow": frozenset({"export.parquet"}),
    "xlsxwriter": frozenset({"excel_book"}),
    "mcp": frozenset({"agents.server"}),
    "nh3": frozenset({"dashboard.crm.memos"}),
    "markdown_it": frozenset({"dashboard.web.help_page"}),
    "os.getenv": frozenset(),
    "asyncio.TaskGroup": frozenset({"collect.workers"}),
    "asyncio.create_task": frozenset({"store.writer"}),
    "asyncio.ensure_future": frozenset({"store.writer"}),
    "print": frozenset(),
}


def module_name(path: Path) -> str:
    """Return `publish.build` for .../publish/build.py, and '' for the package itself."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
INNER_MODULES = [name for name in MODULES if name]


@cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def top(module: str) -> str:
    return module.partition(".")[0]


def level(module: str) -> int:
    return next(number for number, layer in enumerate(LAYERS) if top(module) in layer)


def own_imports(module: str, *, typing_only: bool = False) -> Iterator[str]:
    """Yield the modules of this package that `module` imports; of those under TYPE_CHECKING only
    or of all others.
    """
    tree = tree_of(module)
    guarded = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if (node in guarded) == typing_only:
            yield from _own_names(node)


def _own_names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        named = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "relative imports hide the layer"
        base = node.module or ""
        named = [f"{base}.{alias.name}" for alias in node.names]
    else:
        return
    for name in named:
        if name == "salesmap_async" or name.startswith("salesmap_async."):
            inner = name.removeprefix("salesmap_async").removeprefix(".")
            while inner not in MODULES:
                inner = inner.rpartition(".")[0]
            yield inner


def uses(module: str) -> set[str]:
    """Return the dotted foreign names that `module` imports or calls, and every prefix of them."""
    tree = tree_of(module)
    meaning: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            meaning |= {
                (a.asname or top(a.name)): (a.asname and a.name) or top(a.name) for a in node.names
            }
        elif isinstance(node, ast.ImportFrom):
            meaning |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    found = set(meaning.values())
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name):
            head, _, rest = ast.unparse(node).partition(".")
            found.add(".".join(filter(None, (meaning.get(head, head), rest))))
    return found | {name[:at] for name in found for at, letter in enumerate(name) if letter == "."}


def test_every_module_has_a_layer() -> None:
    """A new module or folder must be put into the order before it is used."""
    known = {name for layer in LAYERS for name in layer}
    assert {top(name) for name in INNER_MODULES} == known


@pytest.mark.parametrize("module", INNER_MODULES)
def test_imports_go_down(module: str) -> None:
    """A module sees its own folder and what lies below it, nothing beside or above."""
    for imported in own_imports(module):
        assert imported, f"{module} imports the package itself, which is above everything"
        if top(imported) == top(module):
            continue
        if top(module) in GROUND and top(imported) in GROUND:
            continue
        assert level(imported) < level(module), f"{module} imports {imported}"


def test_the_ground_floor_has_no_circle() -> None:
    """Its modules know each other in one direction."""
    known = {module: set(own_imports(module)) for module in GROUND}
    settled: set[str] = set()
    while len(settled) < len(known):
        free = {module for module, needs in known.items() if needs <= settled} - settled
        assert free, f"a circle among {sorted(set(known) - settled)}"
        settled |= free


DASHBOARD_MODULES = [name for name in INNER_MODULES if name.startswith("dashboard.")]


@pytest.mark.parametrize("module", DASHBOARD_MODULES)
def test_the_wings_of_the_dashboard_know_no_other(module: str) -> None:
    """A screen's wing sees itself, `data` and `web`; what two of them need lies in `data`."""
    wing, levels = (
        module.split(".")[1],
        {name: n for n, layer in enumerate(DASHBOARD_LAYERS) for name in layer},
    )
    assert wing in levels, f"{wing} has no place among {DASHBOARD_LAYERS}"
    for imported in own_imports(module):
        if imported.startswith("dashboard.") and (other := imported.split(".")[1]) != wing:
            assert levels[other] < levels[wing], f"{module} imports {imported}"


@pytest.mark.parametrize("module", INNER_MODULES)
def test_narrow_layers_see_only_what_they_are_allowed(module: str) -> None:
    """Publishing knows the catalogue and the work DB's shape; the sandbox knows the catalogue."""
    allowed = ALLOWED_ONLY.get(top(module))
    if allowed is None:
        return
    outside = {name for name in own_imports(module) if top(name) != top(module)}
    assert outside <= allowed, f"{module}: {sorted(outside - allowed)}"


@pytest.mark.parametrize("module", INNER_MODULES)
def test_typing_imports_are_the_known_ones(module: str) -> None:
    """An import under TYPE_CHECKING is a dependency too; each has a reason."""
    found = {(module, imported) for imported in own_imports(module, typing_only=True)}
    assert found <= set(TYPING_ONLY)


@pytest.mark.parametrize("module", INNER_MODULES)
def test_each_resource_has_one_owner(module: str) -> None:
    """The network, the work DB, the swap, the terminal, the tasks: one place each."""
    used = uses(module)
    for resource, owners in OWNERS.items():
        if resource in used:
            assert {module, top(module)} & owners, f"{module} uses {resource}"


@pytest.mark.parametrize("module", INNER_MODULES)
def test_tasks_are_started_by_their_owners(module: str) -> None:
    """`create_task` of a task group or loop is found by its name, whatever it is called on."""
    owners = {"collect.workers", "store.writer"}
    starts = {"create_task", "ensure_future", "run_coroutine_threadsafe"}
    called = {node.attr for node in ast.walk(tree_of(module)) if isinstance(node, ast.Attribute)}
    assert module in owners or not called & starts
