"""A migrated database with a store that brings rows to where a test wants them."""

# Fixtures are found by their names here.
from tests.store.conftest import clock, database, host, new_store, settings, store

__all__ = ["clock", "database", "host", "new_store", "settings", "store"]
