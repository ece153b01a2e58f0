"""No secret and no unmasked personal data in anything that we write: a full run, and everything that it left behind."""
