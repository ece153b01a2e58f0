"""Bounded access to PostgreSQL, and which database it is."""

from outbox.database.access import Database, DatabaseUnavailable, Row

__all__ = ["Database", "DatabaseUnavailable", "Row"]
