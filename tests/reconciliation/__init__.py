"""Reconciliation, against books that were made wrong by hand on both sides."""
