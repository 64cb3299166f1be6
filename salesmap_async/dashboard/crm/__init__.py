"""Organizations, people, deals and memos."""
