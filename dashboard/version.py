VERSION = "0.1.0"
"""Version of server and client, as in ``pyproject.toml``."""
