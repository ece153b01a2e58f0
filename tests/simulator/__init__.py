"""The simulator, proven by real HTTP clients and raw sockets."""
