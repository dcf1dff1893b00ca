"""The command ``curfew``, a client of the API. See ``docs/cli.md``.

It runs on any machine and needs neither Django nor the settings of a site.
``deploy/cli`` makes a package of it alone; a checkout has ``python -m dashboard.cli``.
"""
