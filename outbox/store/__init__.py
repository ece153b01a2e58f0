"""The claim-and-acknowledge protocol and the state that replicas share. The only room that writes outbox tables."""
