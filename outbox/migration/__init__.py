"""Installs ``sql/`` into a host database, says whether it is up to date, and takes it out again.

The host's tables belong to somebody else. So everything that is changed about them is additive, recorded in
``zoho_outbox_private.host_change``, and done under a short ``lock_timeout``, in a transaction a step, tried again
rather than waited for: a lock request that waits makes every later query of the table wait behind it.
"""
