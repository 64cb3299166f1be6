"""The command line: one file per command; it translates options to Settings, prints and exits."""
