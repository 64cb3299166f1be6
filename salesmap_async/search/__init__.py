"""Words in organizations, people, deals, leads and memos: an index, and what it finds."""
