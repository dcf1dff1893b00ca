"""Many open pages, while edits and refreshes go on."""

import asyncio
import random
import threading
import time
from typing import Any

from .load import Connection, Tally
from .pages import poller, renewed
from .place import Place

PAGES = ("", "?status=RUNNING", "?sort=name", "?flavor_type=GPU", "?per_page=50")
"""What the watchers look at, in turns."""


def watchers(
    place: Place, *, number: int, seconds: float, edits: int
) -> dict[str, Any]:
    """Polls, pages and the cloud's calls under that load."""
    alone = _listings(place, min(45.0, seconds / 2))
    chosen = [one["pk"] for one in place.ask("some_instances", number=edits)]
    stop = threading.Event()

    def edit() -> None:
        # All are submitted in the first three quarters, so that most are delivered.
        batch = max(1, round(edits / seconds / 0.75))
        for first in range(0, len(chosen), batch):
            place.ask("submit", pks=chosen[first : first + batch], mark="watched")
            if stop.wait(1):
                return

    editor = threading.Thread(target=edit)
    before = len(place.log("list"))
    editor.start()
    polls, pages = asyncio.run(_watch(place, number, seconds))
    stop.set()
    editor.join()
    listings = len(place.log("list")) - before
    return {
        "watchers": number,
        "seconds": seconds,
        "polls": len(polls.seconds),
        "statuses": polls.statuses,
        "errors": polls.errors + pages.errors,
        "poll_p50_ms": polls.quantile(0.5) * 1000,
        "poll_p99_ms": polls.quantile(0.99) * 1000,
        "page_p50_ms": pages.quantile(0.5) * 1000,
        "page_worst_ms": max(pages.seconds, default=0) * 1000,
        "listings a minute without watchers": alone,
        "listings a minute with watchers": listings / seconds * 60,
        "edits": place.ask("states"),
    }


def _listings(place: Place, seconds: float) -> float:
    """Listings of the cloud in a minute."""
    before = len(place.log("list"))
    time.sleep(seconds)
    return (len(place.log("list")) - before) / seconds * 60


async def _watch(place: Place, number: int, seconds: float) -> tuple[Tally, Tally]:
    polls, pages = Tally(), Tally()
    people = len(place.sessions)
    drawn = {
        (person, page): poller(
            (
                await Connection(place.port).get(
                    f"/instances/{page}", place.headers(person), Tally()
                )
            )[2]
        )
        for person in range(people)
        for page in PAGES
    }
    ends = time.monotonic() + seconds

    async def watch(one: int) -> None:
        person, page = one % people, PAGES[one // people % len(PAGES)]
        connection, (url, poll_token) = Connection(place.port), drawn[person, page]
        await asyncio.sleep(random.uniform(0, 5))  # noqa: S311  (no secret)
        while time.monotonic() < ends:
            headers = {"Curfew-Poll-Token": poll_token, "HX-Request": "true"}
            headers |= {"HX-Trigger": "poller"}
            status, heads, body = await connection.get(
                url, place.headers(person, **headers), polls
            )
            if status == 200:
                url, poll_token = poller(body)
            else:
                poll_token = renewed(heads) or poll_token
            await asyncio.sleep(random.uniform(4.5, 5.5))  # noqa: S311
        connection.close()

    async def visit() -> None:
        connection = Connection(place.port)
        while time.monotonic() < ends:
            await connection.get("/instances/", place.headers(1), pages)
            await asyncio.sleep(1)
        connection.close()

    await asyncio.gather(visit(), *(watch(n) for n in range(number)))
    return polls, pages
