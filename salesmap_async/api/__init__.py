"""Talks to Salesmap; knows no database."""
