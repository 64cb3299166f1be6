"""What is in a snapshot: its tables, their fields and how full they are, and what links them."""
