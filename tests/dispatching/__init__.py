"""The dispatcher on a database and a Zoho that are not there: what it claims, and when."""
