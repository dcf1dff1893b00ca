"""Keeps open pages up to date by polling.

::

    view ── poller() ──▶ page: #poller has a URL, an interval and a poll token
                           │ static/polling.js sends GET, after the interval
                           ▼
    shortcut.PollShortcut, in front of Django
        token.read: signature, session, URL, expiry         no SQL
        state.cache.read: version of the fleet, revocations from Redis
        state.is_unchanged: the page at that version        changes.py, or Redis, too
        state.is_unchanged_in_database: the page now        SQL, by the first poll
                           │
            ┌──────────────┴───────────────┐
            │ valid, same version or page  │ all else
            ▼                              ▼
    204, age of the mirror        accounts.polls, or all of Django: session, rights,
                                  view with PollForm
                                           │
                               ┌───────────┴───────────┐
                               │ same version or page  │ news
                               │ ──▶ state.put_page    │
                               ▼                       ▼
                  not_modified(): 204,        200, fragment: a new poller and the
                  age, new poll token         changed rows; all rows if
                                              needs_all_rows

A poll adds three parameters to the query of its page, see ``pages.PollForm``: ``since``
(fleet version), ``layout`` (``layout_hash``) and ``until``.

Polls of a page that arrive while the first of them is looked up wait for it in
``web.gateway``, without a thread. If too many polls wait, the next ones get an
answer that asks them to come back later.

Without Redis the shortcut passes every poll on, and the database answers. A page of one
edit or batch has a poller without a token and compares ``layout`` alone; a wallboard,
which has no session, has none either.
"""
