"""Faults between a process and what it talks to."""
