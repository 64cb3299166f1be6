"""Three examples of each command, as words behind the program's name."""

from __future__ import annotations

from collections.abc import Mapping

EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "run": (
        "run --token-file token.txt",
        "run --resume --token-file token.txt",
        "run --sandbox",
    ),
    "schedule print": (
        "schedule print --at 03:30 --token-file token.txt",
        "schedule print --as cron --token-file token.txt",
        "schedule print --as windows --token-file token.txt",
    ),
    "schedule install": (
        "schedule install --at 03:30 --token-file token.txt",
        "schedule install --as cron --token-file token.txt",
        "schedule install --token-file t.txt --no-timeline",
    ),
    "schedule remove": (
        "schedule remove",
        "schedule remove --as cron",
        "schedule remove --db-path crm.db",
    ),
    "status": (
        "status",
        "status --check --max-age 26h",
        "status --json",
    ),
    "runs": ("runs", "runs --changes", "runs --limit 0 --json"),
    "doctor": ("doctor --token-file token.txt", "doctor --offline", "doctor --deep --json"),
    "restore": (
        "restore",
        "restore 20261122_143500",
        "restore 20261122_143500 --yes",
    ),
    "prune": ("prune --dry-run", "prune", "prune --json"),
    "serve": ("serve --open", "serve --with-token", "serve --port 8080 --config dashboard.toml"),
    "diff": ("diff", "diff yesterday today", "diff --format xlsx --out changes.xlsx"),
    "timeline as-of": (
        "timeline as-of 2026-01-31 --out january.db",
        "timeline as-of 20261122_143500 --out then.db",
        "timeline as-of yesterday --out yesterday.db --force",
    ),
    "timeline show": (
        "timeline show deal 0192f6a01",
        "timeline show people 0192f6a02 --format json",
        "timeline show organization 0192f6a03 --format csv",
    ),
    "timeline log": (
        "timeline log --since 7d",
        "timeline log --since 2026-01-31 --table deal",
        "timeline log --table deal --field 금액 --json",
    ),
    "timeline build": (
        "timeline build",
        "timeline build --db-path crm.db",
        "timeline build --backup-dir old",
    ),
    "timeline forget": (
        "timeline forget people 0192f6a02",
        "timeline forget lead 0192f6a04",
        "timeline forget memo 0192f6a05 --db-path crm.db",
    ),
    "timeline prune": (
        "timeline prune --keep-days 730",
        "timeline prune --keep-days 90",
        "timeline prune --keep-days 365 --db-path crm.db",
    ),
    "search": ("search 가상전자", "search kim@example.com", "search 교육 --table memo --limit 5"),
    "export": (
        "export --format xlsx --out crm.xlsx",
        "export --format csv --table deal --out -",
        "export --format parquet --partition --out lake",
    ),
    "schema": (
        "schema",
        "schema --table deal --format json",
        "schema --format datasette --out metadata.json",
    ),
    "mcp": ("mcp", "mcp --db-path crm.db", "mcp --db-path crm.db --backup-dir old"),
    "fleet run": (
        "fleet run fleet.toml",
        "fleet run fleet.toml --resume",
        "fleet run fleet.toml --only alpha,beta --json",
    ),
    "fleet status": (
        "fleet status fleet.toml",
        "fleet status fleet.toml --json",
        "fleet status fleet.toml --shard 2/8",
    ),
    "sandbox": (
        "sandbox",
        "sandbox --records 20000 --latency 0.3",
        "sandbox --evolve 1 --faults faults.json",
    ),
    "docs": ("docs", "docs runbook", "docs --schema run"),
    "completion": ("completion bash", "completion zsh", "completion powershell"),
}
