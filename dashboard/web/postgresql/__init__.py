"""Django's backend for PostgreSQL, with an outage in mind: see ``base``."""
