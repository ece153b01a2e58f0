"""``backfill --undo``: takes a first backfill out of Zoho again."""
