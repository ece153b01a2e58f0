"""``alert-failed``: what is new, in which words, and to whom."""
