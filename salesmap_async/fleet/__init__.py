"""Many workspaces: one file names them, one command keeps a snapshot of each."""
