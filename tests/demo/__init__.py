"""The demo as a person meets it: a process, its output, its exit status, and what it leaves behind."""
