"""Starts everything on one machine without Docker: Kafka, PostgreSQL, then the project's own processes."""


class StartError(Exception):
    """What keeps something from starting: one sentence for the person who started it."""
