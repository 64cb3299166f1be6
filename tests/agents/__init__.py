"""The snapshot for agents."""
