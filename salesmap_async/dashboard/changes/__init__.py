"""What changed: the screen 변경, and the life of a record."""
