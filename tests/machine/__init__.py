"""A model-based test of the claim-and-acknowledge protocol: hypothesis decides what happens next."""
