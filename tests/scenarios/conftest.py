"""The stage of tests/sending: a migrated database, an engine worked by hand, a simulator whose time can pass."""

from tests.sending.conftest import billing, customer, fibre, host, new_process, process, zoho

__all__ = ["billing", "customer", "fibre", "host", "new_process", "process", "zoho"]
