"""One claimed entity's way from host row to verdict: read, decide, send, verify."""
