"""One program for each peer; see :mod:`tests.bench.peers.programs.harness` for what they are told and say."""
