"""The host database as zoho-outbox may find it, and the servers it stands on."""
