"""The environment variables of the dashboard. No more: the command reads it without the extra."""

DB_PATH = "DB_PATH"
CONFIG = "SALESMAP_DASHBOARD_CONFIG"
TOKEN = "SALESMAP_DASHBOARD_TOKEN"  # noqa: S105  (a variable's name)
USER = "SALESMAP_DASHBOARD_USER"
PASSWORD = "SALESMAP_DASHBOARD_PASSWORD"  # noqa: S105  (a variable's name)
ALLOW_FILE_ORIGIN = "SALESMAP_DASHBOARD_ALLOW_FILE_ORIGIN"
