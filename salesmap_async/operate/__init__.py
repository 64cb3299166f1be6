"""What an operator asks before and after a run; decisions without I/O, and I/O that is thin."""
