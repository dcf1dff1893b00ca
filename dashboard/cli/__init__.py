"""Curfew from a shell: ``python -m dashboard.cli``. Works over the API alone.

Knows nothing of Django or of this site's settings: it runs on anybody's machine, with
httpx as all it needs. See ``docs/cli.md``.
"""
