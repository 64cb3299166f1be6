"""A run every night, by the scheduler that the system has: cron, systemd or Windows."""
