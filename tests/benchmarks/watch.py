"""Many open pages, while edits and refreshes go on."""

import asyncio
import random
import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from .load import Connection, Tally
from .measure import Cost, cpu_seconds, in_turns
from .pages import get, poller, renewed
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
    polls, pages = asyncio.run(watch(place, number, seconds))
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


def crowd(place: Place, *, number: int, seconds: float) -> dict[str, Any]:
    """Many watchers of few pages while something changes elsewhere each second."""
    shown = asyncio.run(_shown(place))
    with _changes(place, shown):
        polls, pages = asyncio.run(watch(place, number, seconds))
    return {
        "watchers": number,
        "seconds": seconds,
        "polls": len(polls.seconds),
        "statuses": polls.statuses,
        "errors": polls.errors + pages.errors,
        "had to come back later": polls.later,
        "poll_p50_ms": polls.quantile(0.5) * 1000,
        "poll_p99_ms": polls.quantile(0.99) * 1000,
        "page_worst_ms": max(pages.seconds, default=0) * 1000,
    }


def moves(place: Place) -> dict[str, int]:
    """Bytes of the answer when five rows of 100 have moved, as a browser gets it.

    With all rows, it is the answer to a poll that does not name those of its page.
    """
    page = get(place, "/instances/?per_page=100")[2]
    rows = [int(pk) for pk in re.findall(rb'<tr id="instance-(\d+)"', page)]
    place.ask("stamp", pks=rows[:5])
    # As if they had been at the end until now.
    displayed = ",".join(map(str, rows[5:] + rows[:5]))
    url = re.sub("layout=[^&]+", "layout=another", poller(page)[0])
    found = {}
    for name, named in {
        "moves": {"Curfew-Displayed-Rows": displayed},
        "all": {},
    }.items():
        for encoding in ("gzip", "identity"):
            status, heads, body = get(
                place, url, **named, **{"Accept-Encoding": encoding}
            )
            assert status == 200
            head = sum(len(f"{one}: {value}\r\n") for one, value in heads.items())
            found[f"{name}, {encoding}"] = head + len(body)
    return found


BUSY_RATE = 400
"""Polls in a second: those of 2,000 watchers at 5 s."""


def busy(place: Place, *, seconds: float, rounds: int) -> dict[str, Any]:
    """Polls of pages without news while something changes elsewhere each second.

    Beside them the same polls while nothing changes. The watchers share the five pages;
    in the other cases each has its own. What changes is a description, or an owner.
    """
    shared = [f"/instances/{page}" for page in PAGES]
    shown = asyncio.run(_shown(place))
    tallies: dict[str, Tally] = {}

    def work(
        name: str, paths: list[str], rate: int, *, changing: bool, listed: bool = False
    ) -> Cost:
        tallies[name] = Tally()
        with _changes(place, shown if changing else None, listed=listed):
            return _polled(place, paths, tallies[name], rate, seconds)

    alone = [f"/instances/?sort=name&owner=!nobody-{one}" for one in range(50)]
    found = in_turns(
        {
            "quiet": lambda: work("quiet", shared, BUSY_RATE, changing=False),
            "busy": lambda: work("busy", shared, BUSY_RATE, changing=True),
            "quiet, alone": lambda: work("quiet, alone", alone, 10, changing=False),
            "busy, alone": lambda: work("busy, alone", alone, 10, changing=True),
            "owners, alone": lambda: work(
                "owners, alone", alone, 10, changing=True, listed=True
            ),
        },
        rounds,
    )
    return {
        "costs": found,
        "statuses": {name: tally.statuses for name, tally in tallies.items()},
    }


async def _shown(place: Place) -> list[int]:
    """Keys of all rows of ``PAGES``: what changes elsewhere is none of them."""
    pages = await _pages(place, [f"/instances/{page}" for page in PAGES])
    return [int(pk) for page in pages for pk in re.findall(rb'"instance-(\d+)"', page)]


@contextmanager
def _changes(
    place: Place, shown: list[int] | None, *, listed: bool = False
) -> Iterator[None]:
    """Change something elsewhere each second; nothing for None."""
    stop = threading.Event()

    def change() -> None:
        while shown is not None and not stop.wait(1):
            place.ask("change_elsewhere", shown=shown, listed=listed)

    changer = threading.Thread(target=change)
    changer.start()
    try:
        yield
    finally:
        stop.set()
        changer.join()


async def _pages(place: Place, paths: list[str]) -> list[bytes]:
    connection = Connection(place.port)
    pages = [
        (await connection.get(path, place.headers(), Tally()))[2] for path in paths
    ]
    connection.close()
    return pages


def _polled(
    place: Place,
    paths: list[str],
    tally: Tally,
    rate: int,
    seconds: float,
) -> Cost:
    """Poll the pages in turns at a rate; take new poll tokens as a browser would."""
    assert place.web.pid

    async def poll() -> float:
        drawn = [poller(page) for page in await _pages(place, paths)]
        connections = [Connection(place.port) for _ in range(8)]
        before, began = cpu_seconds(place.web.pid or 0), time.monotonic()

        async def ask(first: int) -> None:
            for number in range(first, int(rate * seconds), len(connections)):
                await asyncio.sleep(began + number / rate - time.monotonic())
                url, poll_token = drawn[number % len(paths)]
                headers = {"Curfew-Poll-Token": poll_token, "HX-Request": "true"}
                status, heads, body = await connections[first].get(
                    url, place.headers(**headers), tally
                )
                if status == 200:
                    drawn[number % len(paths)] = poller(body)
                elif fresh := renewed(heads):
                    drawn[number % len(paths)] = url, fresh

        await asyncio.gather(*(ask(first) for first in range(len(connections))))
        return cpu_seconds(place.web.pid or 0) - before

    used = asyncio.run(poll())
    return Cost(used * 1000 / len(tally.seconds), rate)


def _listings(place: Place, seconds: float) -> float:
    """Listings of the cloud in a minute."""
    before = len(place.log("list"))
    time.sleep(seconds)
    return (len(place.log("list")) - before) / seconds * 60


async def watch(
    place: Place, number: int, seconds: float, lists: Sequence[str] = PAGES
) -> tuple[Tally, Tally]:
    """Have people follow lists for some seconds, and one more visit a list each second.

    Returns:
        The polls, and the visits.
    """
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
        for page in lists
    }
    ends = time.monotonic() + seconds

    async def follow(one: int) -> None:
        person, page = one % people, lists[one // people % len(lists)]
        connection, (url, poll_token) = Connection(place.port), drawn[person, page]
        await asyncio.sleep(random.uniform(0, min(5, seconds)))  # noqa: S311  (no secret)
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
            pause = random.uniform(4.5, 5.5)  # noqa: S311
            await asyncio.sleep(min(pause, max(0, ends - time.monotonic())))
        connection.close()

    async def visit() -> None:
        connection = Connection(place.port)
        while time.monotonic() < ends:
            await connection.get("/instances/", place.headers(1), pages)
            await asyncio.sleep(min(1, max(0, ends - time.monotonic())))
        connection.close()

    await asyncio.gather(visit(), *(follow(n) for n in range(number)))
    return polls, pages
