"""Runs every night."""
