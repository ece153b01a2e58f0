"""Benchmarks: ``python -m tests.bench``. Ratios measured side by side in one run; no test asserts a timing."""
