"""Zoho's limits, met by real replicas: the measured run is ``python -m tests.limits``; its tests hold its grounds."""
