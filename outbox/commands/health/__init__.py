"""``health-check``: readings, findings, and the report."""
