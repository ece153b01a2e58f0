"""The peers that a team would take in place of this daemon, run beside it.

Nothing is imported here: the programs run in a virtual environment that has the peers and not the project's libraries.
"""
