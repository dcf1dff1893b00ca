"""A live table: counts down by itself, asks politely, outlives a lost connection."""

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
    """One list, as last known.

    Args:
        api: Curfew.
        query: Of the list.
        clock: Unix seconds.
    """

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
        """Ask if it is time to.

        Returns:
            Whether there is anything new.

        Raises:
            CommandError: What no waiting mends, such as a token that has ended.
        """
        now = self._clock()
        if now < self._ask_at:
            return False
        query = dict(self._query)
        if self._version is not None and now < self._whole_at and not self._failures:
            query["since"] = str(self._version)
        try:
            told = self._api.get("/instances", query)
        except UnreachableError as error:
            self._failures += 1
            self._lost_since = self._lost_since or now
            backoff = min(2**self._failures, LONGEST_PAUSE_SECONDS)
            self._ask_at = now + max(backoff, error.wait_seconds)
            return self._failures == 1
        was_lost, self._failures, self._lost_since = bool(self._failures), 0, None
        self._ask_at = now + ASK_EVERY_SECONDS
        if told is None:
            return was_lost
        self._whole_at = now + WHOLE_EVERY_SECONDS
        self._version, self._items = told["version"], told["items"]
        self._count = told["count"]
        return True

    @property
    def items(self) -> list[Json]:
        """The instances as last read."""
        return self._items

    def lines(self) -> list[str]:
        """The table as of now, and what there is to say about it."""
        now = self._clock()
        said = f"{len(self._items)} of {self._count}"
        if self._lost_since is not None:
            said = f"Connection lost {int(now - self._lost_since)} s ago. Retrying…"
        now_ms = int(now * 1_000)
        return [*table(row(one, now_ms) for one in self._items), "", said]
