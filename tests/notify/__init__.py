"""Telling of runs."""
