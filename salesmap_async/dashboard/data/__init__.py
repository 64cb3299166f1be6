"""What every screen reads with: the DB, the configuration, lenient values."""
