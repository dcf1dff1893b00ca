"""Polls and pages: what a request costs, beside the baselines of the same server."""

import asyncio
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

from .load import Connection, Headers, Tally, hammer
from .measure import Cost, cpu_seconds, in_turns
from .place import Place

SORTS = ("stops_in", "name", "owner", "status", "updated")
ADMIN_SORTS = {"stops_in": 8, "name": 1, "owner": 4, "status": 3, "updated": 11}
"""Columns of the admin's list, from 1."""

MEMORY_IS_OVER_SECONDS = 0.3
"""Longer than a process believes what it has read (``livepoll.state``)."""

FILTERS: dict[str, dict[str, str]] = {
    "q=train": {"q": "train"},
    "status=RUNNING": {"status": "RUNNING", "missing_since__isnull": "1"},
    "autostop=on": {"auto_stop_enable__exact": "1", "missing_since__isnull": "1"},
    "autostop=due": {},
    "autostop=off": {"auto_stop_enable__exact": "0", "missing_since__isnull": "1"},
    "flavor_type=GPU": {"flavor_type": "GPU"},
    "owner=anna.schmidt": {"owner_name": "anna.schmidt"},
    "cloud=demo": {"cloud__name": "demo"},
    "workspace=0": {"workspace_id": "0"},
    "generation=notebooks": {"generation__exact": "notebooks"},
}
"""Each filter of ours and what it is in the admin's address.

Both find the same rows, but ours of auto-stop leave out notebooks that do not run.
"""


class Requests:
    """Asks one web server, in rounds of some length."""

    def __init__(self, place: Place, seconds: float) -> None:
        self._place, self._seconds = place, seconds

    def work(self, path: str, headers: Headers | None = None) -> Callable[[], Cost]:
        """A round that asks for one path."""
        return lambda: self._round(path, headers or self._place.headers())

    def _round(self, path: str, headers: Headers) -> Cost:
        assert self._place.web.pid
        before = cpu_seconds(self._place.web.pid)
        tally, seconds = asyncio.run(
            hammer(
                self._place.port, [path], headers, seconds=self._seconds, connections=4
            )
        )
        used = cpu_seconds(self._place.web.pid) - before
        assert not tally.errors, (path, tally.statuses)
        number = len(tally.seconds)
        return Cost(used * 1000 / number, number / seconds)


def get(place: Place, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """One answer."""

    async def once() -> tuple[int, dict[str, str], bytes]:
        connection = Connection(place.port)
        answer = await connection.get(path, place.headers(**headers), Tally())
        connection.close()
        return answer

    return asyncio.run(once())


def poller(page: bytes) -> tuple[str, str]:
    """What a page's poller asks for, and its poll token."""
    text = page.decode()
    url = re.search(r'<div id="poller"[^>]* hx-get="([^"]+)"', text)
    poll_token = re.search(r'"Curfew-Poll-Token": "([^"]+)"', text)
    assert url
    assert poll_token
    return url[1].replace("&amp;", "&"), poll_token[1]


def renewed(heads: dict[str, str]) -> str:
    """The new poll token that an answer brings; empty when there is none."""
    found = re.search(r'"poll_token": ?"([^"]+)"', heads.get("hx-trigger", ""))
    return found[1] if found else ""


class QuietPoller:
    """A watcher of an unchanged page; takes new poll tokens as htmx would."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.url, self.poll_token = poller(get(place, "/instances/")[2])

    def headers(self) -> Headers:
        """With a poll token that is valid for a while, and news in Redis."""
        headers = {"Curfew-Poll-Token": self.poll_token, "HX-Request": "true"}
        status, heads, _ = get(self._place, self.url, **headers)
        assert status == 204, status
        self.poll_token = renewed(heads) or self.poll_token
        # What the process last read may be "nothing is known": no worker sweeps here
        # and keeps the news alive.
        time.sleep(MEMORY_IS_OVER_SECONDS)
        return self._place.headers(**headers | {"Curfew-Poll-Token": self.poll_token})


def polls(place: Place, seconds: float, rounds: int) -> dict[str, Cost]:
    """Quiet polls beside a constant and a plain view, and polls with news."""
    ask = Requests(place, seconds)
    quiet = QuietPoller(place)
    works = {
        "bare constant": ask.work("/_bare"),
        "plain view": ask.work("/_plain"),
        "quiet poll": lambda: ask.work(quiet.url, quiet.headers())(),
        "quiet poll, no poll_token": ask.work(quiet.url),
    }
    rows = re.findall(rb'<tr id="instance-(\d+)"', get(place, "/instances/")[2])
    found = in_turns(works, rounds)
    for number in (1, 5, 25):
        found |= _with_news(place, [int(pk) for pk in rows[:number]], seconds, rounds)
    return found


def _with_news(
    place: Place, pks: list[int], seconds: float, rounds: int
) -> dict[str, Cost]:
    name, requests = f"poll, {len(pks)} rows changed", round(5 * seconds) + 3
    first = in_turns(
        {f"{name}, first to ask": lambda: _first_to_ask(place, pks, requests=requests)},
        rounds,
    )

    def again() -> Cost:
        url, headers = _browser_poll(place)
        _stamp(place, pks)
        return Requests(place, seconds).work(url, place.headers(**headers))()

    return in_turns({name: again}, rounds) | first


def _stamp(place: Place, pks: list[int]) -> None:
    """Have rows look changed, and wait until the next poll hears of it."""
    place.ask("stamp", pks=pks)
    time.sleep(MEMORY_IS_OVER_SECONDS)


def _browser_poll(place: Place) -> tuple[str, Headers]:
    """Draw a page, and return what it polls, with a poll token that is valid."""
    url, poll_token = poller(get(place, "/instances/")[2])
    headers = {"Curfew-Poll-Token": poll_token, "HX-Request": "true"}
    return url, headers | {"HX-Trigger": "poller"}


def _first_to_ask(place: Place, pks: list[int], *, requests: int) -> Cost:
    """Polls of which each is the first to hear of its version: nothing is shared."""
    assert place.web.pid
    used = waited = 0.0
    url, headers = _browser_poll(place)
    for _ in range(requests):
        _stamp(place, pks)
        before, began = cpu_seconds(place.web.pid), time.perf_counter()
        status, _, body = get(place, url, **headers)
        waited += time.perf_counter() - began
        used += cpu_seconds(place.web.pid) - before
        assert status == 200
        assert body.count(b'<tr id="instance-') == len(pks)
    return Cost(used * 1000 / requests, requests / waited)


def lists(
    place: Place, seconds: float, rounds: int, *, every: bool
) -> dict[str, tuple[Cost, Cost]]:
    """Each sort and filter, and beside it Django admin's list of the same rows."""
    ask = Requests(place, seconds)
    pairs = {f"sort={sort}": {"o": str(ADMIN_SORTS[sort])} for sort in SORTS}
    if every:
        pairs |= {f"sort=-{sort}": {"o": f"-{ADMIN_SORTS[sort]}"} for sort in SORTS}
        pairs |= FILTERS
        soon = datetime.now(UTC) + timedelta(hours=1)
        pairs["autostop=due"] = {"run_ends_at__lte": soon.isoformat()}
        pairs["page=40"] = {"p": "40"}
    works = {}
    for ours, theirs in pairs.items():
        admin = f"/_admin/instances/instance/?{urlencode(theirs)}"
        works[f"admin {ours}"] = ask.work(admin)
        works[ours] = ask.work(f"/instances/?per_page=100&{ours}")
    found = in_turns(works, rounds)
    return {ours: (found[ours], found[f"admin {ours}"]) for ours in pairs}


def plans(place: Place, *, every: bool) -> dict[str, Any]:
    """Number of queries of each list, and what of them reads the whole table."""
    found = {}
    queries = ["", *(f"sort={s}" for k in SORTS for s in (k, f"-{k}")), *FILTERS]
    for query in queries if every else queries[::10]:
        path = f"/instances/?per_page=100&{query}"
        seen = place.ask("look", path=path, session=place.sessions[0])
        scans = {
            kind: [line for line in plan if _SCAN.search(line)]
            for kind, plan in seen["plans"]
            if any(_SCAN.search(line) for line in plan)
        }
        found[query or "default"] = {
            "queries": seen["queries"],
            "again": seen["again"],
            "scans": scans,
            "plans": seen["plans"],
        }
    return found


_SCAN = re.compile(r"SCAN instances_instance$|Seq Scan on instances_instance\b")


def single_pages(
    place: Place, seconds: float, rounds: int
) -> dict[str, tuple[Cost, int]]:
    """Pages of one instance of each generation: cost, and number of queries."""
    ask = Requests(place, seconds)
    (one,) = place.ask("some_instances", number=1)
    (notebook,) = place.ask("some_notebooks", number=1)
    paths = {
        "detail": one["url"],
        "form": f"{one['url']}edit/",
        "a notebook's detail": notebook["url"],
        "a notebook's extend": f"{notebook['url']}extend/",
    }
    costs = in_turns({name: ask.work(path) for name, path in paths.items()}, rounds)
    return {
        name: (
            costs[name],
            place.ask("look", path=path, session=place.sessions[0])["again"],
        )
        for name, path in paths.items()
    }


WIDE_PAGES = {
    "list of 100 rows": "/instances/?per_page=100",
    "due": "/due/",
    "compliance": "/policies/compliance/?whose=all",
}
"""Pages about the whole fleet; the list is what the others are compared with."""


def wide_pages(place: Place, seconds: float, rounds: int) -> dict[str, Cost]:
    """Pages about the whole fleet, in turns: again, and first after a change."""
    ask = Requests(place, seconds)
    again = {name: ask.work(path) for name, path in WIDE_PAGES.items()}
    first = {
        f"{name}, first after a change": partial(
            _first_after_a_change, place, path, round(10 * seconds) + 1
        )
        for name, path in WIDE_PAGES.items()
    }
    return in_turns(again, rounds) | in_turns(first, rounds)


def _first_after_a_change(place: Place, path: str, requests: int) -> Cost:
    assert place.web.pid
    used = waited = 0.0
    for _ in range(requests):
        place.ask("move_an_end")
        before, began = cpu_seconds(place.web.pid), time.perf_counter()
        status, _, _ = get(place, path)
        waited += time.perf_counter() - began
        used += cpu_seconds(place.web.pid) - before
        assert status == 200
    return Cost(used * 1000 / requests, requests / waited)
