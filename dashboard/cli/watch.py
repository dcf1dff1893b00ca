"""A live table that counts down, polls rarely and survives a lost connection."""

import time
from collections.abc import Callable, Mapping

from .client import Api, Json
from .errors import UnreachableError
from .show import instances

POLL_SECONDS = 5
RELOAD_SECONDS = 60
"""Some texts change with time, even if the fleet does not change."""

MAX_BACKOFF_SECONDS = 30


class Watch:
    def __init__(
        self,
        api: Api,
        query: Mapping[str, str | list[str]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._api, self._clock = api, clock
        self._query = {**query, "per_page": "100"}
        self._version: int | None = None
        self.items: list[Json] = []
        self._count = 0
        self._failures = 0
        self._lost_since: float | None = None
        self._poll_at = self._reload_at = 0.0

    def step(self) -> bool:
        """Poll if it is time, and return whether anything is new.

        Raises:
            CommandError: Waiting does not help, for example after a token has expired.
        """
        now = self._clock()
        if now < self._poll_at:
            return False
        query = dict(self._query)
        if self._version is not None and now < self._reload_at and not self._failures:
            query["since"] = str(self._version)
        try:
            page = self._api.get("/instances", query)
        except UnreachableError as error:
            self._failures += 1
            self._lost_since = self._lost_since or now
            backoff = min(2**self._failures, MAX_BACKOFF_SECONDS)
            self._poll_at = now + max(backoff, error.wait_seconds)
            return self._failures == 1
        was_lost, self._failures, self._lost_since = bool(self._failures), 0, None
        self._poll_at = now + POLL_SECONDS
        if page is None:
            return was_lost
        self._reload_at = now + RELOAD_SECONDS
        self._version, self.items = page["version"], page["items"]
        self._count = page["count"]
        return True

    def lines(self) -> list[str]:
        """Return the table as of now and a status line."""
        now = self._clock()
        status = f"{len(self.items)} of {self._count}"
        if self._lost_since is not None:
            status = f"Connection lost {int(now - self._lost_since)} s ago. Retrying…"
        return [*instances(self.items, int(now * 1_000)), "", status]
