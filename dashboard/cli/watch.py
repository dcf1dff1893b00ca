"""A live table that counts down, polls rarely and survives a lost connection."""

import time
from collections.abc import Callable
from typing import Any

from .client import Api
from .errors import UnreachableError
from .show import row, table

ASK_EVERY_SECONDS = 5
WHOLE_EVERY_SECONDS = 60
"""Then the list is read even if nothing changed: what is due changes by time alone."""

LONGEST_PAUSE_SECONDS = 30

type Json = dict[str, Any]


class Watch:
    def __init__(
        self, api: Api, query: dict[str, str], clock: Callable[[], float] = time.time
    ) -> None:
        self._api, self._query, self._clock = api, query | {"per_page": "100"}, clock
        self._version: int | None = None
        self._items: list[Json] = []
        self._count = 0
        self._failures = 0
        self._lost_since: float | None = None
        self._ask_at = self._whole_at = 0.0

    def step(self) -> bool:
        """Poll if it is time, and return whether anything is new.

        Raises:
            CommandError: Waiting does not help, for example after a token has expired.
        """
        now = self._clock()
        if now < self._ask_at:
            return False
        query = dict(self._query)
        if self._version is not None and now < self._whole_at and not self._failures:
            query["since"] = str(self._version)
        try:
            answer = self._api.get("/instances", query)
        except UnreachableError as error:
            self._failures += 1
            self._lost_since = self._lost_since or now
            backoff = min(2**self._failures, LONGEST_PAUSE_SECONDS)
            self._ask_at = now + max(backoff, error.wait_seconds)
            return self._failures == 1
        was_lost, self._failures, self._lost_since = bool(self._failures), 0, None
        self._ask_at = now + ASK_EVERY_SECONDS
        if answer is None:
            return was_lost
        self._whole_at = now + WHOLE_EVERY_SECONDS
        self._version, self._items = answer["version"], answer["items"]
        self._count = answer["count"]
        return True

    @property
    def items(self) -> list[Json]:
        return self._items

    def lines(self) -> list[str]:
        """Return the table as of now and a status line."""
        now = self._clock()
        status = f"{len(self._items)} of {self._count}"
        if self._lost_since is not None:
            status = f"Connection lost {int(now - self._lost_since)} s ago. Retrying…"
        now_ms = int(now * 1_000)
        return [*table(row(instance, now_ms) for instance in self._items), "", status]
