"""The snapshot itself: its age, runs, tables, backups and the checklist."""
