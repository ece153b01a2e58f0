"""Reconciliation: comparing both sides, and naming every difference by kind.

Everything else in this house goes by what we told Zoho. This room asks Zoho what it holds.

The way of a run
----------------
A *run* compares one or more types, in their order of dependence. Each type has three *stages*:

1. *list*: Zoho's list of the type is read, 200 records a page, and kept (``zoho_outbox_private.listed_record``). The
   next page's number is kept with it.
2. *compare*: host rows by primary key, a page at a time, each page in one snapshot with the state of its sending.
   A row that is at rest is compared with its list row (:mod:`outbox.reconciliation.listed`). What differs there, or
   is not in the list, is *suspicious*: the record itself is read and compared whole
   (:mod:`outbox.reconciliation.whole`). So is every record of a ``--deep`` run.
3. *unknown*: what the list has and no row of ours knows is looked at: a second record of one row, or nobody's.

A page's findings, its sums and the place where the next one begins are written in one transaction: whatever ends the
run (the day's share of requests, a Ctrl-C, a restart), the next ``reconcile`` goes on from there.

What counts
-----------
A row *agrees* only if it was compared. One that is on its way (pending, being sent, waiting, between attempts) or
cannot be read or mapped was *not compared*, and is counted as that, with the reason. A list shows the past: it proves
no difference. So nothing is reported from a list row alone, but for records that are nobody's.

The run is *clean* where everything was compared and nothing differs; then every create that must look first no longer
has to (``installation.look_first_since``), if all four types were in the run.

Requests leave at the lowest urgency: live changes, retries and backfills go before, and the day's reserve is not
touched.
"""
