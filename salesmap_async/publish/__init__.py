"""From the work DB to the final DB: gate, build, backup, replace, history."""
