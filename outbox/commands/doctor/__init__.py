"""``doctor``: what is wrong with settings, database, pooler, Zoho and its catalogue, a line each; ``--probe``."""
