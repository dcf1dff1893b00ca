"""Curfew from a shell: the command ``curfew``. Works over the API alone.

Knows nothing of Django or of this site's settings: it runs on anybody's machine, with
httpx as all it needs. ``pyproject.toml`` makes a package of it; in a checkout it is
``python -m dashboard.cli``. See ``docs/cli.md``.
"""
