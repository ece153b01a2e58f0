"""Statements about behaviour: unit tests without a database, the rest on a real PostgreSQL."""
