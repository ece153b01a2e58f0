"""Zoho's published OpenAPI files, and what holds requests and replies to them."""
