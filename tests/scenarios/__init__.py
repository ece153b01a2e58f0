"""What was decided about money, as scenarios: host rows on one side, Zoho's books on the other.

deploy/docs/decisions-and-their-tests.md says which of them proves what; many stand in tests/sending already.
"""
