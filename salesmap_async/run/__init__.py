"""One run: plan, preflight, lock, log, history, reading, publishing."""
