"""The mirror: instances as the database has them, and the pages that show them.

::

    beat ──▶ tasks: whole clouds, and instances that expect a change
               │
               ▼
    refresh.refresh_cloud                        observations.read_instance
        served_generations: which APIs to list       │
        document_cache: skip what is the same        │   edits.delivery, after a write
               │                                     │        │
               ▼                                     ▼        ▼
        sync.sync_page                           observations.apply_observation
               └───────────────────┬─────────────────┘
                                   ▼
    sync.sync ── mapping.columns: state to columns, by our clock (skew)
               ├ causes: why the status changed, for history and audit trail
               └ SyncBatch.save: rows, FleetVersion.stamp
                                   │
                                   ▼
    views ── selectors, listing ──▶ countdown ──▶ row_cache ──▶ static/countdown.js

mirror: our copy of the cloud; pages read nothing else.
refresh: read a whole cloud, or one instance, into the mirror.
listing: the cloud's answer in pages; only a complete one shows what is missing.
generation: the API that an instance speaks; ``capabilities`` says what it allows.
fleet version: grows with each visible change, so that a poll can ask for news.
skew: the cloud's clock minus ours.
this run, next run: ``stops_at`` is fixed at the start; the setting counts for the next.
lease: the end of a notebook's run; an idle one has no end, only an earliest one.
due: this run has reached its end; in the list's filter, it ends within the hour.
overdue: due for ``CURFEW_OVERDUE_AFTER_MINUTES`` already.
missing: not in the last complete listing; the row stays.
paused cloud: edits wait for its next probe (``Cloud.held_until``).
"""
