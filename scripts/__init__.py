"""What a person runs from a fresh clone: quickstart.py, test.py, bench.py."""
