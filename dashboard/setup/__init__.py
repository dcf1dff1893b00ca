"""The first start: the admin's account, and the clouds.

::

    manage.py serve ── prints ──▶ /setup/<token>/      creates the admin, signs in
                                       │
                                  /setup/clouds/       the clouds of clouds.yaml, each
                                       │               read once; saves CURFEW_CLOUDS
                        no clouds.yaml │
                                       ▼
                                  /setup/clouds/new/   a form; its cloud is read once,
                                       │               then written to clouds.yaml
                                       ▼
                                  /setup/ready/        what the workers have read

The web process never calls a cloud: ``tasks`` do, and leave their answers in the cache.
Credentials of the form are in files of the data directory alone.
"""
