"""Django's backend for PostgreSQL, with an breaker in mind: see ``base``."""
