"""The stage of tests/sending."""

from tests.sending.conftest import billing, fibre, host, new_process, process, zoho

__all__ = ["billing", "fibre", "host", "new_process", "process", "zoho"]
