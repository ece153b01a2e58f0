"""The whole system in one process tree: an embedded PostgreSQL, sample data, the simulator, the daemon."""
