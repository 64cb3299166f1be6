"""Telling of runs to those that do not watch: a monitor, a channel, a command of their own."""
